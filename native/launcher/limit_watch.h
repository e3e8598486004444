// SPDX-License-Identifier: MIT
/*
 * Sees that a tree has reached its limits (process_limit.h, mounts.h), once for each. The kernel refuses a fork or a write with an
 * errno and keeps no record of it: a user namespace's count of processes can be read nowhere, and a file system has no high-water
 * mark. So the launcher looks, once a second and at the ends of the command and its tree. What the tree reaches only between two
 * looks is not seen.
 */
#ifndef PORTCULLIS_LIMIT_WATCH_H
#define PORTCULLIS_LIMIT_WATCH_H

#include <stddef.h>
#include <stdint.h>

#define NO_LIMIT_WATCH {0, 0, 0}
struct limit_watch {
  uint32_t processes; /* processes and threads at once; 0: no limit, or it was reached before */
  uint32_t size;      /* of each private directory, in KiB; 0: no limit of the policy */
  uint64_t full;      /* private directories that were full before, by their number */
};

void watch_limits(struct limit_watch *watch, const unsigned char *layers, size_t size);

/*
 * `root`: the tree's root directory. `ended`: processes that have ended, and that the kernel counted until now. Calls `tell` with
 * PROCESSES_REACHED and the limit, and with PRIVATE_FULL and the number of a private directory among those of the layers.
 */
void look_at_limits(struct limit_watch *watch, int root, const unsigned char *layers, size_t size, long ended,
                    void (*tell)(uint32_t kind, int value));

#endif
