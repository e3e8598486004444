// SPDX-License-Identifier: MIT
/*
 * rooms SCENARIO [reported], rooms memory THREADS ROUNDS, rooms uncontended ROUNDS: calls of two rooms (test/live/programs.ts).
 *
 * | room | side | call |
 * | --- | --- | --- |
 * | memory | write (exclusive) | process_vm_writev |
 * | | read | process_vm_readv |
 * | gate | sleep | clock_nanosleep, flock |
 * | | ask | getppid |
 * | | alone (exclusive) | getpgrp |
 *
 * Whether two calls overlap is seen without the supervisor. process_vm_readv copies page by page, without a lock, so one that
 * overlaps a process_vm_writev, and goes the other way, finds two values. A clock_nanosleep that does not end holds the gate for as long: a call of
 * another side that returns meanwhile has overlapped it.
 *
 * "reported": two threads contend first, so that the ends of the scenario's calls are reported.
 */
#include "rooms.h"
#include <setjmp.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/uio.h>

/* ── The gate ────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* A call of the same side returns during another; one of another side does not. */
static void sides(int reported) {
  struct worker holder, asker;
  if (reported) start_reported(&holder, hold);
  else start_holder(&holder, hold);
  say("same side", nap());
  /* /proc has no call of a thread that happens to run, as one does that is looked at. */
  for (int look = 0; reported && look < 100 && !is_reported(holder.tid); look++) pause_for(2);
  say("reported", is_reported(holder.tid));
  say("holder is done", holder.done);
  start_in(&asker, ask, SYS_getppid);
  pause_for(50);
  say("other side is done", asker.done);
  say("held", release(&holder));
  say("other side", finish(&asker));
}

static void sides_seen(void) { sides(0); }
static void sides_reported(void) { sides(1); }

/* None overtakes: a call of the holder's side waits behind one of the other. */
static void order(void) {
  struct worker holder, asker, napper;
  start_holder(&holder, hold);
  start_in(&asker, ask, SYS_getppid);
  /* /proc also shows the call while it waits for the listener's mutex, before it is in the queue (kernel/seccomp.c). */
  pause_for(50);
  start_in(&napper, nap, SYS_clock_nanosleep);
  pause_for(50);
  say("the other side is done", asker.done);
  say("the holder's side is done", napper.done);
  say("held", release(&holder));
  say("asked", finish(&asker));
  say("napped", finish(&napper));
}

/* The gate's time is short. */
static void late(void) {
  struct worker holder;
  start_holder(&holder, hold);
  say("first", ask());
  say("second", ask());
  say("holder is done", holder.done);
  say("held", release(&holder));
  say("third", ask());
}

static _Atomic int handled;
static void count_signal(int signal) {
  (void)signal;
  handled++;
}
/* A thread that has ended handles none. */
static void await_handler(const struct worker *own) {
  while (handled == 0 && !own->done) pause_for(1);
}

/*
 * A waiting call's signal is handled at once, and the call is made again. One that comes before the supervisor has received
 * the call ends it, unless the handler asks for a restart.
 */
static void interrupted_waiter(void) {
  struct worker holder, asker;
  for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
    handle(SIGUSR2, count_signal, flags);
    start_holder(&holder, hold);
    for (;;) {
      handled = 0;
      start_in(&asker, ask, SYS_getppid);
      pause_for(50);
      pthread_kill(asker.thread, SIGUSR2);
      await_handler(&asker);
      while (!asker.done && call_of(getpid(), asker.tid) != SYS_getppid) pause_for(1);
      if (!asker.done || asker.result != -EINTR || flags != 0) break;
      finish(&asker);
    }
    say("done", asker.done);
    say("held", release(&holder));
    say("asked", finish(&asker));
  }
}

/* The signal's handler waits for a call of the other side: the interrupted call holds nothing. */
static int wake[2];
static void await_other(int signal) {
  (void)signal;
  struct pollfd one = {.fd = wake[0], .events = POLLIN};
  while (poll(&one, 1, -1) <= 0) {
  }
  handled++;
}

