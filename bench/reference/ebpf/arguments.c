/* Conditions on arguments: bench/policies/ebpf/arguments.ts by hand. */
#include <linux/sched.h>
#include <asm/ioctls.h>
#include <asm/mman.h>
#include "trial.h"

/* <sys/socket.h> cannot be used in BPF programs. */
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10, AF_NETLINK = 16 };

SEC("policy") int judge(struct trial *ctx) {
  __u32 word;

  if (ctx->arch != AUDIT_ARCH_X86_64) return DENY(ENOSYS);
  switch (ctx->nr) {
    case __NR_socket:
      word = ctx->args[0];
      if (word == AF_UNIX || word == AF_INET || word == AF_INET6) return ALLOW;
      return word == AF_NETLINK && (__u32)ctx->args[2] == 0 ? ALLOW : DENY(EAFNOSUPPORT);
    case __NR_mmap:
    case __NR_mprotect:
      return (ctx->args[2] & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC) ? DENY(EACCES) : ALLOW;
    case __NR_clone:
      return ctx->args[0] & (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID) ? DENY(EPERM) : ALLOW;
    case __NR_ioctl:
      switch ((__u32)ctx->args[1]) {
        case TIOCSTI:
        case TIOCLINUX:
        case TIOCSETD:
        case TIOCCONS:
          return DENY(EPERM);
      }
      return ALLOW;
    case __NR_personality:
      switch ((__u32)ctx->args[0]) {
        case 0:
        case 8:
        case 0x20000:
        case 0x20008:
        case 0xffffffff:
          return ALLOW;
      }
      return DENY(EPERM);
    case __NR_prlimit64:
      return (__u32)ctx->args[0] == 0 || ctx->args[2] == 0 ? ALLOW : DENY(EPERM);
    case __NR_lseek:
      return ctx->args[1] < 0x100000000 ? ALLOW : DENY(EFBIG);
    case __NR_clone3:
      return DENY(ENOSYS);
  }
  return is_known(ctx->nr) ? ALLOW : DENY(ENOSYS);
}
