/* A token bucket of a process: bench/policies/ebpf/rate.ts by hand. */
#include "trial.h"

#define SECOND 1000000000ULL
#define LIMIT 20

struct state {
  /* The remaining tokens, in units of 1/LIMIT nanosecond; starts full. */
  __u64 level;
  __u64 last;
  struct bpf_spin_lock lock;
};

STATE_MAP(process, struct state);

SEC("policy") int judge(struct trial *ctx) {
  __u64 now, elapsed, level;
  struct state *state;
  int taken = 0;
  __u32 slot;

  if (ctx->arch != AUDIT_ARCH_X86_64) return DENY(ENOSYS);
  switch (ctx->nr) {
    case __NR_fork:
    case __NR_vfork:
    case __NR_clone:
      break;
    case __NR_clone3:
      return DENY(ENOSYS);
    default:
      return is_known(ctx->nr) ? ALLOW : DENY(ENOSYS);
  }
  now = ctx->now;
  slot = ctx->process_slot;
  state = bpf_map_lookup_elem(&process, &slot);
  if (!state) return SECCOMP_RET_KILL_PROCESS;
  bpf_spin_lock(&state->lock);
  elapsed = now < state->last ? 0 : now - state->last;
  if (elapsed > SECOND) elapsed = SECOND;
  level = state->level + elapsed * LIMIT;
  if (level > LIMIT * SECOND) level = LIMIT * SECOND;
  if (level >= SECOND) {
    level -= SECOND;
    taken = 1;
  }
  state->level = level;
  state->last = now;
  bpf_spin_unlock(&state->lock);
  return taken ? ALLOW : DENY(EAGAIN);
}
