/*
 * Makes the same calls each time it is run, in a process that forks, starts threads, executes programs, and is replaced by
 * a thread of its own. `recorded leaf` is the program that it executes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3, CALLS = 40 };

static char *leaf[] = {"recorded", "leaf", NULL};
static char *environment[] = {"A=1", "B=two", NULL};

static void *call(void *unused) {
  (void)unused;
  for (int i = 0; i < CALLS; i++) syscall(SYS_getppid);
  return NULL;
}

/* The execution ends the main thread, which makes no call then, so that each task's calls are the same in every run. */
static _Atomic bool is_created;

static void *replace(void *unused) {
  (void)unused;
  while (!is_created) {
  }
  execve("/proc/self/exe", leaf, environment);
  _exit(9);
}

static void wait_for(pid_t child) {
  int status;
  while (waitpid(child, &status, __WALL) < 0) {
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "leaf") == 0) {
    for (int i = 0; i < CALLS; i++) syscall(SYS_getuid);
    return 7;
  }
  pid_t child = fork();
  if (child == 0) {
    int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    close(file);
    open("/does/not/exist", O_RDONLY);
    int own = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/does/not/exist/either"};
    connect(own, (struct sockaddr *)&address, sizeof address);
    _exit(3);
  }
  wait_for(child);
  for (int i = 0; i < THREADS; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, call, NULL);
    pthread_join(thread, NULL);
  }
  child = vfork();
  if (child == 0) {
    execve("/proc/self/exe", leaf, environment);
    _exit(9);
  }
  wait_for(child);
  pthread_t thread;
  pthread_create(&thread, NULL, replace, NULL);
  is_created = true;
  for (;;) {
  }
}