static int locked;
static long lock(void) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", locked);
  int own = open(path, O_RDWR);
  long result = result_of(syscall(SYS_flock, own, LOCK_EX));
  close(own);
  return result;
}

static void interrupted_holder(void) {
  struct worker holder;
  if (pipe(wake) != 0) exit(3);
  for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
    locked = memfd_create("lock", 0);
    flock(locked, LOCK_EX);
    handled = 0;
    handle(SIGUSR2, await_other, flags);
    start_in(&holder, lock, SYS_flock);
    pthread_kill(holder.thread, SIGUSR2);
    say("asked", ask());
    say("handled", handled);
    if (write(wake[1], "", 1) != 1) exit(3);
    await_handler(&holder);
    if (flags != 0) await_call(getpid(), holder.tid, SYS_flock);
    char byte;
    if (read(wake[0], &byte, 1) != 1) exit(3);
    close(locked);
    /* Without a restart EINTR, or 0 where the signal came before the call began. */
    long held = finish(&holder);
    say("held", held == -EINTR && flags == 0 ? 0 : held);
    say("asked", ask());
  }
}

/* A handler leaves the call for good, and its thread makes no other call. */
static sigjmp_buf back;
static _Atomic int may_end;
static void leave(int signal) {
  (void)signal;
  siglongjmp(back, 1);
}
static long jump(void) {
  if (sigsetjmp(back, 1) == 0) return hold();
  handled++;
  while (!may_end) {
  }
  return ask();
}
static void jumped(int reported) {
  struct worker holder;
  handled = 0;
  handle(SIGUSR2, leave, 0);
  if (reported) start_reported(&holder, jump);
  else start_holder(&holder, jump);
  pause_for(50);
  pthread_kill(holder.thread, SIGUSR2);
  await_handler(&holder);
  say("asked", ask());
  may_end = 1;
  say("jumped", finish(&holder));
}

static void jumped_unseen(void) { jumped(0); }
static void jumped_reported(void) { jumped(1); }

/* It ends by its time limit. */
static void endless(void) {
  struct worker holder;
  start_holder(&holder, hold);
  ask();
}

/* A handler makes calls of the other side, and of both, itself. */
static void ask_inside(int signal) {
  (void)signal;
  int error = errno;
  if (ask() == 0 && nap() == 0 && alone() == 0) handled++;
  errno = error;
}
static void nested(void) {
  struct worker holder;
  handled = 0;
  handle(SIGUSR2, ask_inside, 0);
  start_holder(&holder, hold);
  pthread_kill(holder.thread, SIGUSR2);
  await_handler(&holder);
  /* A signal that comes before the call begins does not end it. */
  say("held", release(&holder));
  say("handled", handled);
  say("asked", ask());
}

/* ── Ends of processes ───────────────────────────────────────────────────────────────────────────────────────────── */

static pid_t fork_in(long (*call)(void), long number) {
  pid_t child = fork();
  if (child == 0) _exit(call() == 0 ? 0 : 9);
  await_call(child, child, number);
  return child;
}

static long await(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void killed_holder(void) {
  pid_t child = fork_in(hold, SYS_clock_nanosleep);
  struct worker asker;
  start_in(&asker, ask, SYS_getppid);
  say("done", asker.done);
  kill(child, SIGKILL);
  say("asked", finish(&asker));
  say("holder", await(child));
}

static void killed_waiter(void) {
  struct worker holder, asker;
  start_holder(&holder, hold);
  pid_t child = fork_in(ask, SYS_getppid);
  start_in(&asker, nap, SYS_clock_nanosleep);
  say("done", asker.done);
  kill(child, SIGKILL);
  say("waiter", await(child));
  say("napped", finish(&asker));
  say("held", release(&holder));
}

/* A holder's process ends by another thread's exit_group or execve. */
static long end_holder(const char *program) {
  pid_t child = fork();
  if (child == 0) {
    struct worker holder;
    start_holder(&holder, hold);
    if (program == NULL) _exit(0);
    execl(program, program, "sleep", NULL);
    _exit(1);
  }
  while (program == NULL && waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT) != 0) {
  }
  return child;
}

