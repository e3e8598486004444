/**
 * Calls that the kernel makes without asking any seccomp filter: `seccomp_uprobe_exception` of kernel/seccomp.c (uretprobe
 * from Linux 6.14 and in the stable series before it, uprobe since it exists, Linux 6.18). Only the kernel's own trampolines, which a tracer
 * with privileges places, can make them; from elsewhere they fail with a signal. x86-64 alone has them.
 */
export const exemptCalls = ["uprobe", "uretprobe"] as const;
