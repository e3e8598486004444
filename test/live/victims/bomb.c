// SPDX-License-Identifier: MIT
/*
 * bomb FORKERS LIMIT: threads fork as fast as they can; at most LIMIT processes may live at once. Children wait until
 * that number was reached and one more was denied, or until all threads have finished; later children exit at once.
 */
#include "victim.h"

static struct {
  atomic_int living, most, made, refused, over; /* living children, and most of them at once */
} *state;
static int limit;

static void *forker(void *unused) {
  (void)unused;
  for (int i = 0; i < 25; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      int now = atomic_fetch_add(&state->living, 1) + 1;
      int most = atomic_load(&state->most);
      while (now > most && !atomic_compare_exchange_weak(&state->most, &most, now)) {
      }
      while (!state->over && (state->most < limit - 1 || state->refused == 0)) usleep(1000);
      usleep(30000);
      atomic_fetch_sub(&state->living, 1);
      _exit(0);
    }
    atomic_fetch_add(pid > 0 ? &state->made : &state->refused, 1);
    if (pid < 0) usleep(5000);
  }
  return NULL;
}

/* A process is no longer counted as soon as wait() has returned. */
static int places(void) {
  pid_t children[64];
  int count = 0;
  while (count < 64 && (children[count] = fork()) > 0) count++;
  if (count < 64 && children[count] == 0) {
    pause();
    _exit(0);
  }
  int failed = 0;
  for (int i = 0; i < 100; i++) {
    kill(children[0], SIGKILL);
    waitpid(children[0], NULL, 0);
    pid_t pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    failed += pid < 0;
    if (pid > 0) children[0] = pid;
  }
  for (int i = 0; i < count; i++) kill(children[i], SIGKILL);
  printf("places: %d children, %d refused after a wait\n", count, failed);
  return 0;
}

int main(int argc, char **argv) {
  int forkers = argc > 1 ? atoi(argv[1]) : 64;
  limit = argc > 2 ? atoi(argv[2]) : 20;
  state = shared_page();
  if (forkers == 0) return places();
  signal(SIGCHLD, SIG_IGN);
  pthread_t threads[256];
  for (int i = 0; i < forkers; i++) pthread_create(&threads[i], NULL, forker, NULL);
  for (int i = 0; i < forkers; i++) pthread_join(threads[i], NULL);
  state->over = 1;
  while (atomic_load(&state->living) > 0) usleep(1000);
  int most = atomic_load(&state->most) + 1;
  printf("bomb: %s, %s, %s\n", most <= limit ? "never too many" : "TOO MANY",
         most >= limit ? "all places used" : "places unused", state->refused > 0 ? "some refused" : "none refused");
  if (most != limit) printf("most %d, made %d, refused %d\n", most, state->made, state->refused);
  return 0;
}
