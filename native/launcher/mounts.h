// SPDX-License-Identifier: MIT
/*
 * The files that the command's tree can read and not change although it may change others around them, and directories of its
 * own, such as /tmp: mounts in a mount namespace. Landlock cannot take rights away below a directory that has them.
 */
#ifndef PORTCULLIS_MOUNTS_H
#define PORTCULLIS_MOUNTS_H

#include <stddef.h>

#include "layer_format.h"

/* Whether checked layers (layer_format.h) have rules that need a mount namespace. */
int need_mounts(const unsigned char *layers, size_t size);
/*
 * Whether a command may start without them (--best-effort). Not with private directories: the lists of files permit what is
 * in these, and would permit the user's own home directory then. Nor with a limit of processes, which nothing else holds.
 */
int can_lack_mounts(const unsigned char *layers, size_t size);

/* Whether a private directory is below another one of the layer, whose file system it is in. */
int is_nested(const struct layer_header *layer, const struct layer_rule *private);

/*
 * Moves the calling process into a mount namespace with these mounts, limits its processes, and drops the capability to change the
 * mounts from all that it executes. It must be in a user namespace of its own (namespaces.h), single-threaded, and not share its
 * working directory.
 *
 * A directory above a protected file that the tree could otherwise rename becomes a mount point, too, because the kernel
 * refuses to rename one (EBUSY). A protected directory that is missing is made, if the directory above it exists.
 *
 * Returns 0, or a negative errno with a sentence without a full stop in `what`, which the next call overwrites.
 */
long enter_mounts(const unsigned char *layers, size_t size, const char **what);

/* For a trial: makes each kind of mount, in a mount namespace that nothing uses afterwards. Returns as enter_mounts does. */
long try_each_mount(const char **what);

/*
 * Protects the files of these rules that are not mount points, in a process that is in the namespaces with all capabilities.
 * Returns as enter_mounts does.
 */
long protect_again(const struct layer_rule *const *rules, size_t count, const char **what);

#endif
