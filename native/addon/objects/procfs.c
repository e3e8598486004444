// SPDX-License-Identifier: MIT
/*
 * Proc file systems: which mounts are one, and which files of another process can be opened for a caller.
 *
 * The kernel protects many files of a process as it protects tracing (ptrace_may_access() and mm_access() in fs/proc). For
 * some files, such as mem, environ and maps, it asks at the open or at the lookup, and about the process that makes it.
 * Ours has more rights than the caller: it is outside the Landlock domain that the launcher or an outer sandbox made, and
 * it is an ancestor of the tree's processes, which Yama lets it trace. So we open no file that the kernel could refuse to
 * the caller. What a process may do to itself, by any of its threads, the kernel does not ask.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "objects.h"
#include "../base/old_libc.h"

#ifndef SYS_statmount
#define SYS_statmount 457
#endif

bool is_proc(int descriptor) {
  struct statfs system;
  return fstatfs(descriptor, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

/* statmount(2), since Linux 6.8. False for a mount outside our namespace. */
static bool type_of_mount(uint64_t mount, uint64_t *type) {
  enum { SB_BASIC = 1 };
  const struct {
    uint32_t size, spare;
    uint64_t mount, parts;
  } request = {sizeof request, 0, mount, SB_BASIC};
  struct {
    uint32_t size, options;
    uint64_t parts;
    uint32_t major, minor;
    uint64_t type;
  } found = {0};
  if (syscall(SYS_statmount, &request, &found, sizeof found, 0) != 0 || (found.parts & SB_BASIC) == 0) return false;
  *type = found.type;
  return true;
}

bool can_be_proc(const struct self *ours, const struct identity *object) {
  if (object->mount == ours->root.mount || major(object->device) != 0) return false;
  uint64_t type;
  return !object->has_lasting_mount || !type_of_mount(object->mount, &type) || type == PROC_SUPER_MAGIC;
}

/* ── Other processes ─────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * fs/proc/base.c: neither a lookup nor an open of these asks whether the process may be traced. The reader of stat and
 * wchan is asked about at the read, which the caller itself makes.
 */
static const char *const public_names[] = {
    ".",         "..",        "task",      "cgroup", "children", "cmdline",   "comm",          "cpuset",     "gid_map",
    "limits",    "loginuid",  "mountinfo", "mounts", "oom_adj",  "oom_score", "oom_score_adj", "projid_map", "sched",
    "schedstat", "sessionid", "setgroups", "stat",   "statm",    "status",    "uid_map",       "wchan",
};

bool is_public(const char *name) {
  if (name[strspn(name, "0123456789")] == 0) return true; /* below task */
  for (size_t i = 0; i < sizeof public_names / sizeof *public_names; i++)
    if (strcmp(name, public_names[i]) == 0) return true;
  return false;
}

/* Each mount of a super block shows its options. */
bool hides_processes(const struct self *ours) {
  const int file = openat(ours->proc, "thread-self/mountinfo", O_RDONLY | O_CLOEXEC);
  FILE *mounts = file < 0 ? NULL : fdopen(file, "r");
  if (mounts == NULL) {
    if (file >= 0) close(file);
    return true;
  }
  char *line = NULL;
  size_t size = 0;
  bool hides = true;
  while (getline(&line, &size, mounts) >= 0) {
    unsigned major, minor;
    if (sscanf(line, "%*u %*u %u:%u", &major, &minor) != 2) continue;
    if (makedev(major, minor) != ours->proc_root.device) continue;
    const char *options = strstr(line, " - ");
    hides = options == NULL || strstr(options, "hidepid=") != NULL;
    break;
  }
  free(line);
  fclose(mounts);
  return hides;
}
