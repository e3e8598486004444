import type { Engine } from "../engine.ts";

/** The eBPF program has the state and is installed behind the classic filter. The kernel follows forks and executions. */
export const seccompEbpfEngine = {
  name: "seccomp-ebpf",
  supervision: () => ({ superviseProcessCreation: false }),
  asks: false,
  launcherCalls: ["execve", "seccomp"],
} as const satisfies Engine;
