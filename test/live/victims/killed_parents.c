// SPDX-License-Identifier: MIT
/*
 * killed_parents CASE ROUNDS: processes that make children in every way, without a pause, and are killed at any moment of it,
 * also between the birth of a child and the event that names it. `programs.ts` has the policies.
 *
 * states  parent I has the tally I, so its children have it, too. In each round two parents die at once. Prints the children
 *         with another tally.
 * signals the same, and each parent gets a signal every 0.2 ms.
 * places  a policy permits 20 processes. In each round all parents die. When a wait has returned them and their children, 19
 *         forks must pass. Prints the refused ones.
 */
#include "victim.h"
#include <linux/sched.h>
#include <sys/prctl.h>

enum { PARENTS = 6, LIMIT = 20 };

static struct {
  _Atomic long right, wrong;
} *counts;

static long make_clone3(void) {
  struct clone_args how = {.exit_signal = SIGCHLD};
  return result_of(syscall(SYS_clone3, &how, sizeof how));
}

/* The last argument is ignored by the kernel; a supervisor that took it for a mark of a fork could be deceived by it. */
static long make_clone(unsigned long flags, long mark) {
  return result_of(syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0, mark));
}

static void child_life(int kind, int depth, unsigned random);

/* In the memory of its parent, which may be killed meanwhile. */
struct shared_life {
  int kind;
};
static int shared_life(void *argument) {
  child_life(((struct shared_life *)argument)->kind, 2, 0);
  return 0;
}

/* Makes a child in some way. A refusal (clone3 where its memory is not read) has no effect. */
static void make(int kind, int depth, unsigned random) {
  static char stack[16384] __attribute__((aligned(16)));
  struct shared_life life = {kind};
  long pid;
  switch (random % 6) {
    case 0:
      pid = result_of(syscall(SYS_fork));
      break;
    case 1:
      pid = make_clone(CLONE_PARENT, (long)random);
      break;
    case 2:
      pid = make_clone3();
      break;
    case 3:
      pid = clone(shared_life, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &life);
      break;
    case 4:
      pid = result_of(syscall(SYS_fork, 0, 0, 0, 0, 0, (long)random));
      break;
    default:
      pid = make_clone(CLONE_FILES, (long)(random ^ 1));
      break;
  }
  if (pid == 0) {
    child_life(kind, depth, random);
    _exit(0);
  }
}

static void child_life(int kind, int depth, unsigned random) {
  if (depth < 2 && (random >> 8) % 4 == 0) make(kind, depth + 1, random >> 3);
  if (tally() == kind) counts->right++;
  else counts->wrong++;
}

static void *make_in_thread(void *argument) {
  make(*(int *)argument, 1, 0);
  return NULL;
}

static void parent(int kind, int has_signals) {
  for (int i = 0; i < kind; i++) add_one();
  unsigned random = (unsigned)getpid();
  if (has_signals) begin_storm(200, 0);
  for (;;) {
    random = random * 1103515245 + 12345;
    if ((random >> 20) % 16 == 0) {
      pthread_t thread;
      if (pthread_create(&thread, NULL, make_in_thread, &kind) == 0) pthread_join(thread, NULL);
    } else {
      make(kind, 0, random >> 8);
    }
    storm_let_through();
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) {
    }
  }
}

/* A fork is repeated if the limit refuses it. */
static pid_t start(int kind, int has_signals) {
  for (;;) {
    const pid_t pid = fork();
    if (pid == 0) parent(kind, has_signals);
    if (pid > 0) return pid;
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) {
    }
    usleep(1000);
  }
}

static void end(pid_t pid) {
  if (pid > 0) kill(pid, SIGKILL);
}

static void states(const char *name, int rounds, int has_signals) {
  pid_t parents[PARENTS];
  unsigned random = 9;
  for (int i = 0; i < PARENTS; i++) parents[i] = start(i, has_signals);
  /* On a busy machine no child may have ended yet: then the parents live longer. */
  for (int round = 0; round < rounds || (counts->right == 0 && round < 10 * rounds); round++) {
    random = random * 1103515245 + 12345;
    usleep((random >> 16) % (round < rounds ? 3000 : 100000));
    const int first = (int)((random >> 9) % PARENTS),
              second = (int)(((unsigned)first + 1 + (random >> 4) % (PARENTS - 1)) % PARENTS);
    end(parents[first]);
    end(parents[second]);
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) {
    }
    parents[first] = start(first, has_signals);
    parents[second] = start(second, has_signals);
  }
  for (int i = 0; i < PARENTS; i++) end(parents[i]);
  while (waitpid(-1, NULL, __WALL) > 0) {
  }
  printf("%s: %ld wrong, %s right\n", name, counts->wrong, counts->right > 0 ? "some" : "none");
}

static void places(int rounds) {
  unsigned random = 9;
  int refused = 0;
  for (int round = 0; round < rounds; round++) {
    pid_t parents[PARENTS], filling[LIMIT];
    for (int i = 0; i < PARENTS; i++) parents[i] = start(0, 0);
    random = random * 1103515245 + 12345;
    usleep((random >> 16) % 20000);
    for (int i = 0; i < PARENTS; i++) end(parents[i]);
    /* Their children become ours. */
    while (waitpid(-1, NULL, __WALL) > 0) {
    }
    int made = 0;
    for (; made < LIMIT - 1; made++) {
      filling[made] = fork();
      if (filling[made] == 0) {
        pause();
        _exit(0);
      }
      if (filling[made] < 0) break;
    }
    refused += made < LIMIT - 1;
    for (int i = 0; i < made; i++) end(filling[i]);
    while (waitpid(-1, NULL, __WALL) > 0) {
    }
  }
  printf("places: %d refused\n", refused);
}

int main(int argc, char **argv) {
  const char *which = argc > 1 ? argv[1] : "";
  const int rounds = argc > 2 ? atoi(argv[2]) : 100;
  counts = shared_page();
  setvbuf(stdout, NULL, _IONBF, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (!strcmp(which, "states")) states(which, rounds, 0);
  else if (!strcmp(which, "signals")) states(which, rounds, 1);
  else if (!strcmp(which, "places")) places(rounds);
  else return 2;
  return 0;
}
