// SPDX-License-Identifier: MIT
/*
 * reused window|prepared|unwatched: the policy refuses openat of "forbidden". A thread opens another file and ends, with a
 * window. With "prepared" it also has a call that was judged and that it has not made; with "unwatched" the supervisor has
 * refused an earlier call of it, because it had no descriptor left to watch it.
 *
 * A child gets the thread's id. It has inherited the window's stub, and behind it has memory of its own that says
 * "forbidden". Then it opens the other file, or makes the prepared call. Prints `WHICH: RESULT`: 1 if it has opened
 * "forbidden", else the result of its call.
 */
#include "victim.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <ucontext.h>

#ifdef __x86_64__
#include "../pin/from_stub.h"

enum { DATA = STUB + 4096, DATA_END = 0x200000, GRANULE = 256 };

/* The kernel sees these values in the registers. The supervisor gives no such call its result without a pin. */
static const long here = (unsigned)AT_FDCWD, flags = O_RDWR;

static long open_path(const char *path) { return result_of(syscall(SYS_openat, here, path, flags, 0, 0, 0)); }

/* What a thread leaves. */
static atomic_int *left; /* its id */
static atomic_long left_path;

static void end_before_call(int signal, siginfo_t *info, void *context) {
  const ucontext_t *at = context;
  (void)signal;
  (void)info;
  if (at->uc_mcontext.gregs[REG_RIP] != STUB) return;
  atomic_store(&left_path, at->uc_mcontext.gregs[REG_RSI]);
  syscall(SYS_exit, 0);
}

static void *opens_once(void *unused) {
  (void)unused;
  close((int)open_path("allowed"));
  close((int)open_path("allowed"));
  atomic_store(left, (int)syscall(SYS_gettid));
  return NULL;
}

static void *opens_until_ended(void *unused) {
  (void)unused;
  atomic_store(left, (int)syscall(SYS_gettid));
  for (;;) {
    const long file = open_path("allowed");
    if (file >= 0) syscall(SYS_close, file);
  }
  return NULL;
}

/* ── A thread that the supervisor cannot know yet, because it has too few descriptors ────────────────────────────── */

static struct rlimit given;
static int supervisor, limit;

static int parent_of(int pid) {
  char path[32], text[512] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const int file = open(path, O_RDONLY);
  if (file < 0 || read(file, text, sizeof text - 1) <= 0) exit(2);
  close(file);
  return atoi(strrchr(text, ')') + 4);
}

static void limit_supervisor(rlim_t descriptors) {
  const struct rlimit new = {descriptors, given.rlim_max};
  if (prlimit(supervisor, RLIMIT_NOFILE, &new, NULL) != 0) exit(2);
}

/* The supervisor notes that the thread may change its rights, and refuses the call of a thread that it cannot watch. */
static void *changes_rights(void *opens) {
  limit_supervisor((rlim_t)limit);
  const long changed = result_of(syscall(SYS_setresuid, -1, -1, -1));
  limit_supervisor(given.rlim_cur);
  if (opens != NULL) {
    atomic_store(left, (int)syscall(SYS_gettid));
    close((int)open_path("allowed"));
    close((int)open_path("allowed"));
  }
  return (void *)changed;
}

/* Whether the call passes that a thread of a new process makes. */
static int changes_with(int descriptors, void *opens) {
  limit = descriptors;
  const pid_t child = fork();
  if (child == 0) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, changes_rights, opens);
    pthread_join(thread, &result);
    _exit(result == NULL);
  }
  int status;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) exit(2);
  close((int)open_path("allowed")); /* the supervisor notices the end */
  return WEXITSTATUS(status);
}

static int unwatched_thread(void) {
  supervisor = parent_of(getppid());
  if (prlimit(supervisor, RLIMIT_NOFILE, NULL, &given) != 0) exit(2);
  int least = 3;
  while (!changes_with(least, NULL)) least++;
  changes_with(least - 1, left);
  return atomic_load(left);
}

static int exists(int id) { return syscall(SYS_tgkill, getpid(), id, 0) == 0; }

/* The thread's id, which no task has any more. */
static int thread_that_ended(int is_prepared) {
  pthread_t thread;
  pthread_create(&thread, NULL, is_prepared ? opens_until_ended : opens_once, NULL);
  while (atomic_load(left) == 0) sched_yield();
  const int id = atomic_load(left);
  if (is_prepared) {
    while (exists(id)) {
      syscall(SYS_tgkill, getpid(), id, SIGUSR1);
      usleep(100 + (useconds_t)rand() % 200);
    }
  } else {
    pthread_join(thread, NULL);
    while (exists(id)) sched_yield();
  }
  return id;
}

static long try_with_own_memory(int is_prepared) {
  char *memory = mmap((void *)DATA, DATA_END - DATA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != (char *)DATA) return -ENOMEM;
  for (char *at = memory; at < memory + DATA_END - DATA; at += GRANULE) strcpy(at, "forbidden");
  const long file = is_prepared ? from_stub(SYS_openat, here, atomic_load(&left_path), flags) : open_path("allowed");
  char content = 0;
  if (file < 0 || read((int)file, &content, 1) != 1) return file;
  return content == 'f';
}

static void make_file(const char *name) {
  const int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || write(file, name, 1) != 1) exit(2);
  close(file);
}

int main(int count, char **words) {
  const char *which = count > 1 ? words[1] : "";
  const int is_prepared = strcmp(which, "prepared") == 0;
  char next[16];
  left = shared_page();
  make_file("allowed");
  const int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
  if (last < 0) {
    printf("%s: not possible\n", which);
    return 0;
  }
  struct sigaction action = {.sa_sigaction = end_before_call, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  close((int)open_path("allowed")); /* the window of this process, whose stub its children inherit */
  for (int attempt = 0; attempt < 10000; attempt++) {
    atomic_store(left, 0);
    const int id = strcmp(which, "unwatched") == 0 ? unwatched_thread() : thread_that_ended(is_prepared);
    const int length = snprintf(next, sizeof next, "%d", id - 1);
    if (pwrite(last, next, (size_t)length, 0) != length) return 2;
    const pid_t child = fork();
    if (child == 0) {
      if (getpid() == id) {
        printf("%s: %ld\n", which, try_with_own_memory(is_prepared));
        fflush(stdout);
      }
      _exit(getpid() == id);
    }
    int status;
    if (waitpid(child, &status, 0) != child) return 2;
    if (status != 0) return 0;
  }
  printf("%s: never the same id\n", which);
  return 0;
}
#else
int main(int count, char **words) {
  if (count > 1) printf("%s: not possible\n", words[1]);
  return 0;
}
#endif
