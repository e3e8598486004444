// SPDX-License-Identifier: MIT
/* Finds protected files that have lost their mounts, and mounts them again. */
#include "mount_watch.h"

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include "kernel.h"
#include "layer_format.h"
#include "mounts.h"

enum { STACK = 64 << 10, MAX_ATTEMPTS = 100 };

/* 1: a mount point; 0: not a mount point; -1: missing, so that there is nothing to change. */
static int has_mount(const struct mount_watch *watch, const char *path) {
  struct statx status;
  const unsigned flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  const long result = CALL(__NR_statx, watch->root, path + 1, flags, STATX_TYPE, &status);
  if (result == -ENOENT || result == -ENOTDIR) return -1;
  return result == 0 && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int has_lost_any(const struct mount_watch *watch) {
  for (size_t i = 0; i < watch->count; i++)
    if (has_mount(watch, path_of(watch->rules[i])) == 0) return 1;
  return 0;
}

/* Lists the rules that have their mounts. */
static long list_rules(struct mount_watch *watch, const unsigned char *layers, size_t size) {
  const struct layer_header *layer = (const struct layer_header *)layers, *end = (const void *)(layers + size);
  watch->rules = allocate((size / sizeof(struct layer_rule) + 1) * sizeof *watch->rules);
  if (watch->rules == NULL) return -ENOMEM;
  for (; layer < end; layer = next_layer(layer))
    for (const struct layer_rule *rule = first_rule(layer); rule < end_of_rules(layer); rule = next_rule(rule))
      if ((rule->kind == PROTECT || rule->kind == ABOVE_PROTECTED) && has_mount(watch, path_of(rule)) == 1)
        watch->rules[watch->count++] = rule;
  return 0;
}

long watch_mounts(struct mount_watch *watch, const struct namespaces *namespaces, const unsigned char *layers,
                  size_t size) {
  *watch = (struct mount_watch)NO_MOUNT_WATCH;
  const long root = CALL(__NR_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  const long mounts = root < 0 ? root : CALL(__NR_openat, AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  const long changes = mounts < 0 ? mounts : CALL(__NR_openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  watch->root = (int)root;
  watch->mounts = (int)mounts;
  watch->changes = (int)changes;
  watch->user = namespaces->user;
  return changes < 0 ? changes : list_rules(watch, layers, size);
}

void release_mount_watch(struct mount_watch *watch) {
  const int own[] = {watch->changes, watch->root, watch->mounts};
  for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
    if (own[i] >= 0) CALL(__NR_close, own[i]);
  *watch = (struct mount_watch)NO_MOUNT_WATCH;
}

/* In a process of its own, with a copy of our memory. */
static void protect_there(void *argument) {
  const struct mount_watch *watch = argument;
  const char *what;
  long result = CALL(__NR_setns, watch->user, CLONE_NEWUSER);
  if (result == 0) result = CALL(__NR_setns, watch->mounts, CLONE_NEWNS);
  if (result == 0) result = CALL(__NR_fchdir, watch->root);
  if (result == 0) result = CALL(__NR_chroot, ".");
  const struct __kernel_timespec pause = {0, 1000000};
  for (int i = 0; result == 0 && i < MAX_ATTEMPTS; i++) {
    /* The kernel removes the mount before the name leads to the new file, and mounts nothing on the old one. */
    result = protect_again(watch->rules, watch->count, &what);
    if (result != -ENOENT && !has_lost_any(watch)) break;
    CALL(__NR_nanosleep, &pause, 0);
    if (i + 1 < MAX_ATTEMPTS) result = 0;
  }
  exit_process((int)-result & 0xff);
}

long restore_mounts(const struct mount_watch *watch) {
  if (!has_lost_any(watch)) return 0;
  unsigned char *stack = allocate(STACK);
  if (stack == NULL) return -ENOMEM;
  /* Without a signal at its end. */
  const long pid = clone_child(0, stack + STACK, NULL, protect_there, (void *)watch);
  int status = 1;
  long found = pid;
  if (pid > 0) do
      found = CALL(__NR_wait4, pid, &status, __WALL, 0);
    while (found == -EINTR);
  CALL(__NR_munmap, stack, STACK);
  if (found < 0) return found;
  if (status != 0) return (status & 0x7f) == 0 ? -(status >> 8) : -EIO;
  return !has_lost_any(watch) ? 1 : -EAGAIN;
}
