// SPDX-License-Identifier: MIT
/*
 * Callers whose files have a server that does not answer: a FUSE server of their own, in a mount namespace of theirs. It has
 * one file.
 */
#include "pinned.h"

#include "../fuse_server.h"

#include <sys/mount.h>
#include <sys/prctl.h>

enum { FILE_NODE = FUSE_ROOT_ID + 1 };

/* Seconds until a server ends for which everything waits, also processes that only list others (ps). */
enum { PATIENCE = 300 };

/* What the server shares with the others. */
static struct {
  atomic_int asked;   /* requests for the file's attributes */
  atomic_int written; /* requests to write */
  atomic_int is_direct;
} *server;

static void fail(const char *what) {
  printf("%s: %d\n", what, -errno);
  exit(0);
}

static void serve_request(int device, const struct fuse_in_header *request) {
  static const char zeros[FILE_SIZE];
  switch (request->opcode) {
    case FUSE_LOOKUP:
      reply_entry(device, request, FILE_NODE);
      break;
    case FUSE_GETATTR:
      if (request->nodeid == FUSE_ROOT_ID) {
        reply_attributes(device, request);
        break;
      }
      /* If the supervisor has asked, it waits until the connection ends. */
      server->asked++;
      sleep(2);
      _exit(0);
    case FUSE_OPEN:
      reply_open(device, request, server->is_direct ? FOPEN_DIRECT_IO : 0);
      break;
    case FUSE_READ:
      reply(device, request, 0, zeros, sizeof zeros);
      break;
    case FUSE_WRITE:
      server->written++;
      alarm(PATIENCE);
      break;
    default:
      serve_other(device, request);
  }
}

/* Returns the server's process. */
static pid_t mount_server(void) {
  server = shared_page();
  if (unshare(CLONE_NEWNS) != 0) fail("unshare");
  if (mkdir("mounted", 0700) != 0 || mknod("device", S_IFCHR | 0600, 10 << 8 | 229) != 0) fail("device");
  const int device = open("device", O_RDWR | O_CLOEXEC);
  if (device < 0) fail("device");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("private");
  char options[96];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
  if (mount("server", "mounted", "fuse", MS_NOSUID | MS_NODEV, options) != 0) fail("mount");
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (serve_next(device, serve_request)) {
    }
    _exit(0);
  }
  close(device);
  return child;
}

static long open_ok(void) {
  const long file = result_of(syscall(SYS_openat, AT_FDCWD, "./ok", O_RDONLY, 0));
  if (file >= 0) close((int)file);
  return file < 0 ? file : 0;
}

static long open_in_child(void) {
  const pid_t child = fork();
  if (child == 0) _exit((int)-open_ok());
  int status;
  waitpid(child, &status, 0);
  return -WEXITSTATUS(status);
}

/* ── A file in the place of a window's descriptor ────────────────────────────────────────────────────────────────── */

static int path_only, lowest;

static void *replace_descriptors(void *unused) {
  (void)unused;
  for (int i = 0; i < 20000; i++) {
    for (int at = lowest; at < lowest + 2; at++)
      if (fcntl(at, F_GETFD) >= 0) dup2(path_only, at);
  }
  close(lowest);
  close(lowest + 1);
  return NULL;
}

static long open_among_replaced(void) {
  pthread_t thread;
  lowest = dup(0);
  close(lowest);
  pthread_create(&thread, NULL, replace_descriptors, NULL);
  const long result = open_ok();
  pthread_join(thread, NULL);
  return result;
}

/* A caller may be refused, or be killed because it has mapped another file. Its supervisor must not wait. */
static void replace_scenario(int tries) {
  path_only = dup2((int)syscall(SYS_open, "mounted/file", O_PATH), 100);
  if (path_only < 0) fail("path");
  for (int i = 0; i < tries && server->asked == 0; i++) {
    const pid_t child = fork();
    if (child == 0) _exit(open_among_replaced() == 0);
    waitpid(child, NULL, 0);
  }
  printf("asked: %d\nafter: %ld\n", (int)server->asked, open_ok());
}

/* ── An address space whose lock is held ─────────────────────────────────────────────────────────────────────────── */

static void *open_once(void *result) {
  *(long *)result = open_ok();
  return NULL;
}

/* The mapping waits until the server has written the dirty page. */
static void *map_directly(void *unused) {
  (void)unused;
  const int file = (int)syscall(SYS_open, "mounted/file", O_RDWR);
  mmap(NULL, FILE_SIZE, PROT_READ, MAP_PRIVATE, file, 0);
  return NULL;
}

static void hold_lock(int ready) {
  pthread_t thread;
  long result = -1;
  pthread_create(&thread, NULL, open_once, &result);
  pthread_join(thread, NULL);
  const int file = (int)syscall(SYS_open, "mounted/file", O_RDWR);
  char *memory = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (result != 0 || memory == MAP_FAILED) _exit(1);
  memory[0] = 1;
  server->is_direct = 1;
  pthread_create(&thread, NULL, map_directly, NULL);
  while (server->written == 0) sched_yield();
  if (write(ready, "", 1) != 1) _exit(1);
  pthread_join(thread, NULL);
  _exit(0);
}

static void sweep_scenario(pid_t serving, int children) {
  int ready[2];
  char byte;
  if (pipe(ready) != 0) fail("pipe");
  const pid_t holder = fork();
  if (holder == 0) {
    close(ready[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    hold_lock(ready[1]);
  }
  close(ready[1]);
  if (read(ready[0], &byte, 1) != 1) fail("lock");
  long good = 0;
  for (int i = 0; i < children; i++) good += open_in_child() == 0;
  printf("good: %ld\nended: %d\n", good, waitpid(serving, NULL, WNOHANG) != 0);
  kill(serving, SIGKILL);
  waitpid(holder, NULL, 0);
}

int file_server_scenario(const char *name, char **arguments) {
  const bool is_replaced = strcmp(name, "replaced by a served file") == 0;
  if (!is_replaced && strcmp(name, "beside a held lock") != 0) return -1;
  make_file("ok", 'o');
  const pid_t serving = mount_server();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  confine();
  if (is_replaced) replace_scenario(atoi(arguments[0]));
  else sweep_scenario(serving, atoi(arguments[0]));
  kill(serving, SIGKILL);
  return 0;
}
