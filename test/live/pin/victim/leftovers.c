// SPDX-License-Identifier: MIT
/*
 * Callers that do not get a window, again and again. `leftovers WHICH TIMES` makes so many calls, and prints how many were
 * refused, and the number of descriptors that it has more than before.
 */
#include "pinned.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

static long open_ok(void) {
  const long file = result_of(syscall(SYS_openat, AT_FDCWD, "./ok", O_RDONLY, 0));
  if (file >= 0) close((int)file);
  return file;
}

static int descriptors(void) {
  int count = 0;
  for (int i = 0; i < 1024; i++) count += fcntl(i, F_GETFD) >= 0;
  return count;
}

static long refused, others, left; /* `left`: in children */
static void call(void) {
  const long result = open_ok();
  if (result == -EPERM) refused++;
  else others++;
}

static void without_memory(int times) {
  const struct rlimit limit = {0x100000, 0x100000};
  setrlimit(RLIMIT_AS, &limit);
  for (int i = 0; i < times; i++) call();
}

/* The first of the window's two descriptors takes the last number. */
static void with_one_descriptor(int times) {
  const int lowest = dup(0);
  close(lowest);
  const struct rlimit limit = {(rlim_t)lowest + 1, (rlim_t)lowest + 1};
  setrlimit(RLIMIT_NOFILE, &limit);
  for (int i = 0; i < times; i++) call();
  const int last = dup(0);
  printf("last: %d\n", last == lowest);
  close(last);
}

static char selector;
static void with_dispatch(int times) {
  if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector) != 0) exit(2);
  for (int i = 0; i < times; i++) call();
}

/* The window is mapped and cannot be protected, and so it can be unmapped. */
static void without_seal(int times) {
  struct sock_filter filter[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_mseal},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EACCES},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const struct sock_fprog program = {4, filter};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) exit(2);
  for (int i = 0; i < times; i++) {
    call();
    munmap((void *)0x10000, 0x1f0000);
  }
}

/* Signals arrive while children get their windows: an attempt ends, and the next one succeeds. */
static void in_storm(int times) {
  for (int i = 0; i < times; i++) {
    const pid_t child = fork();
    if (child == 0) {
      const int before = descriptors();
      begin_storm(50, SA_RESTART);
      long result;
      do result = open_ok();
      while (result == -EINTR);
      end_storm();
      _exit(result < 0 ? 100 : descriptors() - before);
    }
    int status;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 100) others++;
    else left += WEXITSTATUS(status);
  }
}

static const struct {
  const char *name;
  void (*act)(int times);
} all[] = {{"memory", without_memory},
           {"descriptor", with_one_descriptor},
           {"dispatch", with_dispatch},
           {"seal", without_seal},
           {"storm", in_storm}};

int leftover_scenario(const char *name, char **arguments) {
  if (strcmp(name, "leftovers") != 0) return -1;
  make_file("ok", 'o');
  confine();
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (strcmp(all[i].name, arguments[0]) != 0) continue;
    const int before = descriptors();
    all[i].act(atoi(arguments[1]));
    printf("refused: %ld\nothers: %ld\nleft: %ld\n", refused, others, left + descriptors() - before);
    return 0;
  }
  return 2;
}
