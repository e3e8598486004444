/** How the engine `seccomp-ebpf` differs from the reference meaning, and what it needs: for documents, `doctor` and `explain`. */
import type { EngineDescription } from "../engine/description.ts";
import { examineSeccompEbpf } from "./examine.ts";

export const seccompEbpfDescription: EngineDescription = {
  enforces: "the kernel itself: a classic filter and a program of type BPF_PROG_TYPE_SECCOMP",
  needs:
    "a kernel with [kernel/patches](../kernel/README.md), CAP_BPF in the first user namespace or the unprivileged mode, and eBPF's JIT compiler, which is on by default",
  differences: {
    "hot-call": { does: "runs the program in the kernel, like every call that the kernel does not prove constant" },
    ask: { does: "refused when the policy is compiled (P0606)", warning: "ask needs the engine notify" },
    "kill-process": { does: "SIGSYS from the kernel: status 159" },
    "kill-thread": { does: "kills the thread" },
    "stateful-trap": { does: "SIGSYS, as in the static part" },
    "static-kill": { does: "each is an event" },
    "reads-memory": {
      does: "the kernel copies it once, before the filters run, and the call uses that copy",
    },
    resolved: { does: "refused when the policy is compiled (P0606)", warning: ".resolved needs the engine notify" },
    phases: { does: "absent" },
    "caller-name": { does: "read a moment later; empty if the caller has ended" },
    "no-denial-events": { does: "leaves out all verdicts; reports are events" },
    interrupted: { does: "never" },
    "in-its-stead": { does: "none, because `.resolved` is refused" },
    "holds-room": { does: "the kernel makes it wait, and knows its end" },
    "child-copy": {
      does: "as it is when the kernel makes the child, a moment after the verdict: it includes changes by another thread of the parent in between",
    },
    "outer-filter": { does: "all filters run: state changes, and there is an event" },
    nesting: { does: "filters stack; each has state of its own" },
    "root-tree": {
      does: "with CAP_SYS_ADMIN it can open the ring buffer by its id and remove events; state is sealed",
    },
    "portcullis-gone": { does: "nothing changes" },
  },
  examine: examineSeccompEbpf,
};
