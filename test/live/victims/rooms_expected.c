// SPDX-License-Identifier: MIT
/*
 * rooms_expected SCENARIO: two threads contend for the gate (rooms.c) until the supervisor expects the next call of one to say
 * that the former has ended. Then that one disappoints it: it computes (spin), also where it gets hardly any processor time
 * (starved), sleeps, ends, or goes on holding (hold).
 */
#include "rooms.h"
#include <sched.h>

enum { CONTENDED = 400 };
static const char *which;
static _Atomic int contended, has_stopped, may_end;

static long spin(void) {
  while (!may_end) {
  }
  return 0;
}

/* The calling thread shares its processor with one that does not rest, and comes behind it: it takes long to stop. */
static void starve(void) {
  static struct worker other;
  cpu_set_t all, one;
  if (sched_getaffinity(0, sizeof all, &all) != 0) abort();
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) abort();
  start(&other, spin); /* on the same processor */
  const struct sched_param lowest = {0};
  if (sched_setscheduler(0, SCHED_IDLE, &lowest) != 0) abort();
}

static long disappoint(void) {
  long failed = 0;
  for (int i = 0; i < CONTENDED; i++) failed += nap() != 0;
  if (!strcmp(which, "starved")) starve();
  contended = 1;
  /* The other thread's last call would wait for the hold. No call of this thread comes before it. */
  if (!strcmp(which, "hold")) {
    while (!has_stopped) {
    }
    return hold();
  }
  if (!strcmp(which, "sleep"))
    while (!may_end) pause_for(1000);
  if (!strcmp(which, "spin") || !strcmp(which, "starved")) spin();
  return failed;
}

int main(int argc, char **argv) {
  struct worker other, asker;
  long failed = 0;
  setvbuf(stdout, NULL, _IONBF, 0);
  which = argc > 1 ? argv[1] : "";
  handle(SIGUSR1, nothing, 0);
  start(&other, disappoint);
  while (!contended) failed += ask() != 0;
  has_stopped = 1;
  say("failed", failed);
  if (!strcmp(which, "hold")) {
    while (call_of(getpid(), other.tid) != SYS_clock_nanosleep) pause_for(1);
    pause_for(100);
    start_in(&asker, ask, SYS_getppid);
    pause_for(100);
    say("asked early", asker.done);
    say("held", release(&other));
    say("asked", finish(&asker));
    return 0;
  }
  for (int i = 0; i < 20; i++) failed += ask() != 0;
  say("asked", failed);
  may_end = 1;
  say("other", finish(&other));
  return 0;
}
