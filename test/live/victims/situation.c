// SPDX-License-Identifier: MIT
/*
 * situation SETTING... -- PROGRAM [WORD...]: changes inheritable attributes, and executes PROGRAM (a path).
 *
 * SETTING is NAME=VALUE with an integer, or two with a colon between them:
 *   ignore, block, pending (queued with the value 7), close, open (FROM:TO), limit (RESOURCE:SOFT), alarm, profile,
 *   virtual (seconds), death, subreaper, slack, nice, umask, personality, processor, ioprio, oom, reset, securebits, clear,
 *   inexecutable (no memory may become executable)
 * or word=HEX, environment=HEX: bytes that are added to the program's words or environment.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *setting) {
  dprintf(2, "situation: %s: %m\n", setting);
  exit(99);
}

static char *from_hex(const char *hex) {
  size_t length = strlen(hex) / 2;
  char *bytes = calloc(1, length + 1);
  if (!bytes) fail("calloc");
  for (size_t i = 0; i < length; i++) {
    char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
    bytes[i] = (char)strtol(digits, NULL, 16);
  }
  return bytes;
}

static int start_timer(int which, int seconds) {
  struct itimerval timer = {{5, 250}, {seconds, 0}};
  return setitimer(which, &timer, NULL);
}

static int open_between(int from, int to) {
  for (int fd = from; fd <= to; fd++) {
    /* Each is a separate open file description, with its own offset. */
    int opened = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (opened < 0 || lseek(opened, fd, SEEK_SET) < 0) return -1;
    if (opened == fd) fcntl(fd, F_SETFD, 0);
    else if (dup2(opened, fd) < 0 || close(opened) < 0) return -1;
  }
  return 0;
}

static int block(int signal) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  return sigprocmask(SIG_BLOCK, &one, NULL);
}

static int apply(const char *name, int one, int other) {
  if (strcmp(name, "ignore") == 0) return signal(one, SIG_IGN) == SIG_ERR ? -1 : 0;
  if (strcmp(name, "block") == 0) return block(one);
  if (strcmp(name, "pending") == 0)
    return block(one) < 0 ? -1 : sigqueue(getpid(), one, (union sigval){.sival_int = 7});
  if (strcmp(name, "close") == 0) return close(one);
  if (strcmp(name, "open") == 0) return open_between(one, other);
  if (strcmp(name, "limit") == 0) {
    struct rlimit limit;
    if (getrlimit(one, &limit) < 0) return -1;
    limit.rlim_cur = (rlim_t)other;
    return setrlimit(one, &limit);
  }
  if (strcmp(name, "alarm") == 0) return start_timer(ITIMER_REAL, one);
  if (strcmp(name, "virtual") == 0) return start_timer(ITIMER_VIRTUAL, one);
  if (strcmp(name, "profile") == 0) return start_timer(ITIMER_PROF, one);
  if (strcmp(name, "death") == 0) return prctl(PR_SET_PDEATHSIG, one);
  if (strcmp(name, "subreaper") == 0) return prctl(PR_SET_CHILD_SUBREAPER, one);
  if (strcmp(name, "slack") == 0) return prctl(PR_SET_TIMERSLACK, one);
  if (strcmp(name, "nice") == 0) return setpriority(PRIO_PROCESS, 0, one);
  if (strcmp(name, "umask") == 0) return umask((mode_t)one), 0;
  if (strcmp(name, "personality") == 0) return personality((unsigned long)one);
  if (strcmp(name, "ioprio") == 0) return (int)syscall(SYS_ioprio_set, 1, 0, one);
  if (strcmp(name, "securebits") == 0) return prctl(PR_SET_SECUREBITS, one);
  if (strcmp(name, "clear") == 0) return clearenv();
  if (strcmp(name, "inexecutable") == 0) return prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0);
  if (strcmp(name, "processor") == 0) {
    cpu_set_t processors;
    CPU_ZERO(&processors);
    CPU_SET(one, &processors);
    return sched_setaffinity(0, sizeof processors, &processors);
  }
  if (strcmp(name, "oom") == 0) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return file < 0 ? -1 : dprintf(file, "%d", one);
  }
  if (strcmp(name, "reset") == 0) {
    struct sched_param none = {0};
    return sched_setscheduler(0, one | SCHED_RESET_ON_FORK, &none);
  }
  return -1;
}

int main(int argc, char **argv) {
  static char *words[256], *added[64], *environment[64];
  int word_count = 0, added_count = 0, environment_count = 0, at = 1;
  for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
    char name[32];
    int one = 0, other = 0;
    if (strncmp(argv[at], "word=", 5) == 0) added[added_count++] = from_hex(argv[at] + 5);
    else if (strncmp(argv[at], "environment=", 12) == 0) environment[environment_count++] = from_hex(argv[at] + 12);
    else if (sscanf(argv[at], "%31[a-z]=%i:%i", name, &one, &other) < 2 || apply(name, one, other) < 0) fail(argv[at]);
  }
  for (at++; at < argc && word_count < 100; at++) words[word_count++] = argv[at];
  if (word_count == 0) return 98;
  for (int i = 0; i < added_count; i++) words[word_count++] = added[i];
  if (environment_count > 0) {
    int count = 0;
    while (environ != NULL && environ[count] != NULL) count++;
    char **all = calloc((size_t)(count + environment_count + 1), sizeof *all);
    for (int i = 0; i < count; i++) all[i] = environ[i];
    for (int i = 0; i < environment_count; i++) all[count + i] = environment[i];
    environ = all;
  }
  char *none[] = {NULL};
  execve(words[0], words, environ == NULL ? none : environ);
  fail(words[0]);
}
