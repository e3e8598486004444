// SPDX-License-Identifier: MIT
/*
 * answers SCENARIO FOLDER: calls with paths in situations in which a supervisor could easily give another result than the
 * kernel, a line each. Each call is made several times, so that the kernel has the names in its cache.
 */
#include "victim.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/fanotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

enum { TIMES = 3, FILLED = 0xaa };

static unsigned char buffer[4096];

/* The kernel takes the size as an int. */
static void read_links(const char *folder) {
  if (chdir(folder) != 0) exit(125);
  for (int again = 0; again < TIMES; again++) {
    memset(buffer, 0, sizeof buffer);
    const long length = result_of(syscall(SYS_readlink, "absolute", buffer, 0x100000003));
    printf("link %ld %s\n", length, (char *)buffer);
    printf("negative %ld\n", result_of(syscall(SYS_readlink, "absolute", buffer, 0x180000000)));
  }
}

#define ALLOWED(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* A child is a new address space, as a program is, and its first calls read, as a program's dynamic loader does. */
static void run_in_child(void (*run)(const char *folder), const char *folder) {
  char path[512];
  snprintf(path, sizeof path, "%s/file", folder);
  close(open(path, O_RDONLY));
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    for (int again = 0; again < TIMES; again++) close(open(path, O_RDONLY));
    run(folder);
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("ended %x\n", status);
}

/* A filter of its own kills the process for a call that a pin would need for the first time. */
static void confine(const char *folder) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      ALLOWED(SYS_openat),
      ALLOWED(SYS_unlinkat),
      ALLOWED(SYS_read),
      ALLOWED(SYS_write),
      ALLOWED(SYS_close),
      ALLOWED(SYS_exit_group),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  char path[512];
  snprintf(path, sizeof path, "%s/missing", folder);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  printf("filter %ld\n", result_of(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)));
  printf("open %ld\n", result_of(syscall(SYS_openat, AT_FDCWD, path, O_WRONLY)));
  printf("unlink %ld\n", result_of(syscall(SYS_unlinkat, AT_FDCWD, path, 0)));
}

/* Without a descriptor, no window can be made. */
static void fill(const char *folder) {
  const struct rlimit limit = {32, 32};
  char path[512];
  snprintf(path, sizeof path, "%s/missing", folder);
  for (int again = 0; again < TIMES; again++) printf("open %ld\n", result_of(open(path, O_RDONLY)));
  setrlimit(RLIMIT_NOFILE, &limit);
  while (dup(0) >= 0) {
  }
  for (int again = 0; again < TIMES; again++) {
    snprintf(path, sizeof path, "%s/missing", folder);
    printf("open a missing file %ld\n", result_of(open(path, O_RDONLY)));
    printf("open it for writing %ld\n", result_of(openat(AT_FDCWD, path, O_WRONLY)));
    printf("unlink %ld\n", result_of(unlink(path)));
    printf("access %ld\n", result_of(access(path, F_OK)));
    snprintf(path, sizeof path, "%s/file", folder);
    printf("open %ld\n", result_of(open(path, O_RDONLY)));
    printf("open for writing %ld\n", result_of(open(path, O_WRONLY)));
  }
}

static void confine_itself(const char *folder) { run_in_child(confine, folder); }
static void fill_table(const char *folder) { run_in_child(fill, folder); }

/* A killed process that shares its parent's memory, as a child of vfork(2) does, writes no more to it. */
static unsigned char child_stack[1 << 16];
static volatile unsigned child_calls;

