// SPDX-License-Identifier: MIT
/*
 * Makes calls for questions.test.ts, which writes one line for each: "LABEL CALL [WORD]". Each call is made in a thread of
 * its own, and prints "LABEL RESULT" when it has returned: an errno's name, or "passed".
 */
#include "victim.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { LINE = 4096 };
/* The path of the call "unlink-shared", which other lines change. */
static char shared[LINE];
static pid_t child;
static volatile sig_atomic_t is_caught;

struct order {
  char label[32], call[32], word[LINE];
};

static void caught(int signal) {
  (void)signal;
  is_caught = 1;
}

/* Writes an answer to the socket. Returns 0 if the server sends us anything, or ECONNRESET if it only closes. */
static long answer(const char *path) {
  static const char line[] = "{\"question\":1,\"answer\":\"allow\"}\n";
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char byte;
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) return -1;
  const ssize_t written = send(fd, line, sizeof line - 1, MSG_NOSIGNAL);
  const ssize_t length = read(fd, &byte, 1);
  close(fd);
  errno = ECONNRESET;
  return written > 0 && length > 0 ? 0 : -1;
}

/* The same from a process whose parent is not of the tree any more, in a session of its own. */
static long answer_as_orphan(const char *path) {
  int result[2];
  if (pipe(result) != 0) return -1;
  const pid_t first = fork();
  if (first == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    usleep(100 * 1000);
    const char is_heard = answer(path) == 0;
    _exit(write(result[1], &is_heard, 1) != 1);
  }
  close(result[1]);
  waitpid(first, NULL, 0);
  char is_heard = 1;
  if (read(result[0], &is_heard, 1) != 1) is_heard = 1;
  errno = ECONNRESET;
  return is_heard ? 0 : -1;
}

static long make(const struct order *order) {
  const char *call = order->call, *word = order->word;

  if (strcmp(call, "getppid") == 0) return syscall(SYS_getppid) < 0 ? -1 : 0;
  if (strcmp(call, "count") == 0) return syscall(SYS_getsid, 0) < 0 ? -1 : 0;
  if (strcmp(call, "getpgid") == 0) return syscall(SYS_getpgid, 0) < 0 ? -1 : 0;
  if (strcmp(call, "mkdir") == 0) return mkdir(word, 0700);
  if (strcmp(call, "unlink") == 0) return unlink(word);
  if (strcmp(call, "open") == 0) return open(word, O_RDONLY) < 0 ? -1 : 0;
  if (strcmp(call, "chdir") == 0) return chdir(word);
  if (strcmp(call, "set-shared") == 0) return strcpy(shared, word) == NULL;
  if (strcmp(call, "unlink-shared") == 0) return unlink(shared);
  if (strcmp(call, "signal") == 0) return kill(atoi(word), 0);
  if (strcmp(call, "answer") == 0) return answer(word);
  if (strcmp(call, "answer-as-orphan") == 0) return answer_as_orphan(word);
  if (strcmp(call, "fork") == 0) {
    const long made = syscall(SYS_fork);
    if (made == 0) _exit(7);
    int status;
    return made < 0 || waitpid((pid_t)made, &status, 0) < 0 || WEXITSTATUS(status) != 7 ? -1 : 0;
  }
  if (strcmp(call, "catch") == 0) { /* from now on this process and its children are traced */
    struct sigaction action = {.sa_handler = caught};
    return sigaction(SIGUSR1, &action, NULL);
  }
  if (strcmp(call, "child") == 0) { /* a child that asks, until "kill" */
    child = fork();
    if (child == 0) _exit(syscall(SYS_getppid) < 0);
    return 0;
  }
  if (strcmp(call, "kill") == 0) { /* with this signal, which it does not catch */
    const int signal = atoi(word);
    int status;
    kill(child, signal);
    if (waitpid(child, &status, 0) < 0) return -1;
    errno = ECHILD;
    return WIFSIGNALED(status) && WTERMSIG(status) == signal ? 0 : -1;
  }
  if (strcmp(call, "signalled") == 0) { /* a signal with a handler comes while the call waits */
    struct sigaction action = {.sa_handler = caught, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    ualarm(200 * 1000, 0);
    const long result = syscall(SYS_getppid);
    const int error = errno;
    for (int tries = 0; !is_caught && tries < 100; tries++) usleep(10 * 1000);
    errno = is_caught ? error : EINTR;
    return result < 0 || !is_caught ? -1 : 0;
  }
  errno = ENOSYS;
  return -1;
}

static void *run(void *given) {
  struct order *order = given;
  const long result = make(order);

  printf("%s %s\n", order->label, result < 0 ? strerrorname_np(errno) : "passed");
  fflush(stdout);
  free(order);
  return NULL;
}

int main(void) {
  char line[LINE];

  puts("ready");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    struct order *order = calloc(1, sizeof *order);
    pthread_t thread;

    if (sscanf(line, "%31s %31s %4095s", order->label, order->call, order->word) < 2) return 1;
    if (pthread_create(&thread, NULL, run, order) != 0) return 1;
    pthread_detach(thread);
  }
  _exit(0);
}
