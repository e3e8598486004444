/*
 * Shared definitions of the hand-written references: the context of the trial target
 * (src/backend/ebpf/testing/trial-target.ts), the maps of its state, and seccomp's return words.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <asm/unistd_64.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/seccomp.h>

struct trial {
  __u32 nr, arch;
  __u64 instruction_pointer, args[6];
  __u64 now, alive;
  __u32 pid, tid, uid, gid;
  __u32 thread_slot, process_slot;
  __u32 reports;
};

#define ALLOW SECCOMP_RET_ALLOW
#define DENY(errno) (SECCOMP_RET_ERRNO | (errno))

/* A map with one element of this type: the state of one scope. */
#define STATE_MAP(name, type_of_value) \
  struct {                             \
    int (*type)[BPF_MAP_TYPE_ARRAY];   \
    int (*max_entries)[1];             \
    __u32 *key;                        \
    type_of_value *value;              \
  } name SEC(".maps")

#define SEC(name) __attribute__((section(name), used))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const bpf_spin_lock)(struct bpf_spin_lock *lock) = (void *)BPF_FUNC_spin_lock;
static long (*const bpf_spin_unlock)(struct bpf_spin_lock *lock) = (void *)BPF_FUNC_spin_unlock;

/* Newer than the headers may be. */
#define UPROBE 336
#define FCHROOT 472

/* The calls of a current kernel; others get ENOSYS (docs/language-reference.md, "Calls that the policy never sees"). */
static inline __attribute__((always_inline)) int is_known(__u32 nr) {
  if (nr <= UPROBE) return 1;
  if (nr >= __NR_open_tree) return nr <= FCHROOT;
  return nr == __NR_pidfd_send_signal;
}

#endif
