// SPDX-License-Identifier: MIT
/*
 * tally CASE: tests inheritance of state. Prints the tallies that each process and thread sees, in an order that does
 * not depend on scheduling. `programs.ts` has the policies.
 */
#include "victim.h"
#include <sys/prctl.h>

static long *seen; /* by the children, in shared memory */

static void print_all(const char *name, const long *values, int count) {
  printf("%s:", name);
  for (int i = 0; i < count; i++) printf(" %ld", values[i]);
  printf("\n");
}

/* The child records its initial tally, adds one, and records the result. */
static void child_life(int at) {
  seen[at] = tally();
  add_one();
  seen[at + 1] = tally();
}

static long raw_clone(unsigned long flags) { return syscall(SYS_clone, flags, 0, 0, 0, 0); }

static void await(long pid) {
  if (pid > 0) waitpid((pid_t)pid, NULL, __WALL);
}

/* One child before and one after a change of the parent's; what both saw, and what the parent sees at the end. */
static void twice(const char *name, long (*make)(void)) {
  add_one();
  add_one();
  for (int i = 0; i < 2; i++) {
    long pid = make();
    if (pid == 0) {
      child_life(2 * i);
      _exit(0);
    }
    if (pid < 0) printf("%s: %s\n", name, strerror((int)-pid));
    await(pid);
    add_one();
  }
  seen[4] = tally();
  print_all(name, seen, 5);
}

static long make_fork(void) { return result_of(syscall(SYS_fork)); }
static long make_clone(void) { return result_of(raw_clone(SIGCHLD)); }
static long make_clone_without_signal(void) { return result_of(raw_clone(0)); }

static int child_function(void *argument) {
  child_life(*(int *)argument);
  return 0;
}

/* Memory is shared until the child ends, so it runs on a separate stack. */
static void shared_memory(const char *name, int flags) {
  static char stack[2][65536] __attribute__((aligned(16)));
  static int places[2] = {0, 2};
  add_one();
  add_one();
  for (int i = 0; i < 2; i++) {
    int pid = clone(child_function, stack[i] + sizeof stack[i], flags, &places[i]);
    await(pid);
    add_one();
  }
  seen[4] = tally();
  print_all(name, seen, 5);
}

/* The child is our sibling: the launcher's, which reaps it. */
static void clone_parent(void) {
  add_one();
  add_one();
  for (int i = 0; i < 2; i++) {
    long pid = result_of(raw_clone(CLONE_PARENT | SIGCHLD));
    if (pid == 0) {
      child_life(2 * i);
      seen[10 + i] = 1;
      _exit(0);
    }
    for (int tries = 0; tries < 300000 && ((volatile long *)seen)[10 + i] == 0; tries++) usleep(1000);
    add_one();
  }
  seen[4] = tally();
  print_all("clone-parent", seen, 5);
}

static void dies_at_once(void) {
  signal(SIGCHLD, SIG_IGN);
  add_one();
  int failed = 0;
  for (int i = 0; i < 50; i++) {
    long pid = make_fork();
    if (pid == 0) _exit(0);
    failed += pid < 0;
  }
  signal(SIGCHLD, SIG_DFL);
  long pid = make_fork();
  if (pid == 0) {
    child_life(0);
    _exit(0);
  }
  await(pid);
  seen[2] = tally();
  seen[3] = failed;
  print_all("dies-at-once", seen, 4);
}

static void *forking_thread(void *argument) {
  int at = *(int *)argument;
  add_one();
  seen[at] = tally();
  long pid = make_fork();
  if (pid == 0) {
    child_life(at + 1);
    _exit(0);
  }
  await(pid);
  return NULL;
}

/* The main thread adds three, another thread one, and that one forks. */
static void from_thread(void) {
  for (int i = 0; i < 3; i++) add_one();
  pthread_t thread;
  int at = 0;
  pthread_create(&thread, NULL, forking_thread, &at);
  pthread_join(thread, NULL);
  seen[3] = tally();
  print_all("from-thread", seen, 4);
}

static char *self;

