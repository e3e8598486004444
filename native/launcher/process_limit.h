// SPDX-License-Identifier: MIT
/*
 * Limits the tree of a command to a number of processes and threads, by the kernel's own count.
 *
 * Since Linux 5.14 RLIMIT_NPROC is about the tasks of a user in a user namespace and those below it (is_rlimit_overlimit(),
 * kernel/ucount.c), so a tree with a user namespace of its own is counted apart from the user's other processes. A namespace that
 * the tree makes has the limit of the process that made it, and no process raises its own: that needs CAP_SYS_RESOURCE in the first
 * user namespace (do_prlimit(), kernel/sys.c).
 */
#ifndef PORTCULLIS_PROCESS_LIMIT_H
#define PORTCULLIS_PROCESS_LIMIT_H

#include <stdint.h>

/*
 * Limits the calling process and its descendants. It must be the only process of its user namespace, and get no_new_privs before it
 * executes anything. It tries the count: a user whom the kernel exempts (root of the first user namespace, copy_process(),
 * kernel/fork.c), or who could become another one and be counted again, is refused.
 *
 * Returns 0, or a negative errno with a sentence without a full stop in `what`: EOPNOTSUPP if the kernel does not hold the limit.
 */
long limit_processes(uint32_t most, const char **what);

#endif
