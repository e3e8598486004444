// SPDX-License-Identifier: MIT
/*
 * interrupted CALLS MICROSECONDS [PROCESSES]: makes CALLS calls of getppid in each of PROCESSES processes, while a
 * timer interrupts them every MICROSECONDS with a handler without SA_RESTART. Prints the number of EINTR results per
 * million calls.
 *
 * interrupted signal|fork TURNS: the same handler, and the microseconds of one signal to itself, or of one fork with wait.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void on_signal(int signal) { (void)signal; }

static long count(long calls, long interval) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {{0, interval}, {0, interval}};
  setitimer(ITIMER_REAL, &timer, NULL);
  long interrupted = 0;
  for (long i = 0; i < calls; i++)
    if (syscall(SYS_getppid) < 0 && errno == EINTR) interrupted++;
  timer = (struct itimerval){0};
  setitimer(ITIMER_REAL, &timer, NULL);
  return interrupted;
}

static double cost(const char *what, long turns) {
  struct sigaction action = {.sa_handler = on_signal};
  struct timespec from, to;
  sigaction(SIGALRM, &action, NULL);
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (long i = 0; i < turns; i++) {
    if (strcmp(what, "signal") == 0) {
      raise(SIGALRM);
      continue;
    }
    const pid_t child = fork();
    if (child == 0) _exit(0);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  return (1e6 * (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e3) / (double)turns;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  if (strcmp(argv[1], "signal") == 0 || strcmp(argv[1], "fork") == 0) {
    printf("%.2f\n", cost(argv[1], atol(argv[2])));
    return 0;
  }
  long calls = atol(argv[1]), interval = atol(argv[2]), processes = argc > 3 ? atol(argv[3]) : 1, sum = 0;
  long *counts =
      mmap(NULL, (size_t)processes * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (long i = 1; i < processes; i++) {
    if (fork() != 0) continue;
    counts[i] = count(calls, interval);
    _exit(0);
  }
  counts[0] = count(calls, interval);
  while (wait(NULL) > 0) {
  }
  for (long i = 0; i < processes; i++) sum += counts[i];
  printf("%.1f\n", 1e6 * (double)sum / (double)(calls * processes));
  return 0;
}
