// SPDX-License-Identifier: MIT
/*
 * stuck_forks COUNT: so many threads of a process fork, and no fork ends, because the kernel is to write to a page that
 * nothing fills (CLONE_PARENT_SETTID, userfaultfd(2)). Prints how many seconds a fork of another process takes.
 */
#include "victim.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <time.h>

enum { PAGE = 4096 };

static void *page_that_never_comes(void) {
  int fault = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
  struct uffdio_api api = {.api = UFFD_API};
  void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_register range = {.range = {(unsigned long)page, PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (fault >= 0 && ioctl(fault, UFFDIO_API, &api) == 0 && ioctl(fault, UFFDIO_REGISTER, &range) == 0) return page;
  return NULL;
}

static void *fork_into(void *page) {
  syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, NULL, page, NULL, NULL);
  return NULL;
}

int main(int argc, char **argv) {
  _Atomic int *ready = shared_page();
  setvbuf(stdout, NULL, _IONBF, 0);
  pid_t other = fork();
  if (other == 0) {
    void *page = page_that_never_comes();
    pthread_t thread;
    for (int i = 0; page != NULL && i < atoi(argv[argc - 1]); i++) pthread_create(&thread, NULL, fork_into, page);
    usleep(200000);
    *ready = page == NULL ? -1 : 1;
    for (;;) pause();
  }
  while (*ready == 0) usleep(1000);
  if (*ready < 0) puts("no userfaultfd");
  for (int i = 0; *ready > 0 && i < 2; i++) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    pid_t child = fork();
    if (child == 0) _exit(0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    waitpid(child, NULL, 0);
    printf("%s: %ld\n", child > 0 ? "forked" : "refused", (long)(to.tv_sec - from.tv_sec));
  }
  kill(other, SIGKILL);
  waitpid(other, NULL, 0);
  return 0;
}
