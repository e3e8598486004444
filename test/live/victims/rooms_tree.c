// SPDX-License-Identifier: MIT
/*
 * rooms_tree SCENARIO: processes that are made, end and wait for the gate (rooms.c) while a thread holds it. The policy follows
 * forks and allows MOST living processes.
 */
#include "rooms.h"
#include <stdint.h>

enum { MOST = 24, CHILDREN = 6 };
/* Counts for all processes. */
static _Atomic int *shared;

static long await(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The tree grows while the gate is held: all that were made wait. */
static void grow(void) {
  struct worker holder;
  pid_t children[CHILDREN];
  long failed = 0;
  start_holder(&holder, hold);
  for (int i = 0; i < CHILDREN; i++) {
    children[i] = fork();
    if (children[i] != 0) continue;
    pid_t own = fork();
    long asked = own < 0 ? -1 : ask();
    shared[0]++;
    if (own > 0 && await(own) != 0) asked = -1;
    _exit(asked == 0 ? 0 : 9);
  }
  pause_for(100);
  say("done", shared[0]);
  say("held", release(&holder));
  for (int i = 0; i < CHILDREN; i++) failed += await(children[i]) != 0;
  say("failed", failed);
  say("done", shared[0]);
}

/* The holder forks in a signal's handler: the child holds nothing, and neither does its parent any more. */
static _Atomic pid_t made;
static void fork_inside(int signal) {
  (void)signal;
  pid_t child = fork();
  if (child == 0) _exit(ask() == 0 && alone() == 0 ? 0 : 9);
  made = child;
}
static void fork_in_holder(void) {
  struct worker holder;
  handle(SIGUSR2, fork_inside, 0);
  start_holder(&holder, hold);
  pthread_kill(holder.thread, SIGUSR2);
  while (made == 0) pause_for(1);
  say("child", await(made));
  say("held", release(&holder));
  say("asked", ask());
}

/* Each process makes three, as deep as that goes, and waits then. */
enum { LIVING, MOST_LIVING, MADE, ASKED, REFUSED };
static void make_children(int depth) {
  for (int i = 0; i < 3; i++) {
    pid_t child = fork();
    if (child > 0) continue;
    if (child < 0) {
      shared[REFUSED]++;
      continue;
    }
    int living = ++shared[LIVING];
    for (int most = shared[MOST_LIVING]; living > most;)
      if (atomic_compare_exchange_strong(&shared[MOST_LIVING], &most, living)) break;
    shared[MADE]++;
    if (depth > 0) make_children(depth - 1);
    if (ask() == 0) shared[ASKED]++;
    shared[LIVING]--;
    _exit(0);
  }
}
static void bomb(void) {
  struct worker holder;
  start_holder(&holder, hold);
  make_children(3);
  while (shared[REFUSED] == 0) pause_for(1);
  pause_for(100);
  say("early", shared[ASKED]);
  say("held", release(&holder));
  while (shared[LIVING] > 0) pause_for(1);
  while (wait(NULL) > 0) {
  }
  say("too many", shared[MOST_LIVING] >= MOST);
  say("all asked", shared[ASKED] == shared[MADE]);
  /* Children that have ended make room. */
  pid_t child;
  while ((child = fork()) < 0) pause_for(1);
  if (child == 0) _exit(ask() == 0 ? 0 : 9);
  say("child", await(child));
}

/* The parent of one that waits is killed. */
static void orphan(void) {
  struct worker holder;
  start_holder(&holder, hold);
  pid_t parent = fork();
  if (parent == 0) {
    if (fork() == 0) {
      shared[0] = (int)syscall(SYS_gettid);
      shared[1] = ask() == 0 ? 1 : 2;
      _exit(0);
    }
    for (;;) pause_for(-1);
  }
  while (shared[0] == 0) pause_for(1);
  await_call(shared[0], shared[0], SYS_getppid);
  kill(parent, SIGKILL);
  say("parent", await(parent));
  pause_for(50);
  say("asked", shared[1]);
  say("held", release(&holder));
  while (shared[1] == 0) pause_for(1);
  say("asked", shared[1]);
}

/* Processes that enter all sides are killed at any moment, also as holders and as waiters. */
static void massacre(void) {
  pid_t children[CHILDREN] = {0};
  unsigned random = 1;
  for (int round = 0; round < 200; round++) {
    random = random * 1103515245 + 12345;
    pid_t *one = &children[random / 65536 % CHILDREN];
    if (*one > 0) {
      kill(*one, SIGKILL);
      await(*one);
    }
    *one = fork();
    if (*one == 0) {
      for (unsigned own = random;; own = own * 1103515245 + 12345) {
        unsigned which = own / 65536 % 3;
        if (which == 0) ask();
        else if (which == 1) sleep_for(0, 100000);
        else alone();
      }
    }
    if (*one < 0) shared[0]++;
  }
  for (int i = 0; i < CHILDREN; i++)
    if (children[i] > 0) {
      kill(children[i], SIGKILL);
      await(children[i]);
    }
  say("asked", ask());
  say("napped", nap());
  say("alone", alone());
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  const char *which = argc > 1 ? argv[1] : "";
  shared = shared_page();
  handle(SIGUSR1, nothing, 0);
  if (!strcmp(which, "grow")) grow();
  else if (!strcmp(which, "fork-in-holder")) fork_in_holder();
  else if (!strcmp(which, "bomb")) bomb();
  else if (!strcmp(which, "orphan")) orphan();
  else if (!strcmp(which, "massacre")) massacre();
  else return 64;
  return 0;
}
