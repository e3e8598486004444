// SPDX-License-Identifier: MIT
/*
 * Attacks the supervisor of its own pinned calls with memory that never comes: a mapped file of a FUSE server that does
 * not answer.
 *
 *   fuse inside DEVICE DIRECTORY               mounts on DIRECTORY, serves, and attacks: all under the policy
 *   fuse around DEVICE DIRECTORY COMMAND...    mounts, and serves while COMMAND runs
 *   fuse attack DIRECTORY                      attacks with what is mounted there
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuse_server.h"
#include "never.h"

static const char *directory;
enum { LATE = 2 /* seconds */, OVER = 9 /* a descriptor */ };

static void fail(const char *what) {
  tell(what, -errno);
  exit(3);
}

/* ── The server ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Two late files come after a while, with a path in them. */
enum node { ROOT = FUSE_ROOT_ID, NEVER, NEVER_BELOW, LATE_ALLOWED, LATE_FORBIDDEN, NODES };
static const char *const names[NODES] = {
    [NEVER] = "never", [NEVER_BELOW] = "below", [LATE_ALLOWED] = "late-1", [LATE_FORBIDDEN] = "late-2"};
static const char *const contents[NODES] = {[LATE_ALLOWED] = "allowed", [LATE_FORBIDDEN] = "forbidden"};

static void look_up(int device, const struct fuse_in_header *request, const char *name) {
  for (uint64_t node = NEVER; node < NODES; node++) {
    if (strcmp(name, names[node]) != 0) continue;
    reply_entry(device, request, node);
    return;
  }
  reply(device, request, -ENOENT, NULL, 0);
}

static void serve_request(int device, const struct fuse_in_header *request) {
  char path[FILE_SIZE] = "";
  switch (request->opcode) {
    case FUSE_LOOKUP:
      look_up(device, request, (const char *)(request + 1));
      break;
    case FUSE_READ:
      if (contents[request->nodeid] == NULL) break;
      sleep(LATE);
      snprintf(path, sizeof path, "%s", contents[request->nodeid]);
      reply(device, request, 0, path, sizeof path);
      break;
    default:
      serve_other(device, request);
  }
}

/* Until the attack says that it is over: as long as a request is not answered, not even portcullis can end. */
static void serve(int device, int over) {
  struct pollfd asked[] = {{.fd = device, .events = POLLIN}, {.fd = over, .events = POLLIN}};
  do {
    while (poll(asked, 2, -1) < 0) {
    }
  } while (asked[1].revents == 0 && serve_next(device, serve_request));
}

static void write_file(const char *file, const char *text) {
  int descriptor = open(file, O_WRONLY);
  if (descriptor < 0 || write(descriptor, text, strlen(text)) < 0) fail(file);
  close(descriptor);
}

/* In a mount namespace of its own, and in a user namespace where that is needed for it. */
static int mount_server(const char *path) {
  const unsigned user = getuid(), group = getgid();
  char options[96], map[32];
  if (user == 0 ? unshare(CLONE_NEWNS) != 0 : unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) fail("unshare");
  if (user != 0) {
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", user, user);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", group, group);
    write_file("/proc/self/gid_map", map);
  }
  int device = open(path, O_RDWR | O_CLOEXEC); /* in the user namespace of the mount */
  if (device < 0) fail("device");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("private");
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", device, user, group);
  if (mount("never", directory, "fuse", MS_NOSUID | MS_NODEV, options) != 0) fail("mount");
  return device;
}

/* ── The attack ──────────────────────────────────────────────────────────────────────────────────────────────────── */

static char *mapped(enum node node) {
  char path[PAGE];
  snprintf(path, sizeof path, "%s/%s", directory, names[node]);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path);
  char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  if (memory == MAP_FAILED) fail("mmap");
  close(file);
  return memory;
}
static char *never(void) { return mapped(NEVER); }
static char *never_below(void) { return mapped(NEVER_BELOW); }

/* A path that comes late is judged as it comes. */
static void come_late(void) {
  char *allowed = mapped(LATE_ALLOWED), *forbidden = mapped(LATE_FORBIDDEN);
  long begin = now();
  tell("late allowed", open_path(allowed));
  tell("late forbidden", open_path(forbidden));
  tell("both late", now() - begin < 2 * LATE * 1000 ? -1 : 0);
}

static void attack(void) {
  come_late();
  block_by_path(never);
  block_by_stack(never_below);
  tell("after the stack", open_path("allowed"));
  if (write(OVER, "", 1) != 1) fail("over");
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "attack") == 0) {
    directory = argv[2];
    attack();
    return 0;
  }
  const bool is_around = argc > 4 && strcmp(argv[1], "around") == 0;
  if (!is_around && (argc != 4 || strcmp(argv[1], "inside") != 0)) return 125;
  directory = argv[3];
  int device = mount_server(argv[2]), status, over[2];
  if (pipe2(over, O_CLOEXEC) != 0 || dup2(over[1], OVER) != OVER) fail("pipe");
  pid_t server = fork();
  if (server == 0) {
    close(OVER);
    close(over[1]);
    serve(device, over[0]);
    _exit(0);
  }
  close(device);
  pid_t child = fork();
  if (child == 0) {
    if (is_around) execvp(argv[4], argv + 4);
    else attack();
    _exit(is_around ? 127 : 0);
  }
  close(OVER);
  close(over[1]);
  waitpid(child, &status, 0);
  waitpid(server, NULL, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
