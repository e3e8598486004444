/* SPDX-License-Identifier: MIT */
/*
 * Attacks on the supervisor of pinned calls with memory that never comes, for the programs that can make such memory
 * (attack.c, fuse.c). The policy refuses openat of the file "forbidden" and allows the rest.
 */
#ifndef NEVER_H
#define NEVER_H
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static inline long open_path(const char *path) {
  long result = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
  return result < 0 ? -errno : result;
}

static inline void tell(const char *what, long result) {
  printf("%s: %ld\n", what, result > 0 ? 0 : result);
  fflush(stdout);
}

static inline long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* A child makes such a page. Returns in both: in the child the page, in the parent NULL, some time after the page is there. */
static inline char *page_in_child(char *(*make)(void), pid_t *child) {
  int ready[2];
  char byte;
  if (pipe(ready) != 0) exit(2);
  *child = fork();
  if (*child < 0) exit(2); /* kill(-1) would end every process */
  if (*child == 0) {
    char *page = make();
    if (write(ready[1], "", 1) != 1 || page == NULL) _exit(1);
    return page;
  }
  close(ready[1]);
  if (read(ready[0], &byte, 1) != 1) exit(2);
  close(ready[0]);
  usleep(300000);
  return NULL;
}

static inline void *open_never(void *path) { return (void *)open_path(path); }

/* A path that never comes, in several threads of a child; the parent's calls go on meanwhile. */
static inline void block_by_path(char *(*make)(void)) {
  enum { CALLS = 100, STUCK = 12 };
  pid_t child;
  char *page = page_in_child(make, &child);
  if (page != NULL) {
    pthread_t threads[STUCK];
    long results[STUCK];
    for (int i = 0; i < STUCK; i++) pthread_create(&threads[i], NULL, open_never, page);
    for (int i = 0; i < STUCK; i++) pthread_join(threads[i], (void **)&results[i]);
    for (int i = 1; i < STUCK; i++) results[0] = results[i] == results[0] ? results[0] : 0;
    tell("stalled", results[0]);
    _exit(0);
  }
  long begin = now(), served = 0;
  for (int i = 0; i < CALLS; i++) served += open_path("allowed") >= 0;
  tell("refused meanwhile", served - CALLS);
  tell("forbidden meanwhile", open_path("forbidden"));
  tell("late", now() - begin > 8000 ? -1 : 0);
  waitpid(child, NULL, 0);
  tell("after", open_path("allowed"));
}

/* A stack whose page never comes: the frame of a pinned call lies there, and an open with O_PATH is always pinned. Its caller stays stopped until it is killed. */
static inline void block_by_stack(char *(*make)(void)) {
#ifdef __x86_64__
  int status;
  pid_t child;
  char *page = page_in_child(make, &child);
  if (page != NULL) {
    register long none __asm__("r10") = 0;
    long result = SYS_openat;
    __asm__ volatile("mov %%rsp, %%r12; mov %[stack], %%rsp; syscall; mov %%r12, %%rsp"
                     : "+a"(result)
                     : "D"(AT_FDCWD), "S"("allowed"), "d"(O_PATH), "r"(none), [stack] "r"(page + PAGE)
                     : "rcx", "r11", "r12", "memory");
    _exit(result < 0 ? 3 : 4);
  }
  tell("meanwhile", open_path("allowed"));
  tell("ended", waitpid(child, &status, WNOHANG));
  kill(child, SIGKILL);
  if (waitpid(child, &status, 0) != child) exit(2);
  tell("child", WIFSIGNALED(status) ? -WTERMSIG(status) : -100 - WEXITSTATUS(status));
#else
  (void)make;
#endif
}
#endif
