// SPDX-License-Identifier: MIT
/* The Landlock domain that separates the command's tree from the other processes of its user. */
#ifndef PORTCULLIS_DOMAIN_H
#define PORTCULLIS_DOMAIN_H

/*
 * Moves the calling process into a Landlock domain of its own, which its descendants inherit. The caller must have
 * no_new_privs set.
 *
 * Processes of the domain cannot send signals to processes outside it: to one, a group or all, through a pidfd or
 * /proc/PID, or by fcntl(F_SETOWN) (Documentation/userspace-api/landlock.rst, "IPC scoping"). They also cannot trace
 * outside processes, nor open files that ptrace_may_access() protects, such as /proc/PID/mem, environ and fd
 * (security/landlock/task.c). Signals that the kernel sends to the parent of an ended process pass.
 *
 * Returns 0, or a negative errno: EOPNOTSUPP if Landlock is missing, off, or older than Linux 6.12.
 */
long enter_domain(void);

#endif
