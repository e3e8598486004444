/*
 * Acts like a hijacked nginx worker. The process binds, listens and forks like nginx's master; its child starts an
 * event loop like a worker (eventfd2) and then starts a shell, or opens another listening socket.
 *
 * Usage: hijacked shell|listen
 * Exits 0 if the attack succeeded, 1 if the child was killed before it could, 2 if the attack failed with an errno.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int listening_socket(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16)) return -1;
  return fd;
}

static int attack(const char *how) {
  if (strcmp(how, "shell") == 0) {
    execl("/bin/sh", "sh", "-c", "echo '    a shell runs inside the worker'", (char *)NULL);
    return -1; /* only an exec that failed comes back */
  }
  return listening_socket() < 0 ? -1 : 0;
}

int main(int argc, char **argv) {
  int status;
  pid_t worker;

  if (argc != 2 || (strcmp(argv[1], "shell") != 0 && strcmp(argv[1], "listen") != 0)) {
    fprintf(stderr, "usage: %s shell|listen\n", argv[0]);
    return 125;
  }
  if (listening_socket() < 0) {
    perror("the listening socket of the master");
    return 125;
  }
  worker = fork();
  if (worker < 0) {
    perror("fork");
    return 125;
  }
  if (worker == 0) {
    if (eventfd(0, 0) < 0) _exit(125);
    _exit(attack(argv[1]) == 0 ? 0 : 2);
  }
  if (waitpid(worker, &status, 0) != worker) return 125;
  return WIFSIGNALED(status) ? 1 : WEXITSTATUS(status);
}
