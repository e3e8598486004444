/** The runtimes of the engines, in the order of `auto`, which takes the first that works and can express the policy. */
import { deserialize, serialize } from "node:v8";
import type { EngineRunOptions } from "./engine/engine.ts";
import type { RunResult } from "./engine/run.ts";
import { notifyEngine } from "./notify/engine.ts";
import { seccompEbpfEngine } from "./seccomp-ebpf/engine.ts";

export const engines = [seccompEbpfEngine, notifyEngine] as const;

type Engine = (typeof engines)[number];
export type EngineName = Engine["name"];
export const engineNames = engines.map(({ name }) => name);

export type PolicyOf<Name extends EngineName> = Parameters<Extract<Engine, { readonly name: Name }>["run"]>[0];

/** A policy with the engine that it was compiled for. */
export type CompiledPolicy = {
  [N in EngineName]: { readonly engine: N; readonly policy: PolicyOf<N> };
}[EngineName];

export function engineOf(name: EngineName): Engine {
  return engines.find((engine) => engine.name === name)!;
}

export function runCompiled(
  { engine, policy }: CompiledPolicy,
  command: readonly string[],
  options: EngineRunOptions,
): Promise<RunResult> {
  // compilers.ts made policy and name as a pair, which the type of a union of functions cannot express.
  const run = engineOf(engine).run as (
    policy: PolicyOf<EngineName>,
    ...rest: [readonly string[], EngineRunOptions]
  ) => Promise<RunResult>;
  return run(policy, command, options);
}

/** For the cache. Not compatible between versions of Node or of portcullis: the cache's key names both. */
export function encodeCompiled(compiled: CompiledPolicy): Uint8Array {
  return serialize(compiled);
}

/** Throws if the bytes are not a policy. */
export function decodeCompiled(bytes: Uint8Array): CompiledPolicy {
  return deserialize(bytes) as CompiledPolicy;
}
