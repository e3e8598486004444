// SPDX-License-Identifier: MIT
/*
 * A caller that gets no processor time while it maps its window for the supervisor: longer than the supervisor waits. Meanwhile
 * another thread puts a file of the program in the place of the window's descriptor. Runs as root under starved.ts, on two
 * processors, with kernel.sched_rt_runtime_us = -1, and reports in TAP.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"

enum {
  WINDOW = 0x10000,
  OWN_FILE = 100, /* a descriptor */
};

static struct shared {
  atomic_int is_starved;
} *shared;
static int spin; /* seconds */
static atomic_int caller, has_ended;
static int wake[2], answers[2];

static void run_on(int processor, int policy, int priority) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
  CHECK(sched_setscheduler(0, policy, &(struct sched_param){priority}) == 0);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Reads a file of the caller. The policy does not judge open(2). */
static int read_file(const char *name, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", caller, name);
  const int file = (int)syscall(SYS_open, path, O_RDONLY);
  const ssize_t length = file < 0 ? -1 : read(file, text, size - 1);
  if (file >= 0) close(file);
  if (length > 0) text[length] = 0;
  return length > 0;
}

/* The descriptor of the stub, if the caller waits for the supervisor in the call that maps it; else −1. */
static int asks_to_map(void) {
  char text[256], state;
  long number;
  unsigned long a[6];
  if (!read_file("syscall", text, sizeof text) ||
      sscanf(text, "%ld %lx %lx %lx %lx %lx %lx", &number, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) != 7)
    return -1;
  /* The caller also stops for the supervisor before the call and after it. */
  if (!read_file("stat", text, sizeof text) || sscanf(text, "%*d (%*[^)]) %c", &state) != 1 || state != 'S') return -1;
  return number == SYS_mmap && a[0] == WINDOW ? (int)a[4] : -1;
}

static void open_status(void) {
  const int file = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY);
  if (file >= 0) close(file);
}

static void *call(void *unused) {
  (void)unused;
  /* Since Linux 6.8 other tasks get a twentieth of the time in any case (the fair server, kernel/sched/deadline.c). */
  run_on(1, SCHED_FIFO, 1);
  caller = (int)syscall(SYS_gettid);
  open_status();
  has_ended = 1;
  return NULL;
}

/* The caller cannot run beside it. */
static void *starve(void *unused) {
  (void)unused;
  char byte;
  run_on(1, SCHED_FIFO, 2);
  CHECK(read(wake[0], &byte, 1) == 1);
  const int descriptor = asks_to_map();
  if (descriptor >= 0) {
    CHECK(dup2(OWN_FILE, descriptor) == descriptor);
    shared->is_starved = 1;
    for (const double end = seconds() + spin; seconds() < end;);
  }
  CHECK(write(answers[1], "", 1) == 1);
  return NULL;
}

static int has_own_file_mapped(void) {
  char text[4] = "";
  struct iovec to = {text, 3}, from = {(void *)WINDOW, 3};
  return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 3 && strcmp(text, "own") == 0;
}

/* 0: the caller has not mapped its own file; 1: it has. */
static int attempt(void) {
  pthread_t threads[2];
  char byte;
  run_on(0, SCHED_OTHER, 0);
  const int file = (int)syscall(SYS_memfd_create, "own", 0);
  CHECK(file >= 0 && write(file, "own", 3) == 3 && ftruncate(file, 4096) == 0 && dup2(file, OWN_FILE) == OWN_FILE);
  CHECK(pipe(wake) == 0 && pipe(answers) == 0);
  CHECK(pthread_create(&threads[0], NULL, starve, NULL) == 0 && pthread_create(&threads[1], NULL, call, NULL) == 0);
  while (caller == 0) sched_yield();
  while (!has_ended && asks_to_map() < 0);
  CHECK(write(wake[1], "", 1) == 1 && read(answers[0], &byte, 1) == 1);
  /* The supervisor can release the caller when it receives another call. */
  for (; !has_ended; nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL)) open_status();
  return has_own_file_mapped();
}

/* Whether the process is killed, once such a caller got no processor time: about every fiftieth waits when it is looked at. */
static int is_killed(void) {
  int status = 0;
  shared->is_starved = 0;
  while (!shared->is_starved) {
    const pid_t child = fork();
    if (child == 0) _exit(attempt());
    CHECK(waitpid(child, &status, 0) == child);
    if (!shared->is_starved) CHECK(status == 0);
  }
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int main(void) {
  /* The supervisor waits for 5 seconds, and for half a second or more until it kills. RCU reports a stall after 21. */
  static const int spins[] = {1, 5, 6, 7, 15};
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  for (size_t i = 0; i < sizeof spins / sizeof *spins; i++) {
    char what[64];
    spin = spins[i];
    snprintf(what, sizeof what, "a caller that was starved for %d s is killed", spin);
    expect(what, is_killed());
  }
  const int file = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY);
  expect("a further call passes", file >= 0);
  expect("a further call is refused", syscall(SYS_openat, AT_FDCWD, "/forbidden", O_RDONLY) < 0 && errno == EPERM);
  return reported();
}
