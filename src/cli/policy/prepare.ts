/**
 * Prepares the compiled policy of a `run`: from the cache, from a bundle, or by the compiler, which is loaded only
 * then.
 */
import { type CompiledPolicy, encodeCompiled } from "../../engines/registry.ts";
import type { Context } from "../context.ts";
import { withCompilerFlags } from "../v8-flags.ts";
import { isBundle, policyFile } from "./arguments.ts";
import { askCache } from "./cached.ts";
import type { RunRequest } from "./run-request.ts";

/**
 * @throws Failure with the policy's errors, StartError if the named engine does not work on this machine,
 *   NativeUnavailableError
 */
export async function preparePolicy(request: RunRequest, context: Context): Promise<CompiledPolicy> {
  const file = policyFile(request.policy, context.workingDirectory);
  if (isBundle(file)) return (await import("./bundle.ts")).policyOfBundle(file, request);
  const { cache, question, candidates, policy } = askCache(request, file, context);
  if (policy !== undefined) return policy;
  const { compileRequested } = await import("./compile.ts");
  const { compiled, files } = await withCompilerFlags(() => compileRequested(request, candidates, context));
  cache?.keep(question, files, encodeCompiled(compiled));
  return compiled;
}
