// SPDX-License-Identifier: MIT
/*
 * rooms_expected SCENARIO: two threads contend for the gate (rooms.c) until the supervisor expects the next call of one to say
 * that the former has ended. Then that one disappoints it: it computes (spin), sleeps, ends, or goes on holding (hold).
 */
#include "rooms.h"

enum { CONTENDED = 400 };
static const char *which;
static _Atomic int contended, may_end;

static long disappoint(void) {
  long failed = 0;
  for (int i = 0; i < CONTENDED; i++) failed += nap() != 0;
  contended = 1;
  if (!strcmp(which, "hold")) return hold();
  if (!strcmp(which, "sleep"))
    while (!may_end) pause_for(1000);
  if (!strcmp(which, "spin"))
    while (!may_end) {
    }
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
