// SPDX-License-Identifier: MIT
/* Other threads and processes that get in the way: what they do to the caller, to its memory and to its descriptors. */
#include "pinned.h"

#include <sys/ptrace.h>

static atomic_int stop;

/* 0: the file is what it should be; else a negative errno, or 1. */
static long open_and_check(const char *path, char expected) {
  long file = result_of(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0));
  if (file < 0) return file;
  char content = 0;
  ssize_t count = pread((int)file, &content, 1, 0);
  long result = count < 0 ? -errno : count == 1 && content == expected ? 0 : 1;
  close((int)file);
  return result;
}

static void *fork_and_open(void *unused) {
  (void)unused;
  while (!stop) {
    pid_t child = fork();
    if (child == 0) _exit(open_and_check("./ok", 'o') == 0 ? 0 : 1);
    int status = 1;
    if (waitpid(child, &status, 0) != child || status != 0) return (void *)1;
  }
  return NULL;
}

static void *close_all(void *unused) {
  (void)unused;
  while (!stop) {
    syscall(SYS_close_range, 4, 1023, 0);
    sched_yield();
  }
  return NULL;
}

static void *open_more(void *unused) {
  (void)unused;
  while (!stop)
    if (open_and_check("./ok", 'o') > 0) return (void *)1;
  return NULL;
}

static int beside(int tries, void *(*neighbour)(void *), int count) {
  pthread_t threads[16];
  for (int i = 0; i < count; i++) pthread_create(&threads[i], NULL, neighbour, NULL);
  long good = 0, wrong = 0, closed = 0, other = 0;
  for (int i = 0; i < tries; i++) {
    long result = open_and_check("./ok", 'o');
    if (result == 0) good++;
    else if (result == 1) wrong++;
    else if (result == -EBADF) closed++;
    else if (other++ == 0) fprintf(stderr, "errno %ld\n", -result);
  }
  stop = 1;
  long failed = 0;
  for (int i = 0; i < count; i++) {
    void *result;
    pthread_join(threads[i], &result);
    failed += result != NULL;
  }
  printf("good: %ld\nwrong: %ld\nclosed: %ld\nother: %ld\nfailed neighbours: %ld\n", good, wrong, closed, other,
         failed);
  return 0;
}

/* Processes with threads that call are killed, at all moments. */
static int kill_scenario(int tries) {
  long good = 0;
  for (int i = 0; i < tries; i++) {
    pid_t child = fork();
    if (child == 0) {
      pthread_t thread;
      pthread_create(&thread, NULL, open_more, NULL);
      open_more(NULL);
      _exit(1);
    }
    usleep((useconds_t)(i * 37 % 3000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    good += open_and_check("./ok", 'o') == 0;
  }
  printf("good: %ld\n", good);
  return 0;
}

static char self[4096];

static void *execute(void *unused) {
  (void)unused;
  char *words[] = {self, (char *)(uintptr_t)"opens", NULL}, *environment[] = {NULL};
  usleep(random() % 3000);
  syscall(SYS_execve, self, words, environment);
  return NULL;
}

/* A thread executes a program while others call: it takes over the id of the leader, which calls as well. */
static int execute_scenario(int tries) {
  long good = 0, bad = 0;
  for (int i = 0; i < tries; i++) {
    pid_t child = fork();
    if (child == 0) {
      srandom((unsigned)i);
      pthread_t threads[2];
      pthread_create(&threads[0], NULL, open_more, NULL);
      pthread_create(&threads[1], NULL, execute, NULL);
      open_more(NULL);
      _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 40) good++;
    else if (bad++ == 0) fprintf(stderr, "status %x\n", (unsigned)status);
  }
  printf("good: %ld\nbad: %ld\n", good, bad);
  return 0;
}

/* What was executed makes calls in its new address space, then in a child's, then in one that it shares. */
static int opens(void) {
  for (int i = 0; i < 3; i++)
    if (open_and_check("./ok", 'o') != 0) return 41;
  pid_t child = fork();
  if (child == 0) _exit(open_and_check("./ok", 'o') == 0 ? 40 : 41);
  int status;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 40) return 42;
  child = vfork();
  if (child == 0) _exit(open_and_check("./ok", 'o') == 0 ? 40 : 41);
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 40) return 43;
  return open_and_check("./ok", 'o') == 0 ? 40 : 44;
}

/* A child is traced: it is refused, and goes on when its tracer has let it go. */
static int traced_scenario(void) {
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    long traced = open_and_check("./ok", 'o');
    raise(SIGSTOP);
    long later = open_and_check("./ok", 'o');
    _exit(traced == -EPERM && later == 0 ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  ptrace(PTRACE_DETACH, child, NULL, NULL);
  waitpid(child, &status, 0);
  printf("status: %d\n", status);
  return 0;
}

/* The caller is stopped (SIGSTOP) and continued all the time: calls wait, none is lost. */
static int stop_scenario(int tries) {
  pid_t child = fork();
  if (child == 0) {
    long good = 0;
    for (int i = 0; i < tries; i++) good += open_and_check("./ok", 'o') == 0;
    printf("good: %ld\n", good);
    fflush(NULL);
    _exit(0);
  }
  int status;
  while (waitpid(child, &status, WNOHANG) == 0) {
    kill(child, SIGSTOP);
    sched_yield();
    kill(child, SIGCONT);
    usleep(200);
  }
  return 0;
}

/* ── The queue ───────────────────────────────────────────────────────────────────────────────────────────────────── */

static atomic_int queued[256];
static atomic_long good_in_queue;

static void *open_in_queue(void *id) {
  *(atomic_int *)id = (int)syscall(SYS_gettid);
  good_in_queue += open_and_check("./ok", 'o') == 0;
  return NULL;
}

/* Not openat, about which the filter asks. */
static bool is_opening(int tid) {
  char path[48], text[16] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
  const int file = (int)syscall(SYS_open, path, O_RDONLY);
  const bool is_read = file >= 0 && read(file, text, sizeof text - 1) > 0;
  close(file);
  return is_read && atoi(text) == SYS_openat;
}

/* While the supervisor is stopped, so many threads make calls, of which the first one needs the window. */
static int queue_scenario(int threads) {
  pthread_t all[sizeof queued / sizeof *queued];
  kill(getppid(), SIGSTOP);
  for (int i = 0; i < threads; i++) pthread_create(&all[i], NULL, open_in_queue, &queued[i]);
  for (int i = 0; i < threads; i++)
    while (queued[i] == 0 || !is_opening(queued[i])) sched_yield();
  kill(getppid(), SIGCONT);
  for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
  printf("good: %ld\n", (long)good_in_queue);
  return 0;
}

int neighbour_scenario(const char *name, char **arguments) {
  if (strcmp(name, "opens") == 0) _exit(opens());
  if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return 2;
  int tries = arguments[0] == NULL ? 0 : atoi(arguments[0]);
  static const char *names[] = {"forks", "closes", "threads", "kill", "executes", "traced", "queue", "stops"};
  unsigned which = 0;
  while (which < sizeof names / sizeof *names && strcmp(name, names[which]) != 0) which++;
  if (which == sizeof names / sizeof *names) return -1;
  make_file("ok", 'o');
  confine();
  switch (which) {
    case 0:
      return beside(tries, fork_and_open, 1);
    case 1:
      return beside(tries, close_all, 1);
    case 2:
      return beside(tries, open_more, 15);
    case 3:
      return kill_scenario(tries);
    case 4:
      return execute_scenario(tries);
    case 5:
      return traced_scenario();
    case 6:
      return queue_scenario(tries);
    default:
      return stop_scenario(tries);
  }
}
