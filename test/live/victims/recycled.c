// SPDX-License-Identifier: MIT
/*
 * recycled: ends with 1, and leaves a daemon. Once the command is reaped, the daemon makes an orphan with the command's id
 * that ends with 0, and waits until that is reaped, too. If a task with a certain id cannot be made, the command says so
 * and ends with 2.
 */
#include "victim.h"
#include <linux/sched.h>
#include <stdint.h>

static pid_t clone_with(pid_t id) {
  struct clone_args arguments = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&id, .set_tid_size = 1};
  return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

static int exists(pid_t id) { return kill(id, 0) == 0 || errno != ESRCH; }

static pid_t wait_for(pid_t id) {
  int status;
  if (waitpid(id, &status, 0) != id) exit(2);
  return WEXITSTATUS(status);
}

static void leave_orphan(pid_t id) {
  const pid_t parent = fork();
  if (parent == 0) _exit(clone_with(id) < 0);
  wait_for(parent);
}

int main(void) {
  const pid_t command = getpid();
  const pid_t unused = fork();
  if (unused == 0) _exit(0);
  wait_for(unused);
  const pid_t tried = clone_with(unused);
  if (tried == 0) _exit(0);
  if (tried != unused) {
    puts("not possible");
    return 2;
  }
  wait_for(tried);
  if (fork() != 0) return 1;
  while (exists(command)) sched_yield();
  leave_orphan(command);
  while (exists(command)) sched_yield();
  return 0;
}
