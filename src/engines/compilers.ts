/** The engines' compilers: loaded where a policy is compiled, explained or listed, never for a start from the cache. */
import type { EngineCompiler } from "./engine.ts";
import { notifyCompiler } from "./notify/compile.ts";
import type { EngineName, PolicyOf } from "./registry.ts";
import { seccompEbpfCompiler } from "./seccomp-ebpf/compile.ts";

export const compilers: { readonly [N in EngineName]: EngineCompiler<PolicyOf<N>> } = {
  "seccomp-ebpf": seccompEbpfCompiler,
  notify: notifyCompiler,
};
