import { allow, calls, deny, parameter, policy } from "portcullis";

const isolated = parameter.flag("isolated", { default: true });

const reaching = calls("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise");

/**
 * A process of the tree does not reach into another: it does not trace it, read or write its memory, take its
 * descriptors or compare its resources. Processes of one user can do all of that to each other, so without this rule a
 * hijacked worker is as strong as the strongest process of its user. Debuggers and strace fail below this policy;
 * `--set isolated=false` lets them work.
 *
 * Signals still pass, and so do opens of /proc/PID/mem and /proc/PID/fd: their paths lie behind pointers, which policies
 * cannot read yet. prctl(PR_SET_DUMPABLE, 0) or a user for each service closes those.
 */
export default policy((call) =>
  isolated && reaching.has(call) ? deny("EPERM", "no process of this tree reaches into another") : allow,
);
