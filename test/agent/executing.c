// SPDX-License-Identifier: MIT
/*
 * executing DEVICE DIRECTORY: a process whose leader executes a file of a FUSE server that never answers, so that every attempt to
 * trace one of its threads waits (kernel/ptrace.c, ptrace_attach(): cred_guard_mutex). Meanwhile its other threads catch signals and
 * fork, again and again. Ends at the end of the standard input.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../live/pin/fuse_server.h"

enum { NEVER = FUSE_ROOT_ID + 1, CATCHING = 4 };

static void serve(int device, const struct fuse_in_header *request) {
  switch (request->opcode) {
    case FUSE_LOOKUP:
      reply_entry(device, request, NEVER);
      break;
    case FUSE_READ:
      if (write(STDOUT_FILENO, "executing\n", 10) != 10) _exit(4);
      break;
    default:
      serve_other(device, request);
  }
}

static void handle(int signal) { (void)signal; }

static void *catch(void *data) {
  sleep(1); /* the leader executes by now */
  const struct sigaction action = {.sa_handler = handle};
  for (;;) sigaction(SIGUSR1, &action, NULL);
  return data;
}

static void *make_processes(void *data) {
  sleep(1);
  for (;;) {
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) syscall(SYS_exit_group, 0);
    if (child > 0) waitpid(child, NULL, __WALL);
  }
  return data;
}

/* No thread can be made during an execution (kernel/fork.c, copy_fs()). */
static void start_attack(void) {
  pthread_t thread;
  for (int i = 0; i < CATCHING; i++) pthread_create(&thread, NULL, catch, NULL);
  pthread_create(&thread, NULL, make_processes, NULL);
}

int main(int argc, char **argv) {
  char options[96], path[4096], byte;
  if (argc != 3 || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return 125;
  const int device = open(argv[1], O_RDWR | O_CLOEXEC);
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
  if (device < 0 || mount("never", argv[2], "fuse", MS_NOSUID | MS_NODEV, options) != 0) return 125;
  const pid_t server = fork();
  if (server == 0) {
    while (serve_next(device, serve)) {
    }
    _exit(0);
  }
  close(device);
  const pid_t attacker = fork();
  if (attacker == 0) {
    snprintf(path, sizeof path, "%s/never", argv[2]);
    start_attack();
    execl(path, path, NULL);
    _exit(1);
  }
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  /* The end of the server ends the execution. */
  kill(attacker, SIGKILL);
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
  waitpid(attacker, NULL, 0);
  return 0;
}
