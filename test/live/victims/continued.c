// SPDX-License-Identifier: MIT
/*
 * Prints "awake" at its start and each time that it is continued. It waits by sigwait(3): a handler could run before the
 * wait begins.
 */
#include "victim.h"

int main(void) {
  sigset_t continued;
  int signal;
  sigemptyset(&continued);
  sigaddset(&continued, SIGCONT);
  sigprocmask(SIG_BLOCK, &continued, NULL);
  setvbuf(stdout, NULL, _IONBF, 0);
  do printf("awake\n");
  while (sigwait(&continued, &signal) == 0);
  return 1;
}
