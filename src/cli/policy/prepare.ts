/**
 * Prepares the compiled policy of a `run`: from the cache, from a bundle, or by the compiler, which is loaded only
 * then.
 */
import { encodeCompiled } from "../../engines/compiled.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import type { Context } from "../context.ts";
import type { RunRequest } from "../run-request.ts";
import { withCompilerFlags } from "../v8-flags.ts";
import { askCache } from "./cached.ts";

/**
 * @throws Failure with the policy's errors, StartError if the named engine does not work on this machine,
 *   NativeUnavailableError
 */
export async function preparePolicy(request: RunRequest, context: Context): Promise<CompiledPolicy> {
  const { cache, question, file, candidates, policy } = askCache(request, context);
  if (policy !== undefined) return policy;
  if (file.name.endsWith(".pcl")) return (await import("./bundle.ts")).policyOfBundle(file, candidates, request);
  const { compileRequested } = await import("./compile.ts");
  const { compiled, files } = await withCompilerFlags(() => compileRequested(request, candidates, context));
  cache?.keep(question, files, encodeCompiled(compiled));
  return compiled;
}