static void *executing_thread(void *unused) {
  (void)unused;
  add_one();
  execl(self, self, "tell", NULL);
  return NULL;
}

static void *failing_thread(void *unused) {
  (void)unused;
  add_one();
  execl("/nonexistent", "nonexistent", NULL);
  seen[0] = tally();
  return NULL;
}

/* The main thread adds three, the other one; the one that executes a program keeps what it has. */
static void exec_from_thread(void *(*function)(void *)) {
  for (int i = 0; i < 3; i++) add_one();
  pthread_t thread;
  pthread_create(&thread, NULL, function, NULL);
  pthread_join(thread, NULL);
  seen[1] = tally();
  print_all("exec-failed", seen, 2);
}

static void *counting_thread(void *argument) {
  atomic_long *allowed = argument;
  for (int i = 0; i < 50; i++)
    if (add_one() >= 0) atomic_fetch_add(allowed, 1);
  return NULL;
}

/* A hundred threads make 5,000 calls, of which a thousand may pass. */
static void hundred_threads(void) {
  static atomic_long allowed;
  pthread_t threads[100];
  for (int i = 0; i < 100; i++) pthread_create(&threads[i], NULL, counting_thread, &allowed);
  for (int i = 0; i < 100; i++) pthread_join(threads[i], NULL);
  printf("hundred-threads: %ld\n", atomic_load(&allowed));
}

static int want_next_id(pid_t id) {
  FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "w");
  if (file == NULL) return 0;
  fprintf(file, "%d", id - 1);
  return fclose(file) == 0;
}

static void *noting_thread(void *argument) {
  long *note = argument;
  note[0] = syscall(SYS_gettid);
  note[1] = tally();
  add_one();
  add_one();
  note[2] = tally();
  return NULL;
}

/* Two consecutive processes, or threads, with the same id: each starts with fresh state. */
static void reused_id(int threads) {
  long notes[2][3] = {{0}};
  for (int attempt = 0; attempt < 100000; attempt++) {
    for (int i = 0; i < 2; i++) {
      if (i == 1 && !want_next_id((pid_t)notes[0][0])) {
        printf("reused-id: not possible\n");
        return;
      }
      if (threads) {
        pthread_t thread;
        pthread_create(&thread, NULL, noting_thread, notes[i]);
        pthread_join(thread, NULL);
        usleep(1000); /* a joined thread may still exist */
      } else {
        long pid = make_fork();
        if (pid == 0) {
          noting_thread(seen);
          _exit(0);
        }
        await(pid);
        memcpy(notes[i], seen, sizeof notes[i]);
      }
    }
    if (notes[0][0] != notes[1][0]) continue;
    printf("reused-id: %ld %ld, %ld %ld\n", notes[0][1], notes[0][2], notes[1][1], notes[1][2]);
    return;
  }
  printf("reused-id: never the same\n");
}

/* Enough processes and threads to show a leak of state. */
static void many_in_turn(int count) {
  long wrong = 0;
  for (int i = 0; i < count; i++) {
    long pid = make_fork();
    if (pid == 0) {
      child_life(0);
      _exit(0);
    }
    await(pid);
    wrong += seen[0] != 0 || seen[1] != 1;
  }
  printf("many-in-turn: %ld\n", wrong);
}

/* Without CAP_SYS_PTRACE the supervisor cannot follow its fork. */
static void undumpable(void) {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  long pid = make_fork();
  if (pid == 0) _exit(0);
  await(pid);
  printf("undumpable: %s\n", pid > 0 ? "made" : strerror((int)-pid));
}

/* The supervisor cannot follow this fork either, which an audit lets pass. */
static void untraced(void) {
  add_one();
  long pid = result_of(raw_clone(CLONE_UNTRACED | SIGCHLD));
  if (pid == 0) {
    tally();
    _exit(0);
  }
  await(pid);
  printf("untraced: %s\n", pid > 0 ? "made" : strerror((int)-pid));
}

