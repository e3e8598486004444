/*
 * A tree of two processes, one of them with two threads, that makes the calls that it is told to. Its argument is a
 * folder, where it writes its pid and looks at the file `todo`: "N WHO WHAT", where N counts up, WHO is main, thread or
 * child, and WHAT is a call. It writes the result to done.N: ok, or the name of the error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The thread that opens the pipe; 0 if it has not begun. */
static _Atomic pid_t opener;

static void *open_pipe(void *path) {
  opener = (pid_t)syscall(SYS_gettid);
  int fd = (int)syscall(SYS_open, path, O_RDONLY);
  if (fd < 0) abort();
  close(fd);
  return NULL;
}

static int call_of(pid_t tid) {
  char path[64];
  int number = -1;
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
  FILE *file = fopen(path, "r");
  if (file == NULL || fscanf(file, "%d", &number) != 1) number = -1;
  if (file != NULL) fclose(file);
  return number;
}

/* Makes a link while a thread opens a pipe, which ends when the pipe is opened for writing. */
static int link_during_open(const char *path, int n) {
  char pipe[32], other[32];
  pthread_t thread;
  snprintf(pipe, sizeof pipe, "pipe.%d", n);
  snprintf(other, sizeof other, "other.%d", n);
  opener = 0;
  if (mkfifo(pipe, 0600) != 0 || pthread_create(&thread, NULL, open_pipe, pipe) != 0) abort();
  while (opener == 0 || call_of(opener) != SYS_open) nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
  int result = symlink("todo", path), reason = errno;
  int fd = open(pipe, O_WRONLY); /* openat */
  if (fd < 0 || pthread_join(thread, NULL) != 0 || symlink("todo", other) != 0) abort();
  close(fd);
  errno = reason;
  return result;
}

static int make_call(const char *what, int n) {
  char path[32];
  snprintf(path, sizeof path, "made.%d", n);
  if (strcmp(what, "mkdir") == 0) return mkdir(path, 0700);
  if (strcmp(what, "rmdir") == 0) return rmdir("none");
  if (strcmp(what, "apart") == 0) return link_during_open(path, n);
  if (strcmp(what, "link") == 0) return link("todo", path);
  if (strcmp(what, "fork") == 0) {
    pid_t pid = fork();
    while (pid == 0) pause();
    return pid < 0 ? -1 : 0;
  }
  abort();
}

static void *act(void *me) {
  int last = 0;
  for (;;) {
    char who[16], what[16], path[32];
    int n;
    FILE *todo = fopen("todo", "r");
    int words = todo == NULL ? 0 : fscanf(todo, "%d %15s %15s", &n, who, what);
    if (todo != NULL) fclose(todo);
    if (words != 3 || n <= last || strcmp(who, me) != 0) {
      nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
      continue;
    }
    last = n;
    int result = make_call(what, n);
    const char *name = result < 0 ? strerrorname_np(errno) : "ok";
    FILE *done = fopen("result", "w");
    if (done == NULL || fprintf(done, "%s\n", name) < 0 || fclose(done) != 0) abort();
    snprintf(path, sizeof path, "done.%d", n);
    if (rename("result", path) != 0) abort();
  }
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc != 2 || chdir(argv[1]) != 0) return 2;
  setsid(); /* fails if it leads a session already */
  FILE *own = fopen("pid", "w");
  if (own == NULL || fprintf(own, "%d\n", getpid()) < 0 || fclose(own) != 0) return 2;
  if (fork() == 0) act("child");
  if (pthread_create(&thread, NULL, act, "thread") != 0) return 1;
  act("main");
}
