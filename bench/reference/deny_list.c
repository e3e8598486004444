/*
 * deny_list linear|tree COMMAND...: runs a command under libseccomp's filter of a typical profile: it denies 245 calls
 * and allows the rest. It also denies getppid for one value of an unused argument register, so that the kernel's bitmap
 * cannot decide it. `tree` is libseccomp's binary search over the numbers.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REFUSED = 245, NUMBERS = 335 };

/* Calls that the measured program and its start need. */
static const int needed[] = {
    SCMP_SYS(access),          SCMP_SYS(arch_prctl),      SCMP_SYS(brk),        SCMP_SYS(clock_gettime),
    SCMP_SYS(close),           SCMP_SYS(execve),          SCMP_SYS(exit_group), SCMP_SYS(fstat),
    SCMP_SYS(futex),           SCMP_SYS(getppid),         SCMP_SYS(getrandom),  SCMP_SYS(mmap),
    SCMP_SYS(mprotect),        SCMP_SYS(munmap),          SCMP_SYS(newfstatat), SCMP_SYS(openat),
    SCMP_SYS(pread64),         SCMP_SYS(prlimit64),       SCMP_SYS(read),       SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(write),
};

static int is_needed(int number) {
  for (unsigned int i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
    if (needed[i] == number) return 1;
  return 0;
}

int main(int argc, char **argv) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  int tree = argc > 1 && !strcmp(argv[1], "tree");
  int refused = 0;

  if (!filter || argc < 3 || !(tree || !strcmp(argv[1], "linear"))) {
    fprintf(stderr, "usage: %s linear|tree COMMAND...\n", argv[0]);
    return 125;
  }
  if (tree && seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)) {
    fprintf(stderr, "libseccomp makes no tree\n");
    return 125;
  }
  for (int number = 0; number < NUMBERS && refused < REFUSED; number++)
    if (!is_needed(number) && !seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0)) refused++;
  if (refused < REFUSED ||
      seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(getppid), 1, SCMP_A0(SCMP_CMP_EQ, 0x123456789))) {
    fprintf(stderr, "libseccomp does not take the rules (%d)\n", refused);
    return 125;
  }
  errno = -seccomp_load(filter);
  if (errno) {
    perror("seccomp_load");
    return 125;
  }
  execv(argv[2], argv + 2);
  perror(argv[2]);
  return 127;
}
