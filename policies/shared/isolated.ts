import { allow, calls, deny, parameter, policy } from "portcullis";
import procMem from "portcullis/policies/shared/proc-mem.ts";
import { readOnlyProc } from "portcullis/policies/shared/read-only-proc.ts";

export const isolated = parameter.flag("isolated", { default: true });

const reaching = calls("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise");

/**
 * A process of the tree may not trace another, read or write its memory, take its descriptors, sample its stack or compare
 * its resources. Processes of one user can do all of this, so without this rule a hijacked worker has the power of every
 * process of its user. Debuggers and strace fail under this policy; `--set isolated=false` permits them.
 *
 * A write to /proc/PID/mem has the same effect: the tree opens files of proc file systems for reading only
 * (read-only-proc.ts describes the consequences). Reads of that file, of /proc/PID/environ and opens of /proc/PID/fd/N
 * remain, and signals; `--set deny-proc-mem=true` also denies reads of the memory (proc-mem.ts describes its cost).
 * Separate users prevent all of these except signals; `run --separate` prevents all of them towards other processes.
 */
export default policy({ extends: [procMem], readOnlyProc: isolated && readOnlyProc }, (call) => {
  if (!isolated) return allow;
  const reaches = reaching.has(call) || (call.name === "perf_event_open" && call.args.pid !== 0n);
  return reaches ? deny("EPERM", "no process of this tree reaches into another") : allow;
});
