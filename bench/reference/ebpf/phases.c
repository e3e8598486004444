/* Phases of a process: bench/policies/ebpf/phases.ts by hand. */
#include "trial.h"

enum phase { STARTING, SERVING };

struct state {
  __u64 phase;
};

STATE_MAP(process, struct state);

SEC("policy") int judge(struct trial *ctx) {
  __u32 nr = ctx->nr, slot;
  struct state *state;

  if (ctx->arch != AUDIT_ARCH_X86_64) return DENY(ENOSYS);
  switch (nr) {
    case __NR_bind:
    case __NR_setuid:
    case __NR_setgid:
    case __NR_setgroups:
    case __NR_chroot:
    case __NR_accept:
    case __NR_accept4:
    case __NR_execve:
    case __NR_execveat:
      break;
    case __NR_clone3:
      return DENY(ENOSYS);
    default:
      return is_known(nr) ? ALLOW : DENY(ENOSYS);
  }
  slot = ctx->process_slot;
  state = bpf_map_lookup_elem(&process, &slot);
  if (!state) return SECCOMP_RET_KILL_PROCESS;
  switch (nr) {
    case __NR_accept:
    case __NR_accept4:
      /* Phases only go forward, and this is the last one. */
      state->phase = SERVING;
      return ALLOW;
    case __NR_execve:
    case __NR_execveat:
      return state->phase == STARTING ? ALLOW : SECCOMP_RET_KILL_PROCESS;
    default:
      return state->phase == STARTING ? ALLOW : DENY(EPERM);
  }
}
