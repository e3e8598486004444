/** The classic filter of the engine `seccomp-ebpf`: the static part, beside the eBPF program with the state. */
import type { FilterProfile } from "../engine/static-filter.ts";

/** The kernel follows forks and executions, so nothing is supervised. */
export const seccompEbpfProfile = {
  supervision: () => ({ superviseProcessCreation: false }),
  notifies: false,
  launcherCalls: ["execve", "seccomp"],
} as const satisfies FilterProfile;
