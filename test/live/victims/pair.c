// SPDX-License-Identifier: MIT
/* Makes a child that sleeps, prints "pids OWN CHILD" and waits. It installs no handler, which a shell does. */
#include "victim.h"

int main(void) {
  const pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  printf("pids %d %d\n", getpid(), child);
  fflush(stdout);
  waitpid(child, NULL, 0);
  return 0;
}
