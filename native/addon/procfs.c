// SPDX-License-Identifier: MIT
/* Which mounts are of a proc file system. */
#define _GNU_SOURCE
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "objects.h"
#include "old_libc.h"

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

bool can_be_proc(const struct self *self, const struct identity *object) {
  if (object->mount == self->root.mount || major(object->device) != 0) return false;
  uint64_t type;
  return !object->has_lasting_mount || !type_of_mount(object->mount, &type) || type == PROC_SUPER_MAGIC;
}
