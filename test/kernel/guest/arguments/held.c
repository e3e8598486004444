// SPDX-License-Identifier: MIT
/*
 * held ROUNDS: forks and vforks while another thread waits in a call whose argument the kernel has copied. The children are judged
 * by what they pass themselves, also after the memory of that argument has changed and after the thread was killed. Runs under
 * held.ts, in a machine of its own, and reports in TAP.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"

/* What `held.ts` refuses with. */
enum { REFUSED = EXDEV };
/* Exit statuses of a child. */
enum { JUDGED = 10, MISJUDGED, NOT_EXECUTED };

static char program[4096];
/* The argument of each call; a child of vfork shares it with the thread that waits. */
static char path[16];
static _Atomic pid_t waiter;
/* Shared with the children. */
static struct {
  _Atomic int started, killed, result;
} *board;

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 100 * 1000}, NULL); }

static void expect_of(const char *how, const char *what, int holds) {
  char name[256];
  snprintf(name, sizeof name, "%s: %s", how, what);
  expect(name, holds);
}

/* Without memory of the C library's, for children that share it. */
static int opens(const char *text) {
  size_t i = 0;
  do path[i] = text[i];
  while (text[i++] != '\0');
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) return errno;
  syscall(SYS_close, fd);
  return 0;
}

static int judged(void) {
  return opens("bad") == REFUSED && opens("good") == 0 && opens("absent") == ENOENT && opens("bad") == REFUSED;
}

static void *wait_in_call(void *unused) {
  sigset_t all;
  (void)unused;
  /*
   * A child can end before fork() of the C library has unblocked SIGCHLD in the parent's thread. The kernel then gives the signal
   * to this thread (complete_signal() in kernel/signal.c), whose call restarts and is judged by what its memory has by then.
   */
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
  strcpy(path, "fifo");
  waiter = (pid_t)syscall(SYS_gettid);
  return (void *)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
}

/* Returns when the thread is in its call and sleeps: the kernel has its copies. */
static pthread_t start_waiter(void) {
  pthread_t thread;
  char name[64];
  waiter = 0;
  CHECK(pthread_create(&thread, NULL, wait_in_call, NULL) == 0);
  while (waiter == 0) nap();
  snprintf(name, sizeof name, "/proc/self/task/%d/syscall", waiter);
  for (long number = -1; number != SYS_openat; nap()) {
    FILE *file = fopen(name, "r");
    CHECK(file != NULL);
    if (fscanf(file, "%ld", &number) != 1) number = -1;
    fclose(file);
  }
  return thread;
}

/* Lets the thread's call end; whether it has opened what it named, which is not what its memory names by now. */
static int end_waiter(pthread_t thread) {
  struct stat status;
  void *result;
  /* Does not block if the thread's call has ended (fifo(7)). */
  int other = open("fifo", O_RDWR);
  CHECK(other >= 0);
  CHECK(pthread_join(thread, &result) == 0);
  int fd = (int)(long)result;
  int holds = fd >= 0 && fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
  close(fd);
  close(other);
  return holds;
}

static int ended_with(pid_t pid, int expected) {
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) && WEXITSTATUS(status) == expected;
}

/* `child` does not return. It has a frame of its own, because the child of vfork writes to its parent's stack. */
static __attribute__((noinline)) pid_t start(int by_vfork, void (*child)(void)) {
  pid_t pid = by_vfork ? vfork() : fork();
  if (pid == 0) child();
  return pid;
}

static void end_judged(void) { _exit(judged() ? JUDGED : MISJUDGED); }

static void execute(void) {
  opens("bad");
  execl(program, program, "--executed", NULL);
  _exit(NOT_EXECUTED);
}

static void outlive(void) {
  board->started = 1;
  while (!board->killed) nap();
  board->result = judged() ? JUDGED : MISJUDGED;
  _exit(0);
}

static void forks_while_held(const char *how, int by_vfork, long rounds) {
  int children = 1, parents = 1, held = 1;
  for (long i = 0; i < rounds; i++) {
    pthread_t thread = start_waiter();
    pid_t pid = start(by_vfork, end_judged);
    CHECK(pid > 0);
    children &= ended_with(pid, JUDGED);
    parents &= judged();
    held &= end_waiter(thread);
  }
  expect_of(how, "the child is judged by its own paths", children);
  expect_of(how, "so is the parent after it", parents);
  expect_of(how, "the call of the other thread opens what was judged", held);
}

static void executes_while_held(const char *how, int by_vfork, long rounds) {
  int executed = 1, held = 1;
  for (long i = 0; i < rounds; i++) {
    pthread_t thread = start_waiter();
    pid_t pid = start(by_vfork, execute);
    CHECK(pid > 0);
    executed &= ended_with(pid, JUDGED);
    held &= end_waiter(thread);
  }
  expect_of(how, "a program that the child executes is judged by its own paths", executed);
  expect_of(how, "the other thread's call outlives the execution", held);
}

/* The process is killed while one thread holds copies and another waits for the child of vfork. */
static void outlives_holder(const char *how, int by_vfork, long rounds) {
  int judged_later = 1;
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(board != MAP_FAILED);
  for (long i = 0; i < rounds; i++) {
    board->started = board->killed = board->result = 0;
    pid_t holder = fork();
    CHECK(holder >= 0);
    if (holder == 0) {
      start_waiter();
      start(by_vfork, outlive);
      for (;;) pause();
    }
    while (!board->started) nap();
    CHECK(kill(holder, SIGKILL) == 0);
    CHECK(waitpid(holder, NULL, 0) == holder);
    board->killed = 1;
    while (!board->result) nap();
    judged_later &= board->result == JUDGED;
  }
  munmap(board, sizeof *board);
  expect_of(how, "a child that outlives the holder is judged by its own paths", judged_later);
}

static void make_file(const char *name) {
  int fd = open(name, O_WRONLY | O_CREAT, 0644);
  CHECK(fd >= 0);
  close(fd);
}

int main(int argc, char **argv) {
  char folder[] = "/tmp/held.XXXXXX";
  static const char *const names[] = {"fork", "vfork"};

  if (argc == 2 && strcmp(argv[1], "--executed") == 0) return judged() ? JUDGED : MISJUDGED;
  long rounds = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
  CHECK(rounds > 0);
  CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
  CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
  CHECK(mkfifo("fifo", 0600) == 0);
  make_file("good");
  for (int by_vfork = 0; by_vfork < 2; by_vfork++) {
    forks_while_held(names[by_vfork], by_vfork, rounds);
    executes_while_held(names[by_vfork], by_vfork, rounds);
    outlives_holder(names[by_vfork], by_vfork, rounds);
  }
  return reported();
}
