// SPDX-License-Identifier: MIT
/*
 * Linked into the tests' programs in place of kill(2) (--wrap=kill). A fork that fails gives -1, and kill(-1) would end
 * every process of the user who runs the tests. Programs that mean it make the system call.
 */
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);

int __wrap_kill(pid_t pid, int number) {
  static const char text[] = "kill(-1), probably for a child that was not forked\n";
  if (pid != -1) return __real_kill(pid, number);
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(3);
  _exit(2);
}
