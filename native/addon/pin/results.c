// SPDX-License-Identifier: MIT
/*
 * Writes the result of an answered call to the caller's memory.
 *
 * process_vm_writev(2) takes a thread's id, which another process can have if the caller is killed between a check and the
 * write. A descriptor of /proc/TID/mem belongs to one address space for ever: if the caller still waits after it was
 * opened, it is the caller's. An execution replaces the address space, so a process's descriptors are valid for one epoch.
 *
 * A caller can be killed after the check. Then the write reaches memory that no program uses any more, unless another
 * process has it, too (CLONE_VM): a parent that waits in vfork(2) goes on at once, on the same stack. So nothing is written
 * for a process that shares the memory of its parent.
 *
 * A write to /proc/TID/mem ignores the protection of private memory (FOLL_FORCE, fs/proc/base.c, mem_rw(), 6.18), where
 * the kernel's own copy gives EFAULT. So the mapping is queried first (PROCMAP_QUERY, Linux 6.11). Another thread can change
 * it in between; then the bytes reach memory that the process cannot write. A process can make each such page writable by
 * itself, unless the policy, its own calls (src/engines/notify/pin/protecting-calls.ts) or a security module prevents it
 * (SELinux does with execmod): then no result is written. AppArmor has no rule about that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../objects/objects.h"
#include "pins.h"

/* include/uapi/linux/fs.h */
struct map_query {
  uint64_t size, flags, address, start, end, protection, page_size, offset, inode;
  uint32_t major, minor, name_size, build_id_size;
  uint64_t name, build_id;
};
enum { IS_WRITABLE = 2 /* PROCMAP_QUERY_VMA_WRITABLE */ };
/* Processes whose descriptors are open: at most so many, and of our descriptors at most an eighth. Each process also has a
   window and a pidfd. */
enum { MOST_KNOWN = 256, SHARE = 16 };
#define QUERY_MAP _IOWR('f', 17, struct map_query)

void start_knowing_memories(struct pins *self) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  self->most_memories = limit.rlim_cur / SHARE < MOST_KNOWN ? (unsigned)(limit.rlim_cur / SHARE) : MOST_KNOWN;
}

static int open_of(pid_t tid, const char *name, int flags) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/%s", tid, name);
  return open(path, flags | O_CLOEXEC);
}

/* True, too, if the kernel cannot say it. A parent that is not ours to look at has other rights. */
static bool shares_memory(const struct self *ours, pid_t tid) {
  enum { KCMP_VM = 1 };
  const pid_t parent = parent_process(ours, tid);
  if (parent <= 0) return parent < 0;
  const long order = syscall(SYS_kcmp, tid, parent, KCMP_VM, 0, 0);
  return order < 0 ? errno == ENOSYS : order == 0;
}

static bool know_memory(struct pins *self, struct process *process, const struct seccomp_notif *call) {
  if (process->is_open && process->memory_epoch == process->epoch) return true;
  if (process->shares_memory && process->memory_epoch == process->epoch) return false;
  forget_memory(self, process);
  if (self->known_memories >= self->most_memories) return false;
  process->memory_epoch = process->epoch;
  process->shares_memory = shares_memory(self->ours, (pid_t)call->pid);
  if (process->shares_memory) return false;
  process->memory = open_of((pid_t)call->pid, "mem", O_WRONLY);
  if (process->memory < 0) return false;
  process->maps = open_of((pid_t)call->pid, "maps", O_RDONLY);
  if (process->maps < 0) {
    close(process->memory);
    return false;
  }
  process->is_open = true;
  self->known_memories++;
  if (still_waits(self, call)) return true;
  forget_memory(self, process);
  return false;
}

static bool is_writable(int maps, uint64_t from, uint64_t to) {
  while (from < to) {
    struct map_query query = {.size = sizeof query, .address = from};
    if (ioctl(maps, QUERY_MAP, &query) != 0 || (query.protection & IS_WRITABLE) == 0) return false;
    from = query.end;
  }
  return true;
}

static bool protects_memory(const struct self *ours) {
  return has_label(ours) && (!ours->has_label[APPARMOR] || ours->has_label[SMACK]);
}

bool write_result(struct pins *self, struct thread *thread, const struct seccomp_notif *call, uint64_t address,
                  const void *bytes, size_t size) {
  struct process *process = thread->process;
  if (!self->writes_results || self->reads_apart || protects_memory(self->ours)) return false;
  if (address > INT64_MAX - size) return false;
  if (!know_memory(self, process, call) || !is_writable(process->maps, address, address + size)) return false;
  if (!still_waits(self, call)) return false;
  return pwrite(process->memory, bytes, size, (off_t)address) == (ssize_t)size;
}