static int look_for_ever(void *path) {
  while (child_calls < UINT_MAX) {
    syscall(SYS_stat, path, buffer);
    child_calls++;
  }
  return 0;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool is_written(void) {
  for (size_t i = 0; i < sizeof(struct stat); i++)
    if (buffer[i] != FILLED) return true;
  return false;
}

static void kill_sharers(const char *folder) {
  enum { CHILDREN = 400 };
  char path[512];
  unsigned late = 0, random = 1;
  snprintf(path, sizeof path, "%s/file", folder);
  for (int i = 0; i < CHILDREN; i++) {
    child_calls = 0;
    const pid_t child = clone(look_for_ever, child_stack + sizeof child_stack, CLONE_VM | SIGCHLD, path);
    while (child_calls < 20) sched_yield();
    random = random * 1103515245 + 12345;
    for (volatile unsigned wait = random % 20000; wait > 0; wait--) {
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    memset(buffer, FILLED, sizeof buffer);
    /* Not a number of turns: beside busy processes each takes milliseconds. */
    for (const double end = now() + 0.001; !is_written() && now() < end;) sched_yield();
    late += is_written();
  }
  printf("late %u\n", late);
}

/* Processes, one after the other, that live at the same time, for which a supervisor with few descriptors must suffice. */
static void be_many(const char *folder) {
  enum { PROCESSES = 150 };
  char path[512], missing[512], one = 0;
  int ready[2], end[2];
  unsigned wrong = 0;
  snprintf(path, sizeof path, "%s/file", folder);
  snprintf(missing, sizeof missing, "%s/missing", folder);
  if (pipe(ready) != 0 || pipe(end) != 0) exit(125);
  for (int i = 0; i < PROCESSES; i++) {
    if (fork() != 0) {
      wrong += read(ready[0], &one, 1) != 1 || one != 0;
      continue;
    }
    close(end[1]);
    for (int again = 0; again < TIMES; again++) one |= syscall(SYS_stat, path, buffer) != 0;
    one |= result_of(unlink(missing)) != -ENOENT;
    if (write(ready[1], &one, 1) != 1 || read(end[0], &one, 1) != 0) _exit(1);
    _exit(0);
  }
  close(end[1]);
  while (wait(NULL) > 0) {
  }
  printf("wrong %u\n", wrong);
}

/* Below /proc/self, each process finds its own threads, and the portcullis that runs this one finds others. */
static void look_below_proc(const char *folder) {
  char path[64], text[64];
  (void)folder;
  if (chdir("/proc") != 0) exit(125);
  /* This process's parents: the front, and the supervisor. */
  for (pid_t other = getpid(); other > 1;) {
    struct stat status;
    snprintf(path, sizeof path, "%d/task/%d/comm", other, other);
    if (stat(path, &status) != 0) exit(125);
    for (int again = 0; again < 2 * TIMES; again++) {
      for (int names = 0; names < 2; names++) {
        snprintf(path, sizeof path, "self/task/%d%s", other, names ? "/comm/below" : "");
        const bool is_own = other == getpid();
        if (result_of(readlink(path, text, sizeof text)) != (is_own ? names ? -ENOTDIR : -EINVAL : -ENOENT))
          printf("readlink: wrong %d\n", is_own);
        if (result_of(mkdir(path, 0700)) != (is_own ? names ? -ENOTDIR : -EEXIST : -ENOENT))
          printf("mkdir: wrong %d\n", is_own);
      }
    }
    snprintf(path, sizeof path, "%d/stat", other);
    FILE *stat = fopen(path, "r");
    if (stat == NULL || fscanf(stat, "%*d (%*[^)]) %*c %d", &other) != 1) exit(125);
    fclose(stat);
  }
}

/* A listener decides about its child's open, and makes supervised calls before. */
static void decide(const char *folder) {
  char path[512], link[64], text[512];
  struct fanotify_event_metadata event;
  snprintf(path, sizeof path, "%s/file", folder);
  for (int again = 0; again < TIMES; again++) close(open(path, O_RDONLY));
  const int listener = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
  printf("mark %ld\n", result_of(fanotify_mark(listener, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, path)));
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    close(listener);
    for (int again = 0; again < TIMES; again++) printf("open %d\n", open(path, O_RDONLY) >= 0);
    fflush(stdout);
    _exit(0);
  }
  alarm(20);
  for (int again = 0; again < TIMES; again++) {
    if (read(listener, &event, sizeof event) != sizeof event) exit(125);
    snprintf(link, sizeof link, "/proc/self/fd/%d", event.fd);
    const ssize_t length = readlink(link, text, sizeof text);
    printf("asked %d %d\n", length == (ssize_t)strlen(path), event.pid == child);
    const struct fanotify_response response = {event.fd, FAN_ALLOW};
    if (write(listener, &response, sizeof response) != sizeof response) exit(125);
    close(event.fd);
  }
  waitpid(child, NULL, 0);
}

static const struct {
  const char *name;
  void (*run)(const char *folder);
} scenarios[] = {
    {"link-size", read_links}, {"own-filter", confine_itself}, {"full-table", fill_table}, {"killed", kill_sharers},
    {"many", be_many},         {"proc", look_below_proc},      {"listener", decide},
};

int main(int argc, char **argv) {
  if (argc != 3) return 125;
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
    if (!strcmp(argv[1], scenarios[i].name)) scenarios[i].run(argv[2]);
  fflush(stdout);
  return 0;
}
