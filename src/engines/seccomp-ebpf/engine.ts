/** The engine `seccomp-ebpf`: the kernel itself enforces, state included. It needs the series of kernel/patches. */
import type { EngineRuntime } from "../engine/engine.ts";
import type { SeccompEbpfPolicy } from "./policy.ts";
import { runUnderSeccompEbpf } from "./run.ts";
import { statusLacks } from "./status.ts";
import { seccompEbpfSupport } from "./support.ts";
import { printVariant } from "./variant.ts";

export const seccompEbpfEngine: EngineRuntime<"seccomp-ebpf", SeccompEbpfPolicy> = {
  name: "seccomp-ebpf",
  summary: "the kernel itself; needs one with portcullis's patches",
  runHelp: {
    supervision:
      "Under seccomp-ebpf no call needs portcullis: with -q, and without --events, --status, --timeout, --kill-tree, --die-with-parent, --cgroup and --separate, it executes the command in its own process.",
    "no-denial-events": "Under seccomp-ebpf, verdicts then do not become events; reports do.",
    "kill-events": "Under seccomp-ebpf all kills are events without this option, except with --no-denial-events.",
    killed: "under seccomp-ebpf 159 (SIGSYS)",
  },
  audits: false,
  hasStatus: true,
  statusLacks,
  probe() {
    const support = seccompEbpfSupport();
    if (support.missing !== undefined)
      return { works: false, missing: support.missing, expected: support.is === "absent" };
    const { is, memory } = support;
    return { works: true, variant: printVariant({ unprivileged: is === "unprivileged", memory }) };
  },
  run: (policy, command, options) => runUnderSeccompEbpf(policy, command, options),
};
