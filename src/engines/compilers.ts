/**
 * The engines' compilers. Each is loaded on demand, to compile, explain or list a policy, and never for a start from the
 * cache.
 */
import type { EngineCompiler } from "./engine/engine.ts";
import type { EngineName, PolicyOf } from "./registry.ts";

const compilers: { readonly [N in EngineName]: () => Promise<EngineCompiler<PolicyOf<N>>> } = {
  "seccomp-ebpf": async () => (await import("./seccomp-ebpf/compile.ts")).seccompEbpfCompiler,
  notify: async () => (await import("./notify/compile.ts")).notifyCompiler,
};

export function compilerOf<N extends EngineName>(engine: N): Promise<EngineCompiler<PolicyOf<N>>> {
  return compilers[engine]();
}
