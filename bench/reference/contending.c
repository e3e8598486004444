// SPDX-License-Identifier: MIT
/*
 * contending CALLS [lock]: one thread makes CALLS calls of getppid while another makes as many of getpgrp; prints the
 * nanoseconds until both have finished. With "lock", each call is made under a pthread rwlock, getppid as a reader and
 * getpgrp as a writer, so that they do not overlap.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long count;
static int locks;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t start;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct side {
  long call;
  int (*take)(pthread_rwlock_t *);
};

static void *make_calls(void *argument) {
  const struct side *side = argument;
  pthread_barrier_wait(&start);
  for (long i = 0; i < count; i++) {
    if (locks) side->take(&lock);
    syscall(side->call);
    if (locks) pthread_rwlock_unlock(&lock);
  }
  return NULL;
}

int main(int argc, char **argv) {
  struct side reader = {SYS_getppid, pthread_rwlock_rdlock}, writer = {SYS_getpgrp, pthread_rwlock_wrlock};
  pthread_t first, second;
  count = argc > 1 ? atol(argv[1]) : 1000;
  locks = argc > 2;
  syscall(SYS_getppid); /* the supervisor has started */
  pthread_barrier_init(&start, NULL, 3);
  if (pthread_create(&first, NULL, make_calls, &reader) != 0) return 1;
  if (pthread_create(&second, NULL, make_calls, &writer) != 0) return 1;
  double begin = now();
  pthread_barrier_wait(&start);
  pthread_join(first, NULL);
  pthread_join(second, NULL);
  printf("%.0f\n", now() - begin);
  return 0;
}
