/*
 * locks SECONDS: threads make random calls that enter one room or two, some of them under a mutex, while signals whose handler
 * makes such a call interrupt them. Runs under locks.ts, in a machine of its own, and reports in TAP. If the wait for a room and
 * the wait for the mutex could form a circle, or a waiter were passed over for ever, calls would be late (EDEADLK).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 16, KINDS = 7 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t threads[THREADS];
static _Atomic long late, failed, handled, made[THREADS], slowest[THREADS];
static _Atomic int ended;
static char shared[1 << 16];

static long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void call(unsigned kind) {
  static _Thread_local char own[sizeof shared];
  struct iovec local = {own, sizeof own}, remote = {shared, sizeof shared};
  long result = 0;
  switch (kind % KINDS) {
    case 0:
      result = syscall(SYS_sched_yield);
      break;
    case 1:
      result = syscall(SYS_getppid);
      break;
    case 2:
      result = syscall(SYS_getpgrp);
      break;
    case 3:
      result = syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
      break;
    case 4:
      result = syscall(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0);
      break;
    case 5:
      result = syscall(SYS_getsid, 0);
      break;
    case 6:
      result = syscall(SYS_getpgid, 0);
      break;
  }
  if (result >= 0) return;
  if (errno == EDEADLK) late++;
  else failed++;
}

static void handle(int signal) {
  int error = errno;
  (void)signal;
  call((unsigned)handled++);
  errno = error;
}

static void *work(void *given) {
  long which = (long)(intptr_t)given;
  unsigned random = (unsigned)which + 1;
  for (long last = milliseconds(); !ended; made[which]++) {
    random = random * 1103515245 + 12345;
    unsigned kind = random >> 16;
    if (kind & 64) pthread_mutex_lock(&mutex);
    call(kind % 61);
    if (kind & 128) call(kind % 59);
    if (kind & 64) pthread_mutex_unlock(&mutex);
    long now = milliseconds();
    if (now - last > slowest[which]) slowest[which] = now - last;
    last = now;
  }
  return NULL;
}

static void expect(int number, const char *what, int holds) {
  printf("%sok %d %s\n", holds ? "" : "not ", number, what);
}

int main(int argc, char **argv) {
  long end = milliseconds() + 1000 * (argc > 1 ? atol(argv[1]) : 1), least = 0, most = 0, all = 0;
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  for (long i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) != 0) return 1;
  for (int i = 0; milliseconds() < end; i++) {
    select(0, NULL, NULL, NULL, &(struct timeval){0, 2000}); /* enters no room */
    pthread_kill(threads[i % THREADS], SIGUSR1);
  }
  ended = 1;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    all += made[i];
    if (i == 0 || made[i] < least) least = made[i];
    if (slowest[i] > most) most = slowest[i];
  }
  printf("# %ld rounds, the fewest of a thread %ld, the longest %ld ms, %ld in handlers, %ld late, %ld failed\n", all,
         least, most, handled, late, failed);
  printf("1..4\n");
  expect(1, "no call is late", late == 0);
  expect(2, "no call fails", failed == 0);
  expect(3, "every thread goes on", least > 0 && most < 10000);
  expect(4, "handlers run", handled > 0);
  return 0;
}
