// SPDX-License-Identifier: MIT
/* The Landlock domain of the command's tree: it separates the tree from other processes, or from files of procfs. */
#ifndef PORTCULLIS_DOMAIN_H
#define PORTCULLIS_DOMAIN_H

/* What a domain restricts; both need one layer of the 16 that a process can have. */
enum restriction {
  /*
   * Processes of the domain cannot send signals to processes outside it: to one, a group or all, through a pidfd or
   * /proc/PID, or by fcntl(F_SETOWN) (Documentation/userspace-api/landlock.rst, "IPC scoping"). Signals that the kernel
   * sends to the parent of an ended process pass. Since Linux 6.12.
   */
  KEEPS_SIGNALS = 1,
  /*
   * Processes of the domain cannot open files of proc file systems for writing, by any path, link or descriptor. Landlock
   * then also denies mount(2) and the like (grants.h). Since Linux 5.19.
   */
  READS_PROC = 2,
  /*
   * Processes of the domain can move files. A task in any domain with rules about files is denied moves between directories
   * by each of its domains that does not grant them, even by one without rules about files (landlock_get_fs_access_mask(),
   * security/landlock/ruleset.h of Linux 6.12). So this is for a tree that is in such a domain, too. Since Linux 5.19.
   */
  PERMITS_MOVES = 4,
};

/* Whether this kernel's Landlock has all of these restrictions. */
int can_restrict(int restrictions);

/*
 * Creates a domain. Its processes also cannot trace processes outside it, nor open files that ptrace_may_access()
 * protects, such as /proc/PID/mem, environ and fd (security/landlock/task.c).
 *
 * Returns a descriptor, closed on exec, or a negative errno with a sentence without a full stop in `what`: EOPNOTSUPP if
 * Landlock is missing, off, or too old for a restriction.
 */
long make_domain(int restrictions, const char **what);

/*
 * Moves the calling process into the domain, which its descendants inherit. The caller must have no_new_privs set.
 * Returns 0, or a negative errno with a sentence as above: EPERM if it is in the domain, which does not protect /proc.
 */
long enter_domain(long domain, int restrictions, const char **what);

#endif
