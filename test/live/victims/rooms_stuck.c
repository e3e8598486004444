// SPDX-License-Identifier: MIT
/*
 * rooms_stuck SCENARIO: holders of the gate (rooms.c) that sleep behind their call, where /proc shows them as in it, and
 * processes that try to keep the supervisor from seeing that a call has ended, or to make it see an end too early.
 */
#include "rooms.h"
#include <sys/ptrace.h>
#include <sys/stat.h>

/* Counts for all processes. */
static _Atomic int *shared;

static pid_t fork_in(long (*call)(void), long number) {
  pid_t child = fork();
  if (child == 0) _exit(call() == 0 ? 0 : 9);
  await_call(child, child, number);
  return child;
}

/* A call that waits for the supervisor looks like one that was let in, which it was when a later one has its answer. */
static pid_t fork_holder(void) {
  pid_t child = fork_in(hold, SYS_clock_nanosleep);
  nap();
  return child;
}

static long await(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void end(pid_t child) {
  kill(child, SIGKILL);
  await(child);
}

/* A stop that the tracer sees, of a kind (PTRACE_EVENT_…), or of a signal where that is 0. */
static void await_stop(pid_t child, int event) {
  int status = 0;
  if (waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status) || status >> 16 != event) exit(4);
}

/* ── Behind the call ─────────────────────────────────────────────────────────────────────────────────────────────── */

/* Its tracer has a signal to give it, and does not. */
static void traced_signal(void) {
  pid_t child = fork_holder();
  if (ptrace(PTRACE_SEIZE, child, NULL, NULL) != 0) exit(3);
  kill(child, SIGUSR1);
  await_stop(child, 0);
  say("asked", ask());
  end(child);
}

/* Its tracer lets it see the call's end, and not go on. */
static void traced_end(void) {
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    _exit((int)nap());
  }
  await_stop(child, 0);
  ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
  for (;;) {
    struct __ptrace_syscall_info info = {0};
    ptrace(PTRACE_SYSCALL, child, NULL, NULL);
    await_stop(child, 0);
    ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_clock_nanosleep) continue;
    ptrace(PTRACE_SYSCALL, child, NULL, NULL);
    await_stop(child, 0);
    break;
  }
  say("asked", ask());
  end(child);
}

/* It is killed, and its tracer does not let it die. */
static void traced_death(void) {
  pid_t child = fork_holder();
  if (ptrace(PTRACE_SEIZE, child, NULL, (void *)PTRACE_O_TRACEEXIT) != 0) exit(3);
  kill(child, SIGKILL);
  await_stop(child, PTRACE_EVENT_EXIT);
  say("asked", ask());
  ptrace(PTRACE_CONT, child, NULL, NULL);
  say("holder", await(child));
}

/* Until the beginning of the file has the text. */
static void await_text(const char *path, const char *wanted) {
  char text[256] = "";
  while (strstr(text, wanted) == NULL) {
    int file = open(path, O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    text[length > 0 ? length : 0] = 0;
    close(file);
    pause_for(1);
  }
}

/* Into a file; false where that fails. */
static int put(const char *folder, const char *name, const char *text) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int file = open(path, O_WRONLY);
  int isWritten = file >= 0 && write(file, text, strlen(text)) > 0;
  if (file >= 0) close(file);
  return isWritten;
}

static int make_group(char *folder, size_t size) {
  char line[512], mounted[256], type[64];
  FILE *mounts = fopen("/proc/mounts", "r");
  int isMade = 0;
  while (!isMade && mounts != NULL && fgets(line, sizeof line, mounts) != NULL) {
    if (sscanf(line, "%*s %255s %63s", mounted, type) != 2 || strcmp(type, "cgroup2") != 0) continue;
    snprintf(folder, size, "%s/portcullis-rooms-%d", mounted, getpid());
    isMade = mkdir(folder, 0700) == 0;
  }
  if (mounts != NULL) fclose(mounts);
  return isMade;
}

