// Makes folders in several processes at once, and removes them, until the file `stop` exists.
//
//     load PROCESSES
//
// Prints how many were made, how many were refused with EDQUOT, and how many calls failed otherwise, with the last errno.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct counts {
  _Atomic int made, refused, other, error;
};

int main(int count, char **words) {
  struct counts *counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int processes = count > 1 ? atoi(words[1]) : 1;

  if (counts == MAP_FAILED) return 125;
  for (int index = 0; index < processes; index++) {
    pid_t child = fork();
    if (child < 0) return 125;
    if (child > 0) continue;
    char name[32];
    snprintf(name, sizeof name, "made-%d", index);
    while (access("stop", F_OK) != 0) {
      if (mkdir(name, 0700) == 0) {
        counts->made++;
        if (rmdir(name) != 0) counts->other++;
      } else if (errno == EDQUOT) counts->refused++;
      else {
        counts->error = errno;
        counts->other++;
      }
      usleep(500);
    }
    _exit(0);
  }
  puts("begun");
  fflush(stdout);
  while (wait(NULL) > 0);
  printf("made %d, refused %d, other %d, error %d\n", counts->made, counts->refused, counts->other, counts->error);
  return 0;
}