static void exited_holder(void) {
  pid_t child = (pid_t)end_holder(NULL);
  say("asked", ask());
  await(child);
}

static void executed_holder(void) {
  pid_t child = (pid_t)end_holder("/proc/self/exe");
  /* It sleeps in poll, so the holder is gone. */
  while (call_of(child, child) != SYS_poll) pause_for(1);
  say("asked", ask());
  kill(child, SIGKILL);
  await(child);
}

/* The child of a thread that forks while another holds has no hold. */
static void forked(void) {
  struct worker holder;
  int ends[2];
  if (pipe(ends) != 0) exit(3);
  start_holder(&holder, hold);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(ends[1]);
    if (read(ends[0], &byte, 1) < 0) _exit(2);
    _exit(ask() == 0 ? 0 : 9);
  }
  close(ends[0]);
  say("held", release(&holder));
  say("asked", ask());
  close(ends[1]);
  say("child", await(child));
}

/* An open(2), whose path the policy asks about, waits, and can be interrupted. */
static long open_null(void) {
  long file = result_of(syscall(SYS_open, "/dev/null", O_RDONLY));
  if (file >= 0) close((int)file);
  return file < 0 ? file : 0;
}
static void opened(void) {
  struct worker holder, opener;
  say("opened", open_null());
  handle(SIGUSR2, count_signal, SA_RESTART);
  start_holder(&holder, hold);
  pause_for(50);
  start_in(&opener, open_null, SYS_open);
  pause_for(50);
  pthread_kill(opener.thread, SIGUSR2);
  await_handler(&opener);
  pause_for(50);
  say("done", opener.done);
  say("held", release(&holder));
  say("opened", finish(&opener));
  say("napped", nap());
}

/* An open that enters no room, of a file that the supervisor can hold at once, returns while another call waits. */
static const char *own_file;
static long open_beside(void) {
  const long file = result_of(syscall(SYS_open, own_file, O_RDONLY));
  if (file >= 0) close((int)file);
  return file < 0 ? file : 0;
}
static void beside(void) {
  struct worker holder, asker;
  say("opened", open_beside());
  say("opened", open_beside());
  start_holder(&holder, hold);
  start_in(&asker, ask, SYS_getppid);
  pause_for(50);
  say("opened", open_beside());
  say("done", asker.done);
  say("held", release(&holder));
  say("asked", finish(&asker));
}

/* Opens that wait are killed. Each line of standard input lets the scenario continue. */
static void await_line(void) {
  char byte = 0;
  while (byte != '\n')
    if (read(0, &byte, 1) != 1) exit(3);
}
static void killed_openers(void) {
  enum { OPENERS = 100 };
  struct worker holder;
  pid_t openers[OPENERS];
  say("opened", open_null());
  start_holder(&holder, hold);
  await_line();
  for (int i = 0; i < OPENERS; i++) {
    openers[i] = fork();
    if (openers[i] < 0) exit(3);
    if (openers[i] == 0) _exit((int)open_null());
  }
  await_line();
  for (int i = 0; i < OPENERS; i++) kill(openers[i], SIGKILL);
  for (int i = 0; i < OPENERS; i++) await(openers[i]);
  say("napped", nap());
  await_line();
  say("held", release(&holder));
}

/* A process that may not be looked at. */
static void hidden(void) {
  prctl(PR_SET_DUMPABLE, 0);
  say("asked", ask());
}

