// SPDX-License-Identifier: MIT
/* Tries what the trees of a policy with mounts (mounts.h) need of the kernel, in namespaces that end with the trial. */
#ifndef PORTCULLIS_MOUNT_TRIAL_H
#define PORTCULLIS_MOUNT_TRIAL_H

/*
 * Whether this user can make a user and a mount namespace, mount a directory on itself, make the mount read-only, and mount an empty
 * file system. A sandbox can permit the namespaces and refuse the mounts. `counts`: whether the kernel limits the processes of such a
 * namespace (process_limit.h).
 *
 * Returns 0, or a negative errno with a sentence without a full stop in `what`.
 */
long try_mounts(int *counts, const char **what);

#endif
