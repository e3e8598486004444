import { allow, calls, deny, parameter, policy } from "portcullis";
import procMem from "portcullis/policies/shared/proc-mem.ts";

const isolated = parameter.flag("isolated", { default: true });

const reaching = calls("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise");

/**
 * A process of the tree may not trace another, read or write its memory, take its descriptors, sample its stack or compare
 * its resources. Processes of one user can do all of this, so without this rule a hijacked worker has the power of every
 * process of its user. Debuggers and strace fail under this policy; `--set isolated=false` permits them.
 *
 * An open of /proc/PID/mem has the same effect and is allowed, unless the command line has `--set deny-proc-mem=true`
 * (proc-mem.ts describes its cost). Signals, opens of /proc/PID/fd/N and reads of /proc/PID/environ are also allowed.
 * Separate users prevent all of these except signals; `run --separate` prevents all of them towards other processes.
 */
export default policy({ extends: [procMem] }, (call) => {
  if (!isolated) return allow;
  const reaches = reaching.has(call) || (call.name === "perf_event_open" && call.args.pid !== 0n);
  return reaches ? deny("EPERM", "no process of this tree reaches into another") : allow;
});
