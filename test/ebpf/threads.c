// SPDX-License-Identifier: MIT
/*
 * Runs one BPF program in many threads concurrently, by BPF_PROG_TEST_RUN.
 *
 * The program is descriptor 3. Reads three 32-bit numbers (threads, runs of each thread, bytes of a context) and then
 * the contexts, thread by thread. Writes for each run, in the same order: its begin and end (CLOCK_MONOTONIC, ns, 64
 * bits each), the program's result (32 bits, and 32 of padding), and the final context.
 */
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { program = 3 };

struct outcome {
  uint64_t began, ended;
  uint32_t returned, padding;
};

static uint32_t threads, runs, size;
static unsigned char *contexts;
static struct outcome *outcomes;
static pthread_barrier_t start;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *run(void *argument) {
  const size_t first = (size_t)(uintptr_t)argument * runs;

  pthread_barrier_wait(&start);
  for (size_t index = first; index < first + runs; index++) {
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.test.prog_fd = program;
    attributes.test.ctx_in = (uint64_t)(uintptr_t)(contexts + index * size);
    attributes.test.ctx_size_in = size;
    outcomes[index].began = now();
    if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) != 0) fail("BPF_PROG_TEST_RUN");
    outcomes[index].ended = now();
    outcomes[index].returned = attributes.test.retval;
  }
  return NULL;
}

static void read_all(void *into, size_t length) {
  if (fread(into, 1, length, stdin) != length) fail("reading");
}

int main(void) {
  read_all(&threads, sizeof threads);
  read_all(&runs, sizeof runs);
  read_all(&size, sizeof size);

  const size_t all = (size_t)threads * runs;
  pthread_t *workers = calloc(threads, sizeof *workers);

  contexts = calloc(all, size);
  outcomes = calloc(all, sizeof *outcomes);
  if (workers == NULL || contexts == NULL || outcomes == NULL) fail("calloc");
  read_all(contexts, all * size);
  pthread_barrier_init(&start, NULL, threads);
  for (uint32_t thread = 0; thread < threads; thread++)
    if (pthread_create(&workers[thread], NULL, run, (void *)(uintptr_t)thread) != 0) fail("pthread_create");
  for (uint32_t thread = 0; thread < threads; thread++) pthread_join(workers[thread], NULL);
  for (size_t index = 0; index < all; index++)
    if (fwrite(&outcomes[index], sizeof outcomes[index], 1, stdout) != 1 ||
        fwrite(contexts + index * size, size, 1, stdout) != 1)
      fail("writing");
  return fflush(stdout) == 0 ? 0 : 1;
}