/* Its process is frozen. */
static void frozen(void) {
  char folder[400], child_text[16], events[512];
  if (!make_group(folder, sizeof folder)) {
    say("no group", 1);
    return;
  }
  pid_t child = fork_holder();
  snprintf(child_text, sizeof child_text, "%d", child);
  if (!put(folder, "cgroup.procs", child_text) || !put(folder, "cgroup.freeze", "1")) exit(3);
  snprintf(events, sizeof events, "%s/cgroup.events", folder);
  await_text(events, "frozen 1");
  say("asked", ask());
  put(folder, "cgroup.freeze", "0");
  end(child);
  while (rmdir(folder) != 0) pause_for(1);
}

/* ── Threads and processes that end ──────────────────────────────────────────────────────────────────────────────── */

static void *wait_for_ever(void *given) {
  (void)given;
  for (;;) pause_for(-1);
  return NULL;
}

/* The first thread of a process ends behind its call, and the process does not. */
static void ended_leader(void) {
  pid_t child = fork();
  if (child == 0) {
    pthread_t other;
    pthread_create(&other, NULL, wait_for_ever, NULL);
    nap();
    syscall(SYS_exit, 0);
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", child);
  await_text(path, ") Z");
  say("asked", ask());
  end(child);
}

/* The first thread has no program any more (/proc/self). */
static void *execute_holder(void *given) {
  (void)given;
  pause_for(50);
  execl("/proc/thread-self/exe", "rooms_stuck", "holds", NULL);
  _exit(1);
}

/* The first thread has ended, another one executes a program, which has the first one's id and holds: that is no end. */
static void inherited_id(void) {
  ask();
  pid_t child = fork();
  if (child == 0) {
    pthread_t other;
    ask();
    pthread_create(&other, NULL, execute_holder, NULL);
    syscall(SYS_exit, 0);
  }
  await_call(child, child, SYS_clock_nanosleep);
  pause_for(50);
  say("asked", ask());
  end(child);
  say("asked", ask());
}

/* One that waits ends because another thread of its process executes a program, or exits: the next is admitted. */
static void end_waiter(int executes) {
  struct worker holder, napper;
  start_holder(&holder, hold);
  pid_t child = fork();
  if (child == 0) {
    struct worker asker;
    start_in(&asker, ask, SYS_getppid);
    shared[0] = 1;
    while (!shared[1]) pause_for(1);
    if (executes) execl("/proc/self/exe", "rooms_stuck", "sleeps", NULL);
    _exit(0);
  }
  while (!shared[0]) pause_for(1);
  pause_for(20);
  start_in(&napper, nap, SYS_clock_nanosleep);
  pause_for(50);
  say("done", napper.done);
  shared[1] = 1;
  say("napped", finish(&napper));
  end(child);
  say("held", release(&holder));
}
static void executed_waiter(void) { end_waiter(1); }
static void exited_waiter(void) { end_waiter(0); }

/* ── Waiters ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* One that is stopped does not wait, and the next is admitted. It asks again when it goes on. */
static void stopped_waiter(void) {
  struct worker holder;
  start_holder(&holder, hold);
  pid_t child = fork_in(ask, SYS_getppid);
  pause_for(20);
  kill(child, SIGSTOP);
  say("napped", nap());
  kill(child, SIGCONT);
  await_call(child, child, SYS_getppid);
  say("held", release(&holder));
  say("child", await(child));
}

static _Atomic int handled;
static void count_signal(int signal) {
  (void)signal;
  handled++;
}

/* A waiter that gets a signal again and again is admitted in the end, and not before. */
static void storm(void) {
  struct worker holder, asker;
  handle(SIGUSR2, count_signal, SA_RESTART);
  start_holder(&holder, hold);
  start_in(&asker, ask, SYS_getppid);
  while (handled < 20) {
    int before = handled;
    pthread_kill(asker.thread, SIGUSR2);
    while (handled == before) pause_for(1);
  }
  say("done", asker.done);
  say("held", release(&holder));
  for (int more = 0; more < 1000 && !asker.done; more++) {
    pthread_kill(asker.thread, SIGUSR2);
    pause_for(30);
  }
  say("asked", finish(&asker));
}

/* ── Bystanders ──────────────────────────────────────────────────────────────────────────────────────────────────── */

enum { CROWD = 100 };

/*
 * Each process has a gate of its own. In one of them many hold, and others wait all the time: more holders than the supervisor
 * looks at in one go. In another process a call ends unseen, and one that waits for it is to be admitted.
 */
static long hold_once(void) {
  hold();
  for (;;) pause_for(-1);
  return 0;
}
static void bystanders(void) {
  struct worker holder, asker;
  pid_t crowd = fork();
  if (crowd == 0) {
    static struct worker all[CROWD];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 16);
    for (int i = 0; i < CROWD; i++) {
      all[i].call = hold;
      if (pthread_create(&all[i].thread, &small, work, &all[i]) != 0) exit(3);
    }
    for (int i = 0; i < CROWD; i++)
      while (all[i].tid == 0 || call_of(getpid(), all[i].tid) != SYS_clock_nanosleep) pause_for(1);
    pause_for(100);
    shared[0] = 1;
    while (!shared[1]) pause_for(1);
    start_in(&asker, ask, SYS_getppid);
    shared[2] = 1;
    for (;;) pause_for(-1);
  }
  while (!shared[0]) pause_for(1);
  start_holder(&holder, hold_once);
  nap();
  shared[1] = 1;
  while (!shared[2]) pause_for(1);
  start_in(&asker, ask, SYS_getppid);
  pause_for(50);
  say("done", asker.done);
  pthread_kill(holder.thread, SIGUSR1);
  say("asked", finish(&asker));
  end(crowd);
}

