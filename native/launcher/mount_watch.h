// SPDX-License-Identifier: MIT
/*
 * Keeps files protected (mounts.h) while the command's tree runs.
 *
 * A program outside the tree can replace a protected file, as git does with its configuration, and the kernel then removes the
 * mount from all namespaces (vfs_rename(), d_move() and detach_mounts(), fs/namei.c). If it renames the file instead, the mount
 * moves away with it, and nothing reports that.
 */
#ifndef PORTCULLIS_MOUNT_WATCH_H
#define PORTCULLIS_MOUNT_WATCH_H

#include <stddef.h>

#include "layer_format.h"
#include "namespaces.h"

enum {
  /* Milliseconds between two looks at the files, without a report of the kernel. */
  LOOK_INTERVAL = 1000
};

#define NO_MOUNT_WATCH {-1, -1, -1, -1, NULL, 0}
struct mount_watch {
  /* Descriptors that were opened when the command started, because any process of the user can set our limit of them to 0. */
  int changes; /* of the namespace's mounts: becomes readable by POLLPRI. -1: nothing is protected */
  int root, mounts, user;
  /* The rules that had their mounts at the start. A file that was missing is not protected later. */
  const struct layer_rule **rules;
  size_t count;
};

/* Begins to watch the mounts of the calling process. Returns 0, or a negative errno. */
long watch_mounts(struct mount_watch *watch, const struct namespaces *namespaces, const unsigned char *layers,
                  size_t size);

/* Closes the descriptors of a failed attempt. */
void release_mount_watch(struct mount_watch *watch);

/* Protects again what has lost its protection. Returns whether something had, or a negative errno: something still has. */
long restore_mounts(const struct mount_watch *watch);

#endif
