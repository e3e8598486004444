/* A counter of the tree: bench/policies/ebpf/limit.ts by hand. */
#include "trial.h"

/* The tree's state. The count cannot overflow: 2^63 programs are never started. */
static __u64 started;

SEC("policy") int judge(struct trial *ctx) {
  if (ctx->arch != AUDIT_ARCH_X86_64) return DENY(ENOSYS);
  switch (ctx->nr) {
    case __NR_execve:
    case __NR_execveat:
      return __sync_fetch_and_add(&started, 1) < 10 ? ALLOW : DENY(EAGAIN);
  }
  return is_known(ctx->nr) ? ALLOW : DENY(ENOSYS);
}
