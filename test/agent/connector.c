// Connects to a socket again and again, each time in a process of its own, and ends a little later each time.
//
//     connector SOCKET COUNT
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(125);
}

/// usleep(3) would sleep for longer than the agent examines a process.
static void spin(long nanoseconds) {
  struct timespec from, now;

  clock_gettime(CLOCK_MONOTONIC, &from);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < nanoseconds);
}

int main(int count, char **words) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};

  if (count != 3) return 125;
  strncpy(address.sun_path, words[1], sizeof address.sun_path - 1);
  for (long index = 0, most = atol(words[2]); index < most; index++) {
    pid_t child = fork();
    int status;
    if (child < 0) fail("fork");
    if (child == 0) {
      int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connect(connection, (struct sockaddr *)&address, sizeof address)) fail("connect");
      spin(index * 2000);
      _exit(0);
    }
    if (waitpid(child, &status, 0) < 0 || status != 0) return 125;
  }
  return 0;
}
