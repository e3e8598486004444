// SPDX-License-Identifier: MIT
/*
 * Holds a write lease of the file that its argument names: the open of another process waits (fcntl(2), F_SETLEASE).
 * Prints "leased", then "opened" at the first such open, and ends the lease when it reads a line.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(int count, char **words) {
  sigset_t broken;
  sigemptyset(&broken);
  sigaddset(&broken, SIGIO);
  sigprocmask(SIG_BLOCK, &broken, NULL);
  int file = count < 2 ? -1 : open(words[1], O_RDONLY | O_CLOEXEC);
  if (file < 0 || fcntl(file, F_SETLEASE, F_WRLCK) != 0) return 1;
  if (write(1, "leased\n", 7) != 7) return 1;
  int signal;
  if (sigwait(&broken, &signal) != 0 || write(1, "opened\n", 7) != 7) return 1;
  char byte;
  return read(0, &byte, 1) == 1 && fcntl(file, F_SETLEASE, F_UNLCK) == 0 ? 0 : 1;
}
