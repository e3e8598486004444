/** Looks up the compiled policy of a `run` in the cache. A start from the cache loads no other file of this folder. */
import { release } from "node:os";
import { resolve } from "node:path";
import { type CompiledPolicy, decodeCompiled } from "../../engines/registry.ts";
import type { Context } from "../context.ts";
import { type Candidate, candidates } from "../engine.ts";
import type { PolicyFile } from "./arguments.ts";
import { type CacheQuestion, CompiledCache } from "./cache.ts";
import { demandsOf, hasEvents, type RunRequest } from "./run-request.ts";

export interface CacheAnswer {
  readonly cache: CompiledCache | undefined;
  readonly question: CacheQuestion;
  readonly candidates: readonly Candidate[];
  /** Undefined if the cache lacks it. */
  readonly policy: CompiledPolicy | undefined;
}

/** @throws StartError and NativeUnavailableError as `candidates` */
export function askCache(
  request: RunRequest,
  file: PolicyFile,
  context: Context,
  decode: (bytes: Uint8Array) => CompiledPolicy | undefined = decoded,
): CacheAnswer {
  const engines = candidates(request.engine, demandsOf(request));
  const question: CacheQuestion = {
    path: resolve(context.workingDirectory, file.name),
    openedAs: resolve(context.workingDirectory, file.openedAs),
    // Events show paths relative to the working directory.
    from: context.workingDirectory,
    architecture: request.architecture,
    engine: JSON.stringify(engines),
    events: String(hasEvents(request)),
    mode: [
      request.mode,
      request.bestEffort ? "best-effort" : "",
      request.killEvents ? "kill-events" : "",
      request.proxyPort ?? "",
      JSON.stringify(request.withoutMounts ?? ""),
      request.kernelCounts === true ? "kernel counts" : "",
    ].join(" "),
    // Rules of an OCI profile can depend on the kernel and on capabilities.
    kernel: release(),
    capabilities: request.capabilities?.join() ?? "none given",
    parameters: [...request.parameters].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
  const cache = CompiledCache.open(context.environment);
  const bytes = cache?.find(question);
  return { cache, question, candidates: engines, policy: bytes === undefined ? undefined : decode(bytes) };
}

/** A policy whose entry cannot be decoded is compiled again. */
export function decoded(bytes: Uint8Array): CompiledPolicy | undefined {
  try {
    return decodeCompiled(bytes);
  } catch {
    return undefined;
  }
}
