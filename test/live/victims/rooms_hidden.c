// SPDX-License-Identifier: MIT
/*
 * rooms_hidden SCENARIO: holders of the gate (rooms.c) that become invisible to a supervisor without CAP_SYS_PTRACE, or that
 * take its descriptors, and keep the gate from others.
 */
#include "parent.h"
#include "rooms.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static _Atomic int *shared;

static void hide(void) {
  if (prctl(PR_SET_DUMPABLE, 0) != 0) exit(3);
}

static void sleep_for_ever(void) {
  for (;;) pause_for(-1);
}

static void compute_for_ever(void) {
  for (;;) continue;
}

static void end(const char *name, pid_t child) {
  int status = 0;
  if (name == NULL) kill(child, SIGKILL);
  waitpid(child, &status, 0);
  if (name != NULL) say(name, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static void await_step(int step) {
  while (shared[0] < step) pause_for(1);
}

/* It hides after its call, and makes no other call about which the filter asks, or one that would hold the gate again. */
static void hidden_after(void (*remain)(void), int again) {
  pid_t child = fork();
  if (child == 0) {
    nap();
    hide();
    if (again) shared[1] = (int)nap();
    shared[0] = 1;
    remain();
  }
  await_step(1);
  if (again) say("napped", shared[1]);
  say("asked", ask());
  end(NULL, child);
}
static void sleeper(void) { hidden_after(sleep_for_ever, 0); }
static void computer(void) { hidden_after(compute_for_ever, 0); }
static void again(void) { hidden_after(compute_for_ever, 1); }

/* Another thread hides the process while the call lasts. */
static void hidden_within(int isReported) {
  pid_t child = fork();
  if (child == 0) {
    struct worker holder;
    if (isReported) start_reported(&holder, hold);
    else start_holder(&holder, hold);
    hide();
    shared[0] = 1;
    sleep_for_ever();
  }
  await_step(1);
  say("asked", ask());
  end(NULL, child);
}
static void within(void) { hidden_within(0); }
static void within_reported(void) { hidden_within(1); }

/* Nobody stops a thread that can be seen all the time. */
static void held(void) {
  struct worker holder;
  start_holder(&holder, hold);
  hide();
  say("asked", ask());
  say("held", release(&holder));
}

/* The call that hides the process is itself in the gate (prctl of the program rooms-hiding). */
static void hiding(void) {
  pid_t child = fork();
  if (child == 0) {
    nap();
    hide();
    shared[0] = 1;
    sleep_for_ever();
  }
  await_step(1);
  say("asked", ask());
  end(NULL, child);
}

/* Another process with the same memory does. */
static int hide_shared(void *given) {
  (void)given;
  hide();
  return 0;
}
static void hidden_by_other(void (*remain)(void)) {
  static char stack[1 << 16] __attribute__((aligned(16)));
  pid_t child = fork();
  if (child == 0) {
    nap();
    pid_t other = clone(hide_shared, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
    if (other < 0) exit(3);
    waitpid(other, NULL, 0);
    shared[0] = 1;
    remain();
  }
  await_step(1);
  say("asked", ask());
  end("holder", child);
  say("asked", ask());
}
static void other_sleeps(void) { hidden_by_other(sleep_for_ever); }
static void other_computes(void) { hidden_by_other(compute_for_ever); }

/* A signal stops it: everybody sees that. */
static void stopped(void) {
  static char stack[1 << 16] __attribute__((aligned(16)));
  pid_t child = fork();
  if (child == 0) {
    nap();
    pid_t other = clone(hide_shared, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
    if (other < 0) exit(3);
    waitpid(other, NULL, 0);
    raise(SIGSTOP);
    shared[0] = 1;
    sleep_for_ever();
  }
  waitpid(child, NULL, WUNTRACED);
  say("asked", ask());
  kill(child, SIGCONT);
  await_step(1);
  end(NULL, child);
}

/* The supervisor has no descriptor to look with. */
static void blind(void (*remain)(void)) {
  const struct rlimit nothing = {0, 0};
  contend();
  ask();           /* the supervisor knows this thread and its window */
  pause_for(1500); /* and the gate is not contended any more */
  pid_t child = fork();
  if (child == 0) {
    nap();
    shared[0] = 1;
    remain();
  }
  await_step(1);
  if (prlimit(parent_of(find_launcher(getpid())), RLIMIT_NOFILE, &nothing, NULL) != 0) exit(3);
  say("asked", ask());
  end(NULL, child);
}
static void blind_sleeps(void) { blind(sleep_for_ever); }
static void blind_computes(void) { blind(compute_for_ever); }

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } scenarios[] = {
      {"sleeper", sleeper},
      {"computer", computer},
      {"again", again},
      {"within", within},
      {"within-reported", within_reported},
      {"held", held},
      {"hiding", hiding},
      {"other-sleeps", other_sleeps},
      {"other-computes", other_computes},
      {"stopped", stopped},
      {"blind-sleeps", blind_sleeps},
      {"blind-computes", blind_computes},
  };
  setvbuf(stdout, NULL, _IONBF, 0);
  shared = shared_page();
  handle(SIGUSR1, nothing, 0);
  for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
    if (argc < 2 || strcmp(argv[1], scenarios[i].name) != 0) continue;
    scenarios[i].run();
    return 0;
  }
  return 64;
}
