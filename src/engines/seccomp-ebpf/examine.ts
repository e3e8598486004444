/** What of the engine `seccomp-ebpf` works on this machine, whose kernel has it: for `doctor`. */
import { firstLines, type Trial, tellsOfDenial } from "../description.ts";
import type { Finding } from "../finding.ts";
import type { WorkingSupport } from "./support.ts";

export function* examineSeccompEbpf(start: Trial, variant: string): Generator<Finding, boolean> {
  const denied = start("exec-once", "exec /bin/true");
  if (denied.status !== 126) {
    yield { state: "missing", what: "no command can be started", help: firstLines(denied.stderr) };
    return false;
  }
  const isPrivileged = variant === ("privileged" satisfies WorkingSupport);
  const how = isPrivileged ? "with CAP_BPF" : "without any privilege (programs of 4,096 instructions at most)";
  yield { state: "fine", what: `the kernel enforces, ${how}` };
  if (!tellsOfDenial(denied)) {
    yield { state: "missing", what: "a denial was no event", help: firstLines(denied.stderr) };
  }
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
