/** A policy compiled for the engine notify: from the cache, or anew. The front end is only loaded for the latter. */
import { resolve } from "node:path";
import { decodePolicy, encodePolicy, type NotifyMode, type NotifyPolicy } from "../engines/notify/policy.ts";
import { type CacheQuestion, CompiledCache } from "./cache.ts";
import type { Context } from "./context.ts";
import { chosenArchitecture, policyFile, readParameters } from "./policy.ts";
import type { Invocation } from "./verb.ts";

/** @throws Failure with what is wrong with the policy */
export async function compiledPolicy(
  named: string,
  mode: NotifyMode,
  invocation: Invocation,
  context: Context,
  bestEffort: boolean,
): Promise<NotifyPolicy> {
  const file = policyFile(named, context.workingDirectory);
  const architecture = chosenArchitecture(invocation);
  const question: CacheQuestion = {
    // Events show paths as seen from the working directory.
    from: context.workingDirectory,
    path: resolve(context.workingDirectory, file),
    architecture,
    mode: bestEffort ? `${mode} best-effort` : mode,
    parameters: [...readParameters(invocation)].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
  const cache = CompiledCache.open(context.environment);
  const kept = cache?.find(question);
  if (kept !== undefined) {
    try {
      return decodePolicy(kept);
    } catch {
      // Not by this build's hand after all: it is written anew.
    }
  }
  const { compileAnew } = await import("./compile.ts");
  const { policy, files } = await compileAnew(file, mode, invocation, context, bestEffort);
  cache?.keep(question, files, encodePolicy(policy));
  return policy;
}
