/** A policy compiled for the engine that is to enforce it: from the cache, or anew. The front end is only loaded for the latter. */
import { type CompiledPolicy, encodeCompiled } from "../engines/compiled.ts";
import type { Context } from "./context.ts";
import type { RunPlan } from "./enforce.ts";
import { askCache } from "./kept.ts";
import type { Invocation } from "./verb.ts";

/**
 * @throws Failure with what is wrong with the policy, StartError where the engine that was named cannot work here,
 *   NativeUnavailableError
 */
export async function compiledPolicy(plan: RunPlan, invocation: Invocation, context: Context): Promise<CompiledPolicy> {
  const { cache, question, file, engine, policy: kept } = askCache(plan, invocation, context);
  if (kept !== undefined) return kept;
  if (file.endsWith(".pcl"))
    return await (await import("./bundled.ts")).bundledPolicyOf(file, engine, invocation, context);
  const { compileAnew } = await import("./compile.ts");
  const { compiled, files } = await compileAnew(file, engine, plan, invocation, context);
  cache?.keep(question, files, encodeCompiled(compiled));
  return compiled;
}
