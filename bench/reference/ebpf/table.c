/* A set of descriptors of a process: bench/policies/ebpf/table.ts by hand. */
#include "trial.h"

#define CAPACITY 16

struct state {
  __u64 count;
  __u64 keys[CAPACITY];
  struct bpf_spin_lock lock;
};

STATE_MAP(process, struct state);

/* The index of the key, or the count. The bound is for the verifier. */
static inline __attribute__((always_inline)) __u64 find(const struct state *state, __u64 key) {
  __u64 i;

  for (i = 0; i < CAPACITY && i < state->count; i++)
    if (state->keys[i] == key) return i;
  return i;
}

SEC("policy") int judge(struct trial *ctx) {
  __u32 nr = ctx->nr, slot, verdict = ALLOW;
  struct state *state;
  __u64 fd, i, last;

  if (ctx->arch != AUDIT_ARCH_X86_64) return DENY(ENOSYS);
  if (nr != __NR_dup && nr != __NR_close && nr != __NR_fsync) {
    if (nr == __NR_clone3) return DENY(ENOSYS);
    return is_known(nr) ? ALLOW : DENY(ENOSYS);
  }
  slot = ctx->process_slot;
  fd = (__u32)ctx->args[0];
  state = bpf_map_lookup_elem(&process, &slot);
  if (!state) return SECCOMP_RET_KILL_PROCESS;
  bpf_spin_lock(&state->lock);
  i = find(state, fd);
  if (nr == __NR_fsync) {
    if (i >= state->count) verdict = DENY(EBADF);
  } else if (nr == __NR_dup) {
    if (i >= CAPACITY) {
      verdict = DENY(EMFILE);
    } else if (i >= state->count) {
      state->keys[i] = fd;
      state->count++;
    }
  } else if (i < state->count) {
    last = state->count - 1;
    if (last < CAPACITY && i < CAPACITY) state->keys[i] = state->keys[last];
    state->count = last;
  }
  bpf_spin_unlock(&state->lock);
  return verdict;
}
