// SPDX-License-Identifier: MIT
/*
 * Calls that hold a room or wait for it while their process is frozen, or is killed in a request to a FUSE
 * server. Runs as root under stopped.ts, in a machine of its own, and reports in TAP. Its argument is an empty folder.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL); }

/* Makes a call in a child, which ends with its error or 0. */
static pid_t child(long number, const char *path, const char *other) {
  fflush(stdout);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid > 0) return pid;
  long result = number == SYS_open      ? syscall(SYS_open, path, O_RDONLY)
                : number == SYS_creat   ? syscall(SYS_creat, path, 0600)
                : number == SYS_symlink ? syscall(SYS_symlink, other, path)
                                        : syscall(SYS_rmdir, path);
  _exit(result < 0 ? errno : 0);
}

/* Until the child sleeps in that call: it is admitted and blocked, or waits for the room. */
static void await_call(pid_t pid, long number) {
  char path[64];
  for (;; nap()) {
    long current = -1;
    snprintf(path, sizeof path, "/proc/%d/syscall", pid);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    if (fscanf(file, "%ld", &current) != 1) current = -1;
    fclose(file);
    if (current == number) return;
  }
}

/* The child's error, or 0; -1 if a signal has ended it. */
static int ended(pid_t pid) {
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int is_running(pid_t pid) { return waitpid(pid, NULL, WNOHANG) == 0; }

static void put(const char *path, const char *text) {
  int fd = openat(AT_FDCWD, path, O_WRONLY);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  close(fd);
}

/* The two freezers of cgroups: a file to write to, and another that says when all tasks are frozen. */
struct freezer {
  const char *name, *procs, *state, *freeze, *thaw, *events, *frozen;
};

static const struct freezer freezers[] = {
    {"cgroup v2", "cgroup/stopped/cgroup.procs", "cgroup/stopped/cgroup.freeze", "1", "0",
     "cgroup/stopped/cgroup.events", "frozen 1"},
    {"cgroup v1", "freezer/stopped/cgroup.procs", "freezer/stopped/freezer.state", "FROZEN", "THAWED",
     "freezer/stopped/freezer.state", "FROZEN"},
};

static void freeze(const struct freezer *freezer, pid_t pid) {
  char text[128];
  snprintf(text, sizeof text, "%d", pid);
  put(freezer->procs, text);
  put(freezer->state, freezer->freeze);
  for (;; nap()) {
    int fd = openat(AT_FDCWD, freezer->events, O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    CHECK(size > 0);
    close(fd);
    text[size] = '\0';
    if (strstr(text, freezer->frozen) != NULL) return;
  }
}

static void thaw(const struct freezer *freezer) { put(freezer->state, freezer->thaw); }

static void expect_with(const struct freezer *freezer, const char *what, int holds) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", freezer->name, what);
  expect(text, holds);
}

static void frozen_waiter(const struct freezer *freezer) {
  CHECK(mkfifo("one", 0600) == 0);
  pid_t holder = child(SYS_open, "one", NULL);
  await_call(holder, SYS_open);
  pid_t waiter = child(SYS_symlink, "link-one", "target");
  await_call(waiter, SYS_symlink);
  freeze(freezer, waiter);
  expect_with(freezer, "a frozen call that waits stays", is_running(waiter));
  int fd = openat(AT_FDCWD, "one", O_RDWR);
  CHECK(fd >= 0);
  expect_with(freezer, "its holder ends", ended(holder) == 0);
  expect_with(freezer, "it is frozen still",
              is_running(waiter) && faccessat(AT_FDCWD, "link-one", F_OK, AT_SYMLINK_NOFOLLOW) != 0);
  /* Admitted, it would hold the room until it is thawed. */
  expect_with(freezer, "it is not admitted while it is frozen", ended(child(SYS_open, "one", NULL)) == 0);
  thaw(freezer);
  expect_with(freezer, "after the thaw it is admitted", ended(waiter) == 0);
  close(fd);
  CHECK(unlink("one") == 0 && unlink("link-one") == 0);
}

/* The freezer interrupts the call, which leaves the room. It is made again after the thaw. */
static void frozen_holder(const struct freezer *freezer) {
  CHECK(mkfifo("two", 0600) == 0);
  pid_t holder = child(SYS_creat, "two", NULL);
  await_call(holder, SYS_creat);
  freeze(freezer, holder);
  expect_with(freezer, "a frozen call has left its room", ended(child(SYS_rmdir, "none", NULL)) == ENOENT);
  thaw(freezer);
  while (ended(child(SYS_rmdir, "none", NULL)) != EDEADLK) nap();
  expect_with(freezer, "after the thaw it holds it again", is_running(holder));
  int fd = openat(AT_FDCWD, "two", O_RDWR);
  CHECK(fd >= 0);
  expect_with(freezer, "and ends", ended(holder) == 0);
  expect_with(freezer, "and the room is empty", ended(child(SYS_rmdir, "none", NULL)) == ENOENT);
  close(fd);
  CHECK(unlink("two") == 0);
}

/* A FUSE server that answers nothing but the first request; a request that it has not read can be killed. */
static int serve(void) {
  char options[64], buffer[65536];
  int fuse = openat(AT_FDCWD, "/dev/fuse", O_RDWR);
  CHECK(fuse >= 0 && mkdir("fuse", 0700) == 0);
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
  CHECK(mount("fuse", "fuse", "fuse", 0, options) == 0);
  CHECK(read(fuse, buffer, sizeof buffer) > (ssize_t)sizeof(struct fuse_in_header));
  struct {
    struct fuse_out_header header;
    struct fuse_init_out init;
  } answer = {
      .header = {.len = sizeof answer, .unique = ((struct fuse_in_header *)buffer)->unique},
      .init = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096},
  };
  CHECK(write(fuse, &answer, sizeof answer) == sizeof answer);
  return fuse;
}