/* ── Ends that are not ───────────────────────────────────────────────────────────────────────────────────────────── */

/* The call of a stopped process has ended. What is reported of it when it goes on ends no other hold. */
static void stale_report(void) {
  struct worker holder;
  ask();
  pid_t child = fork();
  if (child == 0) {
    struct worker own;
    start_reported(&own, hold);
    shared[0] = 1;
    while (!shared[1]) pause_for(1);
    shared[2] = (int)release(&own);
    for (;;) pause_for(-1);
  }
  while (!shared[0]) pause_for(1);
  kill(child, SIGSTOP);
  waitpid(child, NULL, WUNTRACED);
  say("asked", ask());
  start_holder(&holder, hold);
  kill(child, SIGCONT);
  shared[1] = 1;
  while (shared[2] == 0) pause_for(1);
  say("holder is done", holder.done);
  say("asked", ask());
  say("held", release(&holder));
  say("asked", ask());
  end(child);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } scenarios[] = {
      {"traced-signal", traced_signal},     {"traced-end", traced_end},
      {"traced-death", traced_death},       {"frozen", frozen},
      {"ended-leader", ended_leader},       {"inherited-id", inherited_id},
      {"executed-waiter", executed_waiter}, {"exited-waiter", exited_waiter},
      {"stopped-waiter", stopped_waiter},   {"storm", storm},
      {"bystanders", bystanders},           {"stale-report", stale_report},
  };
  const char *which = argc > 1 ? argv[1] : "";
  setvbuf(stdout, NULL, _IONBF, 0);
  shared = shared_page();
  handle(SIGUSR1, nothing, 0);
  if (!strcmp(which, "holds")) return (int)hold();
  if (!strcmp(which, "sleeps"))
    for (;;) pause_for(-1);
  for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
    if (strcmp(which, scenarios[i].name) != 0) continue;
    scenarios[i].run();
    return 0;
  }
  return 64;
}
