// SPDX-License-Identifier: MIT
/*
 * The measured program: opens COUNT FILE [read] opens the file COUNT times and closes it; prints the nanoseconds of all
 * rounds after some unmeasured ones. portcullis itself can open for reading, so the file is opened for writing, too, but
 * with `read`.
 */
#define _GNU_SOURCE
#include <fcntl.h>
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

static void opens(const char *file, int flags, long count) {
  for (long i = 0; i < count; i++) {
    int opened = (int)syscall(SYS_openat, AT_FDCWD, file, flags);
    if (opened < 0) {
      perror(file);
      exit(1);
    }
    close(opened);
  }
}

int main(int argc, char **argv) {
  long count = argc > 2 ? atol(argv[1]) : 0;
  if (count <= 0) {
    fprintf(stderr, "usage: %s COUNT FILE [read]\n", argv[0]);
    return 125;
  }
  const int flags = argc > 3 ? O_RDONLY : O_RDWR;
  opens(argv[2], flags, count / 10 + 1);
  double start = now();
  opens(argv[2], flags, count);
  printf("%.0f\n", now() - start);
  return 0;
}
