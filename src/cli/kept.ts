/** Asks the cache for what `run` needs. */
import { release } from "node:os";
import { resolve } from "node:path";
import { type CompiledPolicy, decodeCompiled } from "../engines/compiled.ts";
import { type CacheQuestion, CompiledCache } from "./cache.ts";
import type { Context } from "./context.ts";
import type { RunPlan } from "./enforce.ts";
import { chooseEngine, type Engine } from "./engine.ts";
import { chosenArchitecture, givenCapabilities, policyFile, readParameters } from "./policy-arguments.ts";
import type { Invocation } from "./verb.ts";

export interface CacheAnswer {
  readonly cache: CompiledCache | undefined;
  readonly question: CacheQuestion;
  readonly file: string;
  readonly engine: Engine;
  readonly policy: CompiledPolicy | undefined;
}

/** @throws Failure where there is no such policy, or a parameter cannot be read; what `chooseEngine` throws */
export function askCache(plan: RunPlan, invocation: Invocation, context: Context): CacheAnswer {
  const file = policyFile(plan.policy, context.workingDirectory);
  const engine = chooseEngine(plan.engine, plan.mode === "audit");
  const question: CacheQuestion = {
    path: resolve(context.workingDirectory, file),
    // Events show paths as seen from the working directory.
    from: context.workingDirectory,
    architecture: chosenArchitecture(invocation),
    engine: JSON.stringify(engine),
    events: String(plan.destination !== undefined),
    mode: [plan.mode, plan.bestEffort ? "best-effort" : "", plan.killEvents ? "kill-events" : ""].join(" "),
    // An OCI profile has rules for some kernels and for commands with some capabilities.
    kernel: release(),
    capabilities: givenCapabilities(invocation)?.join() ?? "not told",
    parameters: [...readParameters(invocation)].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
  const cache = CompiledCache.open(context.environment);
  const bytes = cache?.find(question);
  return { cache, question, file, engine, policy: bytes === undefined ? undefined : decoded(bytes) };
}

/** What another build wrote, against all odds, is no policy of ours. */
function decoded(bytes: Uint8Array): CompiledPolicy | undefined {
  try {
    return decodeCompiled(bytes);
  } catch {
    return undefined;
  }
}
