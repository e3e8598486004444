// SPDX-License-Identifier: MIT
/*
 * filters NUMBER RETURN: installs a filter of its own, which gives this call that return value and allows the rest. Then a
 * child, which has no window yet, opens "allowed" twice and makes the call once.
 */
#include "victim.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>

static volatile int traps;
static void on_trap(int signal) {
  (void)signal;
  traps++;
}

static long open_allowed(void) {
  const long file = result_of(syscall(SYS_openat, AT_FDCWD, "allowed", O_RDONLY, 0));
  return file < 0 ? file : 0;
}

int main(int count, char **words) {
  if (count < 3) return 2;
  const unsigned number = (unsigned)atoi(words[1]), returned = (unsigned)strtoul(words[2], NULL, 0);
  struct sock_filter filter[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number},
      {BPF_RET | BPF_K, 0, 0, returned},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const struct sock_fprog program = {4, filter};
  signal(SIGSYS, on_trap);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
    return 2;
  if (fork() == 0) {
    const long first = open_allowed(), second = open_allowed();
    printf("%ld %ld, traps %d, ", first, second, traps);
    syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
    printf("%d\n", traps);
    return 0;
  }
  int status;
  wait(&status);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