/* Another process traces the child, so the supervisor cannot follow its fork. */
static void traced(void) {
  long pid = make_fork();
  if (pid == 0) {
    raise(SIGSTOP);
    long inner = make_fork();
    if (inner == 0) _exit(0);
    seen[0] = inner;
    await(inner);
    _exit(0);
  }
  waitpid((pid_t)pid, NULL, WUNTRACED);
  seen[1] = result_of(syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, pid, 0, 0));
  kill((pid_t)pid, SIGCONT);
  int status;
  while (waitpid((pid_t)pid, &status, __WALL) > 0 && WIFSTOPPED(status)) {
    int event = status >> 16;
    syscall(SYS_ptrace, 7 /* PTRACE_CONT */, pid, 0, event ? 0 : WSTOPSIG(status));
  }
  print_all("traced", seen, 2);
}

/* Forks under a storm of signals: each fork makes exactly one child, or fails. */
static void signal_storm(void) {
  begin_storm(300, SA_RESTART);
  add_one();
  long wrong = 0, made = 0;
  for (int i = 0; i < 200; i++) {
    long pid = make_fork();
    if (pid == 0) {
      child_life(0);
      _exit(0);
    }
    storm_let_through();
    if (pid < 0) continue;
    made++;
    while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR) {
    }
    wrong += seen[0] != 1 || seen[1] != 2;
  }
  end_storm();
  printf("signal-storm: %ld wrong, %s\n", wrong, made > 0 ? "some made" : "none made");
}

static void many_clone3(int count) {
  struct {
    unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } arguments = {.exit_signal = SIGCHLD};
  int made = 0;
  for (int i = 0; i < count; i++) {
    long pid = result_of(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid == 0) _exit(0);
    made += pid > 0;
    await(pid);
  }
  printf("many-clone3: %d made, tally %ld\n", made, tally());
}

int main(int argc, char **argv) {
  self = argv[0];
  seen = shared_page();
  const char *which = argc > 1 ? argv[1] : "";
  setvbuf(stdout, NULL, _IONBF, 0);
  if (!strcmp(which, "fork")) twice("fork", make_fork);
  else if (!strcmp(which, "clone")) twice("clone", make_clone);
  else if (!strcmp(which, "clone-silent")) twice("clone-silent", make_clone_without_signal);
  else if (!strcmp(which, "vfork")) shared_memory("vfork", CLONE_VM | CLONE_VFORK | SIGCHLD);
  else if (!strcmp(which, "clone-vm")) shared_memory("clone-vm", CLONE_VM | SIGCHLD);
  else if (!strcmp(which, "clone-parent")) clone_parent();
  else if (!strcmp(which, "clone-untraced"))
    printf("clone-untraced: %ld\n", result_of(raw_clone(CLONE_UNTRACED | SIGCHLD)));
  else if (!strcmp(which, "clone-wrong"))
    printf("clone-wrong: %ld %ld\n", result_of(raw_clone(CLONE_SIGHAND)), tally());
  else if (!strcmp(which, "dies-at-once")) dies_at_once();
  else if (!strcmp(which, "from-thread")) from_thread();
  else if (!strcmp(which, "exec-from-thread")) exec_from_thread(executing_thread);
  else if (!strcmp(which, "exec-fails-in-thread")) exec_from_thread(failing_thread);
  else if (!strcmp(which, "tell")) printf("tell: %ld\n", tally());
  else if (!strcmp(which, "hundred-threads")) hundred_threads();
  else if (!strcmp(which, "reused-process")) reused_id(0);
  else if (!strcmp(which, "reused-thread")) reused_id(1);
  else if (!strcmp(which, "many-in-turn")) many_in_turn(argc > 2 ? atoi(argv[2]) : 100);
  else if (!strcmp(which, "many-clone3")) many_clone3(argc > 2 ? atoi(argv[2]) : 20);
  else if (!strcmp(which, "traced")) traced();
  else if (!strcmp(which, "undumpable")) undumpable();
  else if (!strcmp(which, "untraced")) untraced();
  else if (!strcmp(which, "signal-storm")) signal_storm();
  else return 2;
  return 0;
}
