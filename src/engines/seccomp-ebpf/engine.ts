/** The engine `seccomp-ebpf`: the kernel itself enforces, state included. It needs the series of kernel/patches. */
import type { EngineRuntime } from "../engine.ts";
import type { SeccompEbpfPolicy } from "./policy.ts";
import { runUnderSeccompEbpf } from "./run.ts";
import { seccompEbpfSupport } from "./support.ts";

export const seccompEbpfEngine: EngineRuntime<"seccomp-ebpf", SeccompEbpfPolicy> = {
  name: "seccomp-ebpf",
  summary: "the kernel itself; needs one with portcullis's patches",
  audits: false,
  probe() {
    const { is, missing } = seccompEbpfSupport();
    return missing === undefined ? { works: true, variant: is } : { works: false, missing, expected: is === "absent" };
  },
  run: (policy, command, options) => runUnderSeccompEbpf(policy, command, options),
};
