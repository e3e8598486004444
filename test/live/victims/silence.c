// SPDX-License-Identifier: MIT
/*
 * silence ACT...: does to its supervisor what any process of the same user can, then makes a call and exits with 3.
 *
 * node, front: sets the limit on the size of files of that process to 0
 * front-soft:  sets only the soft limit of the front
 * status-125:  exits with 125 instead
 * kill:        kills Node, and waits until the front has taken notice and has forwarded a signal
 */
#include "parent.h"
#include "victim.h"
#include <sys/resource.h>

static void limit(pid_t pid, rlim_t soft, rlim_t hard) {
  const struct rlimit limit = {soft, hard};
  if (prlimit(pid, RLIMIT_FSIZE, &limit, NULL) != 0) printf("prlimit errno %d\n", errno);
}

static void end_node(pid_t node, pid_t front) {
  sigset_t forwarded;
  sigemptyset(&forwarded);
  sigaddset(&forwarded, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &forwarded, NULL);
  kill(node, SIGKILL);
  while (kill(node, 0) == 0) usleep(1000);
  /* The front takes pending signals in the order of their numbers: SIGXFSZ before this one. */
  kill(front, SIGRTMIN);
  sigwaitinfo(&forwarded, NULL);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  pid_t node = parent_of(find_launcher(getpid())), front = parent_of(node);
  int status = 3;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "node")) limit(node, 0, 0);
    if (!strcmp(argv[i], "front")) limit(front, 0, 0);
    if (!strcmp(argv[i], "front-soft")) limit(front, 0, RLIM_INFINITY);
    if (!strcmp(argv[i], "status-125")) status = 125;
    if (!strcmp(argv[i], "kill")) end_node(node, front);
  }
  add_one();
  return status;
}
