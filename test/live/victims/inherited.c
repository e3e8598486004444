// SPDX-License-Identifier: MIT
/*
 * inherited FILE [WORD...]: writes the inherited attributes of this process to a file, one per line, for a comparison
 * of two starts.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
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

static FILE *out;

static void print_bytes(const char *name, const char *bytes) {
  fprintf(out, "%s ", name);
  for (; *bytes != 0; bytes++)
    if (*bytes > ' ' && *bytes < 127 && *bytes != '\\') fputc(*bytes, out);
    else fprintf(out, "\\x%02x", (unsigned char)*bytes);
  fputc('\n', out);
}

static void print_file(const char *file, const char *name) {
  char line[4096];
  FILE *from = fopen(file, "re");
  if (from == NULL) {
    fprintf(out, "%s none\n", name);
    return;
  }
  while (fgets(line, sizeof line, from) != NULL) fprintf(out, "%s %s", name, line);
  fclose(from);
}

static int by_number(const void *one, const void *other) { return *(const int *)one - *(const int *)other; }

static void print_descriptors(void) {
  static int descriptors[70000];
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
    if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder)) descriptors[count++] = atoi(entry->d_name);
  if (folder != NULL) closedir(folder);
  qsort(descriptors, (size_t)count, sizeof *descriptors, by_number);
  for (int i = 0; i < count; i++) {
    char link[64], target[4096];
    int fd = descriptors[i];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    struct stat status;
    if (fstat(fd, &status) < 0) memset(&status, 0, sizeof status);
    fprintf(out, "descriptor %d flags %o status %o offset %lld mode %o device %lu inode %lu", fd, fcntl(fd, F_GETFD),
            fcntl(fd, F_GETFL), (long long)lseek(fd, 0, SEEK_CUR), status.st_mode, status.st_rdev, status.st_ino);
    print_bytes("", target);
  }
}

static void print_signals(void) {
  for (int signal = 1; signal <= 64; signal++) {
    struct {
      long handler;
      unsigned long flags, restorer;
      uint64_t mask;
    } action = {0};
    if (syscall(SYS_rt_sigaction, signal, NULL, &action, sizeof action.mask) < 0) continue;
    fprintf(out, "signal %d handler %ld flags %lx mask %lx\n", signal, action.handler, action.flags, action.mask);
  }
  uint64_t set = 0;
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &set, sizeof set);
  fprintf(out, "blocked %lx\n", set);
  syscall(SYS_rt_sigpending, &set, sizeof set);
  fprintf(out, "pending %lx\n", set);
  for (int signal = 1; signal <= 64; signal++) {
    if ((set & 1ul << (signal - 1)) == 0) continue;
    sigset_t one;
    siginfo_t information;
    sigemptyset(&one);
    sigaddset(&one, signal);
    if (sigtimedwait(&one, &information, &(struct timespec){0, 0}) != signal) continue;
    fprintf(out, "pending %d code %d value %d\n", signal, information.si_code, information.si_value.sival_int);
  }
}

static void print_limits(void) {
  for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) == 0)
      fprintf(out, "limit %d %lu %lu\n", resource, (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
  }
}

static void print_scheduling(void) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {0};
  syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0);
  fprintf(out, "scheduling %u flags %lx nice %d priority %u\n", attributes.policy, attributes.flags, attributes.nice,
          attributes.priority);
  fprintf(out, "nice %d\n", getpriority(PRIO_PROCESS, 0));
  fprintf(out, "ioprio %ld\n", syscall(SYS_ioprio_get, 1, 0));
  cpu_set_t processors;
  CPU_ZERO(&processors);
  sched_getaffinity(0, sizeof processors, &processors);
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &processors)) fprintf(out, "processor %d\n", i);
  fprintf(out, "timer slack %d\n", prctl(PR_GET_TIMERSLACK));
}

static void print_credentials(void) {
  uid_t uids[3];
  gid_t gids[3], groups[256];
  getresuid(&uids[0], &uids[1], &uids[2]);
  getresgid(&gids[0], &gids[1], &gids[2]);
  fprintf(out, "uids %u %u %u gids %u %u %u\n", uids[0], uids[1], uids[2], gids[0], gids[1], gids[2]);
  int count = getgroups(256, groups);
  for (int i = 0; i < count; i++) fprintf(out, "group %u\n", groups[i]);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {0};
  syscall(SYS_capget, &header, data);
  for (int i = 0; i < 2; i++)
    fprintf(out, "capabilities %x %x %x\n", data[i].effective, data[i].permitted, data[i].inheritable);
  for (int capability = 0; capability < 41; capability++)
    fprintf(out, "capability %d bounding %d ambient %d\n", capability, prctl(PR_CAPBSET_READ, capability),
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0));
  fprintf(out, "securebits %x keepcaps %d\n", prctl(PR_GET_SECUREBITS), prctl(PR_GET_KEEPCAPS));
}

static void print_process(void) {
  pid_t foreground = -1;
  int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0) {
    foreground = tcgetpgrp(terminal);
    close(terminal);
  }
  fprintf(out, "session %d\n", getsid(0));
  /* The caller creates the group: its number is the first process's pid. */
  fprintf(out, "terminal %d, in the foreground %d\n", terminal >= 0, foreground == getpgrp());
  fprintf(out, "group %d\n", getpgrp() == getsid(0));
  int value = 0;
  prctl(PR_GET_PDEATHSIG, &value);
  fprintf(out, "parent-death signal %d\n", value);
  prctl(PR_GET_CHILD_SUBREAPER, &value);
  fprintf(out, "subreaper %d\n", value);
  fprintf(out, "dumpable %d\n", prctl(PR_GET_DUMPABLE));
  fprintf(out, "personality %x\n", personality(0xffffffff));
  fprintf(out, "transparent huge pages %d\n", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  mode_t mask = umask(0);
  umask(mask);
  fprintf(out, "umask %o\n", mask);
  for (int which = 0; which < 3; which++) {
    struct itimerval timer = {0};
    getitimer(which, &timer);
    /* The exact remaining time varies, so only its presence and approximate value are written. */
    fprintf(out, "timer %d interval %ld.%06ld left %ld\n", which, timer.it_interval.tv_sec, timer.it_interval.tv_usec,
            (timer.it_value.tv_sec + 99) / 100);
  }
  char folder[4096] = "";
  ssize_t length = readlink("/proc/self/cwd", folder, sizeof folder - 1);
  folder[length < 0 ? 0 : length] = 0;
  print_bytes("directory", folder);
  length = readlink("/proc/self/root", folder, sizeof folder - 1);
  folder[length < 0 ? 0 : length] = 0;
  print_bytes("root", folder);
  print_file("/proc/self/oom_score_adj", "oom_score_adj");
  print_file("/proc/self/coredump_filter", "coredump_filter");
  print_file("/proc/self/cgroup", "cgroup");
  print_file("/proc/self/timens_offsets", "time");
}

int main(int argc, char **argv, char **environment) {
  char *text = NULL;
  size_t size = 0;
  if (argc < 2 || (out = open_memstream(&text, &size)) == NULL) return 2;
  print_descriptors();
  print_signals();
  print_limits();
  print_scheduling();
  print_credentials();
  print_process();
  for (int i = 0; i < argc; i++) print_bytes("word", argv[i]);
  for (char **one = environment; *one != NULL; one++) print_bytes("environment", *one);
  fclose(out);
  int to = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  for (size_t at = 0; at < size;) {
    ssize_t count = write(to, text + at, size - at);
    if (count <= 0) return 3;
    at += (size_t)count;
  }
  return 0;
}
