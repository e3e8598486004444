// SPDX-License-Identifier: MIT
/*
 * The measured program. callers CALLS [PROCESSES]: each process makes CALLS calls of getppid; prints the nanoseconds
 * from the common start until the last process has finished. callers CALLS -PROCESSES: they make their calls, print a
 * line, and wait until standard input ends.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void calls(long count) {
  for (long i = 0; i < count; i++) syscall(SYS_getppid);
}

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 10000;
  int processes = argc > 2 ? atoi(argv[2]) : 1;
  calls(count / 10 + 1);
  if (processes == 1) {
    double start = now();
    calls(count);
    printf("%.0f\n", now() - start);
    return 0;
  }
  int idle = processes < 0;
  if (idle) processes = -processes;
  atomic_int *gate = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < processes; i++) {
    if (fork() != 0) continue;
    if (idle) calls(count);
    atomic_fetch_add(&gate[0], 1);
    while (atomic_load(&gate[1]) == 0) usleep(idle ? 100000 : 1000);
    if (!idle) calls(count);
    _exit(0);
  }
  while (atomic_load(&gate[0]) < processes) usleep(1000);
  if (idle) {
    char byte;
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
  }
  double start = now();
  atomic_store(&gate[1], 1);
  while (wait(NULL) > 0) {
  }
  printf("%.0f\n", now() - start);
  return 0;
}
