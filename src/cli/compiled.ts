/** A policy compiled for the engine notify: from the cache, or anew. The front end is only loaded for the latter. */
import { encodePolicy, type NotifyPolicy } from "../engines/notify/policy.ts";
import type { Context } from "./context.ts";
import type { RunPlan } from "./enforce.ts";
import { askCache } from "./kept.ts";
import type { Invocation } from "./verb.ts";

/** @throws Failure with what is wrong with the policy */
export async function compiledPolicy(plan: RunPlan, invocation: Invocation, context: Context): Promise<NotifyPolicy> {
  const { cache, question, file, policy: kept } = askCache(plan, invocation, context);
  if (kept !== undefined) return kept;
  const { compileAnew } = await import("./compile.ts");
  const { policy, files } = await compileAnew(file, plan, invocation, context);
  cache?.keep(question, files, encodePolicy(policy));
  return policy;
}
