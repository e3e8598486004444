/*
 * loop COUNT: prints the mean time of one getppid(), in nanoseconds. Runs under the filter of its parent. getppid has
 * no vDSO form and does almost no work, so the filter's cost shows.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 0;
  double start;

  if (count <= 0) {
    fprintf(stderr, "usage: %s COUNT\n", argv[0]);
    return 125;
  }
  for (long i = 0; i < count / 10; i++) syscall(SYS_getppid);
  start = now();
  for (long i = 0; i < count; i++) syscall(SYS_getppid);
  printf("%.3f\n", (now() - start) / count);
  return 0;
}