/* Whether the gate is one for parent and child: 1 where the child is late. */
static long asked;
static int ask_in_child(void *unused) {
  (void)unused;
  asked = ask();
  return asked == 0 ? 0 : 1;
}
static void scopes(void) {
  static char stack[1 << 16];
  struct worker holder;
  start_holder(&holder, hold);
  pause_for(20);
  pid_t child = fork();
  if (child == 0) _exit(ask_in_child(NULL));
  say("a child of its own memory", await(child));
  child = clone(ask_in_child, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
  say("a child with its parent's memory", await(child));
  say("held", release(&holder));
}

/* A holder that is stopped has come back from its call. */
static void stopped_holder(void) {
  pid_t child = fork_in(hold, SYS_clock_nanosleep);
  kill(child, SIGSTOP);
  waitpid(child, NULL, WUNTRACED);
  say("asked", ask());
  kill(child, SIGCONT);
  while (call_of(child, child) != SYS_restart_syscall && call_of(child, child) != SYS_clock_nanosleep) pause_for(1);
  kill(child, SIGKILL);
  say("holder", await(child));
}

/* ── Memory ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

enum { PAGE = 4096, PAGES = 1024, REGION = PAGE * PAGES, MOST_THREADS = 64 };
static unsigned char *region;
static _Atomic long torn, failures, rounds_left;

static void *write_region(void *given) {
  unsigned char *own = malloc(REGION);
  struct iovec local = {own, REGION}, remote = {region, REGION};
  if (own == NULL) exit(3);
  memset(own, (int)(intptr_t)given, REGION);
  while (rounds_left-- > 0)
    if (syscall(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0) != REGION) failures++;
  free(own);
  return NULL;
}

static int is_torn(const unsigned char *copy) {
  for (int at = 0; at < REGION; at += PAGE)
    if (copy[at] != copy[0]) return 1;
  return 0;
}

static void *read_region(void *given) {
  (void)given;
  unsigned char *own = malloc(REGION);
  if (own == NULL) exit(3);
  struct iovec local = {own, REGION}, remote[PAGES];
  for (int i = 0; i < PAGES; i++) remote[i] = (struct iovec){region + PAGE * (PAGES - 1 - i), PAGE};
  while (rounds_left-- > 0) {
    if (syscall(SYS_process_vm_readv, getpid(), &local, 1, remote, PAGES, 0) != REGION) failures++;
    else torn += is_torn(own);
  }
  free(own);
  return NULL;
}

static void memory(int threads, long rounds) {
  pthread_t all[MOST_THREADS];
  region = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(region, 1, REGION);
  rounds_left = rounds;
  for (int i = 0; i < threads; i++)
    pthread_create(&all[i], NULL, i % 2 ? read_region : write_region, (void *)(intptr_t)(i + 1));
  for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
  say("torn", torn);
  say("failures", failures);
}

/* ── ─────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void uncontended(long rounds) {
  long failed = 0;
  for (long i = 0; i < rounds; i++) failed += ask() != 0;
  say("failed", failed);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  const char *which = argc > 1 ? argv[1] : "";
  long number = argc > 2 ? atol(argv[argc - 1]) : 0;
  own_file = argv[0];
  handle(SIGUSR1, nothing, 0);
  static const struct {
    const char *name;
    void (*run)(void);
  } scenarios[] = {
      {"sides", sides_seen},
      {"sides-reported", sides_reported},
      {"order", order},
      {"late", late},
      {"interrupted-waiter", interrupted_waiter},
      {"interrupted-holder", interrupted_holder},
      {"jumped", jumped_unseen},
      {"jumped-reported", jumped_reported},
      {"endless", endless},
      {"nested", nested},
      {"killed-holder", killed_holder},
      {"killed-waiter", killed_waiter},
      {"exited-holder", exited_holder},
      {"executed-holder", executed_holder},
      {"forked", forked},
      {"stopped-holder", stopped_holder},
      {"hidden", hidden},
      {"scopes", scopes},
      {"opened", opened},
      {"killed-openers", killed_openers},
      {"beside", beside},
  };
  if (!strcmp(which, "sleep")) {
    for (;;) pause_for(-1);
  }
  if (!strcmp(which, "memory")) {
    memory(atoi(argv[2]), number);
    return 0;
  }
  if (!strcmp(which, "uncontended")) {
    uncontended(number);
    return 0;
  }
  if (argc > 2 && !strcmp(argv[2], "reported")) contend();
  for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
    if (strcmp(which, scenarios[i].name) != 0) continue;
    scenarios[i].run();
    return 0;
  }
  return 64;
}
