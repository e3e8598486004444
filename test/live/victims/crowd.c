// SPDX-License-Identifier: MIT
/*
 * crowd ROUNDS: in each round the threads of a process execute programs, fork and fail to fork at the same moment. An
 * execution ends the other threads, which the supervisor may be tracing. Prints the number of processes that have ended.
 */
#include "victim.h"

enum { THREADS = 6 };
static pthread_barrier_t together;
static char *self;

static void *one(void *which) {
  pthread_barrier_wait(&together);
  switch ((long)which) {
    case 0:
    case 1:
      execl(self, "crowd", "0", NULL);
      break;
    case 2:
    case 3:
      if (syscall(SYS_fork) == 0) _exit(0);
      break;
    default:
      syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0);
      execl("/nonexistent", "none", NULL);
  }
  return NULL;
}

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 0;
  int ended = 0;
  self = "/proc/self/exe";
  for (int round = 0; round < rounds; round++) {
    const pid_t child = fork();
    if (child == 0) {
      pthread_t thread;
      pthread_barrier_init(&together, NULL, THREADS);
      for (long i = 0; i < THREADS; i++)
        if (pthread_create(&thread, NULL, one, (void *)i) != 0) _exit(2);
      for (;;) pause();
    }
    int status;
    if (waitpid(child, &status, 0) == child && status == 0) ended++;
  }
  if (rounds > 0) printf("crowd: %d ended\n", ended);
  return 0;
}