static void blocked_by_fuse(void) {
  struct pollfd request = {.fd = serve(), .events = POLLIN};
  pid_t holder = child(SYS_open, "fuse/file", NULL);
  CHECK(poll(&request, 1, -1) == 1);
  pid_t waiter = child(SYS_symlink, "link-two", "target");
  await_call(waiter, SYS_symlink);
  expect("a call waits for one that waits for a FUSE server", is_running(holder) && is_running(waiter));
  kill(holder, SIGKILL);
  expect("the holder can be killed", ended(holder) == -1);
  expect("which admits the waiter", ended(waiter) == 0);

  holder = child(SYS_creat, "fuse/file", NULL);
  CHECK(poll(&request, 1, -1) == 1);
  await_call(holder, SYS_creat);
  expect("a wait for a FUSE server has its limit", ended(child(SYS_rmdir, "none", NULL)) == EDEADLK);
  kill(holder, SIGKILL);
  expect("this holder can be killed too", ended(holder) == -1);

  CHECK(mkfifo("three", 0600) == 0);
  holder = child(SYS_open, "three", NULL);
  await_call(holder, SYS_open);
  waiter = child(SYS_symlink, "link-three", "target");
  await_call(waiter, SYS_symlink);
  kill(waiter, SIGKILL);
  expect("a waiter can be killed", ended(waiter) == -1);
  int fd = openat(AT_FDCWD, "three", O_RDWR);
  CHECK(fd >= 0);
  expect("and its holder ends", ended(holder) == 0);
  expect("and the room is empty", ended(child(SYS_symlink, "link-three", "target")) == 0);
  close(fd);
}

int main(int argc, char **argv) {
  CHECK(argc == 2 && chdir(argv[1]) == 0);
  CHECK(mkdir("cgroup", 0700) == 0 && mount("none", "cgroup", "cgroup2", 0, NULL) == 0);
  CHECK(mkdir("freezer", 0700) == 0 && mount("none", "freezer", "cgroup", 0, "freezer") == 0);
  CHECK(mkdir("cgroup/stopped", 0700) == 0 && mkdir("freezer/stopped", 0700) == 0);
  for (size_t i = 0; i < sizeof freezers / sizeof freezers[0]; i++) {
    frozen_waiter(&freezers[i]);
    frozen_holder(&freezers[i]);
  }
  blocked_by_fuse();
  return reported();
}
