/*
 * A program for one vulnerability: `PROGRAM pattern ROUNDS` makes the calls of the known exploits until they win, at
 * most ROUNDS times, and prints {"rounds":N,"wins":0|1}. It harms files and counters of its own only. `PROGRAM
 * legitimate ROUNDS` does what programs use the same calls for, and prints {"rounds":N,"nanoseconds":T}; it fails if a
 * call does.
 */
#ifndef PATTERN_H
#define PATTERN_H
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What each program defines. */
static void prepare(void);
static bool wins(void);
static void legitimate(void);

static inline void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(2);
}

/* How often a bug has done harm, as the vulnerable kernel counts it; 0 on others. */
static inline long counted(const char *bug) {
  static int file = -2;
  char text[1024];
  const char *line;
  ssize_t length;

  if (file == -2) file = open("/proc/vulnerable", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  length = pread(file, text, sizeof text - 1, 0);
  require(length > 0, "/proc/vulnerable");
  text[length] = 0;
  line = strstr(text, bug);
  require(line != NULL, bug);
  return strtol(line + strlen(bug), NULL, 10);
}

/* Whether it has done harm since the last time. */
static inline bool counts_more(const char *bug) {
  static long before = -1;
  long now = counted(bug);
  bool more = before >= 0 && now > before;

  before = now;
  return more;
}

/* A file of this program's own in memory. */
static inline int own_file(const char *content, int flags, mode_t mode) {
  char name[] = "/dev/shm/pattern-XXXXXX";
  size_t length = strlen(content);
  int file = mkstemp(name), again;

  require(file >= 0 && write(file, content, length) == (ssize_t)length && fchmod(file, mode) == 0, name);
  again = open(name, flags | O_CLOEXEC);
  require(again >= 0 && unlink(name) == 0 && close(file) == 0, name);
  return again;
}

static inline long long nanoseconds(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/*
 * For less than 1 us to 8 ms, as chance has it. Two sides of a race that repeat in step would never meet where they must,
 * and where a processor is shared, its time slices, some milliseconds, must end at each point of a round.
 */
static inline void pause_at_random(void) {
  static _Thread_local unsigned seed;
  long long most, until;

  if (seed == 0) seed = (unsigned)nanoseconds() | 1;
  most = 1000LL << rand_r(&seed) % 14;
  until = nanoseconds() + rand_r(&seed) % most;
  while (nanoseconds() < until) continue;
}

static _Atomic long repeated;

/* The other side of a race: `repeat` runs again and again until the process ends. */
static void *again_and_again(void *repeat) {
  for (;; repeated++) {
    ((void (*)(void))(uintptr_t)repeat)();
    pause_at_random();
  }
  return NULL;
}

static inline void in_parallel(void (*repeat)(void)) {
  pthread_t thread;

  errno = pthread_create(&thread, NULL, again_and_again, (void *)(uintptr_t)repeat);
  require(errno == 0, "pthread_create");
}

/* Waits until the other side has run, because an emulated processor may stand still for thousands of rounds. */
static inline void await_other_side(void) {
  static long before;

  while (repeated == before) sched_yield();
  before = repeated;
  pause_at_random();
}

/* The status of a child that runs `part`. */
static inline int in_child(int (*part)(void)) {
  pid_t child = fork();
  int status = 0;

  if (child == 0) _exit(part());
  require(child > 0 && waitpid(child, &status, 0) == child, "a child");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
  long most = argc == 3 ? strtol(argv[2], NULL, 10) : 0, rounds = 0;
  bool won = false;

  if (most > 0 && strcmp(argv[1], "pattern") == 0) {
    prepare();
    while (rounds < most && !won) rounds++, won = wins();
    printf("{\"rounds\":%ld,\"wins\":%d}\n", rounds, won);
  } else if (most > 0 && strcmp(argv[1], "legitimate") == 0) {
    long long began;

    legitimate();
    began = nanoseconds();
    for (; rounds < most; rounds++) legitimate();
    printf("{\"rounds\":%ld,\"nanoseconds\":%lld}\n", rounds, nanoseconds() - began);
  } else {
    fprintf(stderr, "Usage: %s pattern|legitimate ROUNDS\n", argv[0]);
    return 1;
  }
  fflush(stdout);
  _exit(0);
}
#endif
