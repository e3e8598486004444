// SPDX-License-Identifier: MIT
/*
 * latency CALLS: makes so many calls of getppid and prints the 99th percentile of their times in nanoseconds.
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
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *one, const void *other) {
  const double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

int main(int argc, char **argv) {
  const long count = argc > 1 ? atol(argv[1]) : 10000;
  double *times = calloc((size_t)count, sizeof *times);
  if (count < 1 || times == NULL) return 125;
  for (long i = 0; i < count; i++) {
    const double begin = now();
    syscall(SYS_getppid);
    times[i] = now() - begin;
  }
  qsort(times, (size_t)count, sizeof *times, compare);
  printf("%.0f\n", times[count * 99 / 100]);
  return 0;
}
