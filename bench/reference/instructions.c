/*
 * instructions CALL [FILE]: prints the cost of one system call in nanoseconds. For a machine whose clock counts
 * instructions (kernel/vm run --icount), so that the result is an exact number of instructions: the minimum of many
 * short series, which excludes timer interrupts. Runs under the filter of its parent. CALL: getppid, or openat: opening
 * FILE and closing it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SERIES = 100, CALLS = 1000 };

static long now(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int getppids(const char *file) {
  (void)file;
  for (int i = 0; i < CALLS; i++) syscall(SYS_getppid);
  return 0;
}

static int opens(const char *file) {
  for (int i = 0; i < CALLS; i++) {
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);

    if (fd < 0) return -1;
    syscall(SYS_close, fd);
  }
  return 0;
}

int main(int argc, char **argv) {
  int (*series)(const char *file) = argc == 2 && !strcmp(argv[1], "getppid")  ? getppids
                                    : argc == 3 && !strcmp(argv[1], "openat") ? opens
                                                                              : NULL;
  long best = 0;

  if (!series) {
    fprintf(stderr, "usage: %s getppid | openat FILE\n", argv[0]);
    return 125;
  }
  for (int i = 0; i < SERIES; i++) {
    long start = now(), took;

    if (series(argv[2])) {
      perror(argv[2]);
      return 125;
    }
    took = now() - start;
    if (best == 0 || took < best) best = took;
  }
  printf("%.1f\n", (double)best / CALLS);
  return 0;
}
