// SPDX-License-Identifier: MIT
/*
 * forks FORKS [MAKERS]: each of MAKERS processes makes FORKS children, one after another, each of which exits at once; prints
 * the nanoseconds from the common start until the last parent has finished.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void make(long count) {
  for (long i = 0; i < count; i++) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    if (child < 0 || waitpid(child, NULL, 0) != child) _exit(1);
  }
}

int main(int argc, char **argv) {
  const long count = argc > 1 ? atol(argv[1]) : 1000;
  const int parents = argc > 2 ? atoi(argv[2]) : 1;
  atomic_int *gate = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < parents; i++) {
    if (fork() != 0) continue;
    make(count / 10 + 1);
    atomic_fetch_add(&gate[0], 1);
    while (atomic_load(&gate[1]) == 0) usleep(1000);
    make(count);
    _exit(0);
  }
  while (atomic_load(&gate[0]) < parents) usleep(1000);
  const double start = now();
  atomic_store(&gate[1], 1);
  int status, failed = 0;
  while (wait(&status) > 0) failed |= status;
  if (failed != 0) return 1;
  printf("%.0f\n", now() - start);
  return 0;
}
