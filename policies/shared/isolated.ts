import { allow, calls, deny, parameter, policy } from "portcullis";

const isolated = parameter.flag("isolated", { default: true });

const reaching = calls("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise");

/**
 * A process of the tree may not trace another, read or write its memory, take its descriptors or compare its resources.
 * Processes of one user can do all of this, so without this rule a hijacked worker has the power of every process of its
 * user. Debuggers and strace fail under this policy; `--set isolated=false` permits them.
 *
 * Signals are allowed. Opening /proc/PID/mem and /proc/PID/fd is also allowed, because a denial by the text of a path is
 * bypassed by a relative path or a link. To prevent it, use prctl(PR_SET_DUMPABLE, 0) or a separate user for each
 * service.
 */
export default policy((call) =>
  isolated && reaching.has(call) ? deny("EPERM", "no process of this tree reaches into another") : allow,
);
