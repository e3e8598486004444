// SPDX-License-Identifier: MIT
/*
 * reads SCENARIO: the pool of native/addon/pin/reads.c in moments that a confined program cannot choose. Each read waits until
 * the scenario opens its gate. The source is included, so a scenario can hold the pool's lock and read its state.
 */
#include "../../native/addon/pin/reads.c"

#include <semaphore.h>
#include <stdio.h>
#include <sys/eventfd.h>

enum { ANY_CALL = 7, GATES = 4 };
static sem_t gates[GATES];
static struct reads *pool;

/* The caller waits until the scenario ends. */
bool awaits_answer(int listener, uint64_t id) { return listener >= 0 && id != 0; }

/* No caller is traced here. */
int change_of(pid_t tid, int *status, bool waits) {
  (void)tid;
  (void)status;
  (void)waits;
  return -ECHILD;
}

static void say(const char *what, long value) { printf("%s: %ld\n", what, value); }

static long wait_at_gate(struct read *read) {
  while (sem_wait(&gates[read->address]) != 0) {
  }
  return 0;
}

static struct read *read_at(int gate) {
  const struct seccomp_notif call = {.id = ANY_CALL, .pid = 1};
  struct read *read = new_read(&call, (uint64_t)gate, 1);
  if (read == NULL) exit(3);
  read->process = 1;
  read->run = wait_at_gate;
  return read;
}

/* What the observer of the call does. */
static long ask(int gate) {
  unsigned char byte;
  return read_apart(pool, read_at(gate), &byte, NULL);
}

/* Returns 1 if the call comes back. */
static int comes_back(void) {
  struct seccomp_notif call;
  pid_t tid;
  return next_read(pool, &call, &tid) == CALL_COMES_BACK && call.id == ANY_CALL;
}

static void open_gate(int gate) {
  sem_post(&gates[gate]);
  pthread_mutex_lock(&pool->lock);
  for (struct read *one = pool->first; one != NULL; one = one->next)
    while (one->address == (uint64_t)gate && one->state != OVER) pthread_cond_wait(&pool->change, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
}

/* Both memories of the call arrive before the loop looks. */
static void both(void) {
  say("first", ask(0));
  say("second", ask(1));
  open_gate(0);
  open_gate(1);
  say("comes back", comes_back());
  say("first", ask(0));
  say("second", ask(1));
  say("comes back", comes_back());
}

/* The call waits for a judgement when the second memory arrives (src/engines/notify/waiting-calls.ts). */
static void deferred(void) {
  say("first", ask(0));
  say("second", ask(1));
  open_gate(0);
  say("comes back", comes_back());
  open_gate(1);
  say("comes back", comes_back());
  say("first", ask(0));
  say("second", ask(1));
}

static void in_turn(void) {
  say("first", ask(0));
  say("second", ask(1));
  open_gate(0);
  say("comes back", comes_back());
  say("first", ask(0));
  say("second", ask(1));
  say("comes back", comes_back());
  open_gate(1);
  say("comes back", comes_back());
  say("first", ask(0));
  say("second", ask(1));
  say("comes back", comes_back());
}

/* Two arguments of the call are the same pointer. The memory arrives between the two requests. */
static void same(void) {
  say("first", ask(0));
  open_gate(0);
  say("second", ask(0));
  say("comes back", comes_back());
  say("first", ask(0));
  say("second", ask(0));
  say("comes back", comes_back());
}

/* Two reads arrive before the idle thread runs, and the first one does not end. */
static void one_idle(void) {
  struct read *last = read_at(2);
  sem_post(&gates[0]);
  while (ask(0) != 0) {
  }
  pthread_mutex_lock(&pool->lock);
  while (pool->idle == 0) {
    pthread_mutex_unlock(&pool->lock);
    sched_yield();
    pthread_mutex_lock(&pool->lock);
  }
  submit(pool, read_at(1));
  submit(pool, last);
  say("threads", pool->readers);
  pthread_mutex_unlock(&pool->lock);
  if (pool->readers < 2) exit(0);
  sem_post(&gates[2]);
  pthread_mutex_lock(&pool->lock);
  while (last->state != OVER) pthread_cond_wait(&pool->change, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
  say("read", last->result);
}

int main(int count, char **words) {
  static const struct {
    const char *name;
    void (*run)(void);
  } scenarios[] = {
      {"both", both}, {"deferred", deferred}, {"in-turn", in_turn}, {"same", same}, {"one-idle", one_idle}};
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < GATES; i++) sem_init(&gates[i], 0, 0);
  pool = start_reads(eventfd(0, EFD_CLOEXEC));
  if (pool == NULL) return 3;
  for (size_t i = 0; count > 1 && i < sizeof scenarios / sizeof *scenarios; i++) {
    if (strcmp(words[1], scenarios[i].name) != 0) continue;
    scenarios[i].run();
    for (int gate = 0; gate < GATES; gate++) sem_post(&gates[gate]);
    end_reads(pool);
    return 0;
  }
  return 2;
}
