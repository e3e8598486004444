/**
 * Calls that bypass all seccomp filters: `seccomp_uprobe_exception` in kernel/seccomp.c (uretprobe from Linux 6.14, and
 * backported to stable series; uprobe from Linux 6.18, which introduces it). Only the kernel's own trampolines, which a
 * privileged tracer places, can make them; elsewhere they fail with a signal. Only x86-64 has them.
 */
export const exemptCalls = ["uprobe", "uretprobe"] as const;
