// SPDX-License-Identifier: MIT
/* bomb FORKERS LIMIT: threads that fork as fast as they can; never may more than LIMIT processes live. */
#include "victim.h"

static atomic_int *state; /* living children, most of them at once, made, refused */
static int limit;

static void *forker(void *unused) {
  (void)unused;
  for (int i = 0; i < 25; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      int now = atomic_fetch_add(&state[0], 1) + 1;
      int most = atomic_load(&state[1]);
      while (now > most && !atomic_compare_exchange_weak(&state[1], &most, now)) {
      }
      usleep(30000);
      atomic_fetch_sub(&state[0], 1);
      _exit(0);
    }
    atomic_fetch_add(&state[pid > 0 ? 2 : 3], 1);
    if (pid < 0) usleep(5000);
  }
  return NULL;
}

/* A place is free as soon as wait() has returned. */
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
  while (atomic_load(&state[0]) > 0) usleep(1000);
  int most = atomic_load(&state[1]) + 1;
  printf("bomb: %s, %s, %s\n", most <= limit ? "never too many" : "TOO MANY", most >= limit - 2 ? "nearly all places used" : "places unused",
         atomic_load(&state[3]) > 0 ? "some refused" : "none refused");
  if (most > limit || most < limit - 2) printf("most %d, made %d, refused %d\n", most, atomic_load(&state[2]), atomic_load(&state[3]));
  return 0;
}
