/** Examines the engine `seccomp-ebpf` for `doctor`, on a machine whose kernel supports it. */
import { firstLines, hasDenial, type Trial } from "../engine/description.ts";
import type { Finding } from "../engine/finding.ts";
import { readVariant } from "./variant.ts";

export function* examineSeccompEbpf(start: Trial, variant: string): Generator<Finding, boolean> {
  const denied = start("exec-once", "exec /bin/true");
  if (denied.status !== 126) {
    yield { state: "missing", what: "no command can be started", help: firstLines(denied.stderr) };
    return false;
  }
  const { unprivileged, memory } = readVariant(variant);
  const how = unprivileged ? "without any privilege (programs of 4,096 instructions at most)" : "with CAP_BPF";
  yield { state: "fine", what: `the kernel enforces, ${how}` };
  if (!hasDenial(denied)) {
    yield { state: "missing", what: "a denial produced no event", help: firstLines(denied.stderr) };
  }
  yield memory
    ? { state: "fine", what: "policies judge the memory behind pointers" }
    : {
        state: "missing",
        what: "this kernel's filters do not copy arguments, so policies about memory run under notify",
        help: "build one with all patches: kernel/README.md",
      };
  const forked = start("children", "/bin/true; /bin/true");
  yield forked.status === 0
    ? { state: "fine", what: "processes have state of their own, and are counted" }
    : {
        state: "missing",
        what: "a policy with state does not work",
        help: firstLines(forked.events || forked.stderr),
      };
  return true;
}
