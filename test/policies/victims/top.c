// SPDX-License-Identifier: MIT
/* A process and its child make folders with three modes until the file argv[1] exists. */
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2) return 1;
  getppid();
  fork();
  for (int i = 0; access(argv[1], F_OK) != 0; i++) {
    mkdir("/tmp/portcullis-none", 0700 + i % 3);
    usleep(50000);
  }
  wait(NULL);
  return 0;
}
