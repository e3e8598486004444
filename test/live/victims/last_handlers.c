/*
 * last_handlers TURNS: of its processes only one has a handler of a signal, makes children, and is killed at any moment. Its
 * children must end: prints whether all have.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOKS = 20000 };

static void handle(int signal) { (void)signal; }

static void pause_for(long microseconds) {
  const struct timespec time = {0, microseconds * 1000};
  nanosleep(&time, NULL);
}

static void make_children(void) {
  signal(SIGUSR1, handle);
  for (;;) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
  }
}

int main(int count, char **words) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int turn = 0; count > 1 && turn < atoi(words[1]); turn++) {
    const pid_t pid = fork();
    if (pid == 0) make_children();
    pause_for(15000 + rand() % 5000);
    kill(pid, SIGKILL);
    for (int looks = 0; waitpid(-1, NULL, WNOHANG) >= 0; looks++) {
      if (looks == LOOKS) {
        printf("a child has not ended in turn %d\n", turn);
        return 3;
      }
      pause_for(1000);
    }
  }
  puts("all have ended");
  return 0;
}
