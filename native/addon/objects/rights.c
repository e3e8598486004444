// SPDX-License-Identifier: MIT
/*
 * A thread of the pool takes the rights of a caller in a container for one step: its root directory, its users and groups,
 * and its capabilities as far as we have them. To the kernel credentials belong to a thread, and so does the root directory
 * of one that has unshared it (CLONE_FS).
 *
 * The real and saved user stay ours: by them the kernel decides who may send the thread signals and trace it, and they let
 * it return. Nothing is taken that would be more than the caller has. The caller waits meanwhile, so its credentials stay
 * the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "objects.h"

/* The C library's functions change all threads. */
#define SAME ((unsigned)-1)

static bool refuse(struct failure *failure, enum obstacle why) {
  *failure = (struct failure){EACCES, why};
  return false;
}

struct capabilities {
  struct __user_cap_data_struct words[2];
};

static bool get_capabilities(struct capabilities *into) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capget, &header, into->words) == 0;
}

static bool set_effective(struct capabilities all, uint64_t effective) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  all.words[0].effective = (uint32_t)effective;
  all.words[1].effective = (uint32_t)(effective >> 32);
  return syscall(SYS_capset, &header, all.words) == 0;
}

static uint64_t effective_of(const struct capabilities *all) {
  return all->words[0].effective | (uint64_t)all->words[1].effective << 32;
}

static uint64_t permitted_of(const struct capabilities *all) {
  return all->words[0].permitted | (uint64_t)all->words[1].permitted << 32;
}

static bool get_rights(struct rights *self) {
  struct capabilities all;
  unsigned ignored;
  if (syscall(SYS_getresuid, &ignored, &self->user, &ignored) != 0 ||
      syscall(SYS_getresgid, &ignored, &self->group, &ignored) != 0 || !get_capabilities(&all))
    return false;
  self->file_user = (unsigned)syscall(SYS_setfsuid, SAME);
  self->file_group = (unsigned)syscall(SYS_setfsgid, SAME);
  self->effective = effective_of(&all);
  const long count = syscall(SYS_getgroups, MOST_GROUPS, self->groups);
  self->count = count < 0 ? 0 : (size_t)count;
  return count >= 0;
}

static bool has_groups(const struct rights *one, const struct rights *other) {
  return one->count == other->count && memcmp(one->groups, other->groups, one->count * sizeof *one->groups) == 0;
}

/* Only what differs: without CAP_SETUID and CAP_SETGID a caller with our users and groups can still be served. */
static bool become(const struct rights *now, const struct rights *next) {
  if (!has_groups(now, next) && syscall(SYS_setgroups, next->count, next->groups) != 0) return false;
  if (now->group != next->group && syscall(SYS_setresgid, SAME, next->group, SAME) != 0) return false;
  if (now->user != next->user && syscall(SYS_setresuid, SAME, next->user, SAME) != 0) return false;
  syscall(SYS_setfsgid, next->file_group);
  syscall(SYS_setfsuid, next->file_user);
  return (unsigned)syscall(SYS_setfsgid, SAME) == next->file_group &&
         (unsigned)syscall(SYS_setfsuid, SAME) == next->file_user;
}

/* The thread's working directory stays that of our descriptors (serve.c). */
static bool enter_root(const struct self *ours, int root) {
  const bool is_entered = fchdir(root) == 0 && chroot(".") == 0;
  return fchdir(ours->descriptors) == 0 && is_entered;
}

bool take_rights(const struct self *ours, const struct rights *its, struct taken_rights *taken,
                 struct failure *failure) {
  struct capabilities all;
  *taken = (struct taken_rights){0};
  if (!get_rights(&taken->former) || !get_capabilities(&all)) return refuse(failure, OTHER_CREDENTIALS);
  if (!enter_root(ours, its->root)) return refuse(failure, OTHER_ROOT);
  taken->has_root = true;
  taken->has_users = true;
  const bool is_taken = become(&taken->former, its) && set_effective(all, its->effective & permitted_of(&all));
  /* A change of users can make a process dumpable again (fs.suid_dumpable). */
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return is_taken || refuse(failure, OTHER_CREDENTIALS);
}

bool return_rights(const struct self *ours, int root, struct taken_rights *taken) {
  struct rights now;
  struct capabilities all;
  bool is_returned = true;
  if (taken->has_users) {
    /* The capabilities first, which the rest may need; and last, because a change of users changes them. */
    is_returned = get_capabilities(&all) && set_effective(all, permitted_of(&all)) && get_rights(&now);
    /* The users first: without that of root the thread has CAP_SETGID all the same, by its capabilities. */
    is_returned = is_returned && become(&now, &taken->former) && set_effective(all, permitted_of(&all));
  }
  if (taken->has_root) is_returned = is_returned && enter_root(ours, root);
  if (taken->has_users) is_returned = is_returned && set_effective(all, taken->former.effective);
  return is_returned;
}

bool lacks_capabilities(const struct rights *its) {
  struct capabilities all;
  const uint64_t of_files = UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_DAC_READ_SEARCH |
                            UINT64_C(1) << CAP_FOWNER | UINT64_C(1) << CAP_FSETID;
  const uint64_t has = get_capabilities(&all) && !its->is_of_other_namespace ? permitted_of(&all) : 0;
  return (its->capabilities & of_files & ~has) != 0;
}
