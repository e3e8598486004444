/** Looks the compiled policy of a `run` up in the cache. A start from the cache loads nothing else of this folder. */
import { release } from "node:os";
import { resolve } from "node:path";
import { decodeCompiled } from "../../engines/compiled.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import type { Context } from "../context.ts";
import { type Candidate, candidates } from "../engine.ts";
import type { RunRequest } from "../run-request.ts";
import { policyFile } from "./arguments.ts";
import { type CacheQuestion, CompiledCache } from "./cache.ts";

export interface CacheAnswer {
  readonly cache: CompiledCache | undefined;
  readonly question: CacheQuestion;
  readonly file: string;
  readonly candidates: readonly Candidate[];
  /** Undefined where the cache does not have it. */
  readonly policy: CompiledPolicy | undefined;
}

/** @throws Failure where there is no such policy; StartError and NativeUnavailableError as `candidates` */
export function askCache(request: RunRequest, context: Context): CacheAnswer {
  const file = policyFile(request.policy, context.workingDirectory);
  const engines = candidates(request.engine, request.mode === "audit");
  const question: CacheQuestion = {
    path: resolve(context.workingDirectory, file),
    // Events show paths as seen from the working directory.
    from: context.workingDirectory,
    architecture: request.architecture,
    engine: JSON.stringify(engines),
    events: String(request.destination !== undefined),
    mode: [request.mode, request.bestEffort ? "best-effort" : "", request.killEvents ? "kill-events" : ""].join(" "),
    // An OCI profile has rules for some kernels and for commands with some capabilities.
    kernel: release(),
    capabilities: request.capabilities?.join() ?? "none given",
    parameters: [...request.parameters].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
  const cache = CompiledCache.open(context.environment);
  const bytes = cache?.find(question);
  return { cache, question, file, candidates: engines, policy: bytes === undefined ? undefined : decoded(bytes) };
}

/** An entry that cannot be decoded is compiled anew. */
function decoded(bytes: Uint8Array): CompiledPolicy | undefined {
  try {
    return decodeCompiled(bytes);
  } catch {
    return undefined;
  }
}
