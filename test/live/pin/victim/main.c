// SPDX-License-Identifier: MIT
/*
 * pinned SCENARIO [ARGUMENT...]: a confined program for test/live/pin. The filter comes in PIN_FILTER as hexadecimal
 * digits; the number of its listener goes to descriptor 3, and a line on standard input says that the supervisor has it.
 * The scenario `run` executes a command.
 */
#include "pinned.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static unsigned char filter[8 * 4096];

void confine(void) {
  const char *digits = getenv("PIN_FILTER");
  size_t length = strlen(digits) / 2;
  for (size_t i = 0; i < length; i++) {
    unsigned byte;
    sscanf(digits + 2 * i, "%2x", &byte);
    filter[i] = (unsigned char)byte;
  }
  struct sock_fprog program = {(unsigned short)(length / 8), (struct sock_filter *)(void *)filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  if (getenv("PIN_KILLABLE")[0] != 0) flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (listener < 0) {
    perror("seccomp");
    exit(2);
  }
  char text[16], answer;
  int count = snprintf(text, sizeof text, "%ld", listener);
  if (write(3, text, (size_t)count) != count || read(0, &answer, 1) != 1) exit(2);
  close((int)listener);
  close(3);
}

void make_file(const char *name, char content) {
  int file = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
  if (file < 0 || write(file, &content, 1) != 1) {
    perror(name);
    exit(2);
  }
  close(file);
}

static struct {
  struct flip flips[8];
  int count;
  atomic_int stop;
  pthread_t thread;
} flipping;

static void *flip_all(void *unused) {
  (void)unused;
  for (unsigned turn = 0; !flipping.stop; turn++) {
    for (int i = 0; i < flipping.count; i++)
      *flipping.flips[i].at = turn & 1 ? flipping.flips[i].other : flipping.flips[i].one;
    for (volatile int pause = 0; pause < 300; pause++) {
    }
  }
  return NULL;
}

void begin_flipping(struct flip *flips, int count) {
  memcpy(flipping.flips, flips, (size_t)count * sizeof *flips);
  flipping.count = count;
  flipping.stop = 0;
  pthread_create(&flipping.thread, NULL, flip_all, NULL);
}

void end_flipping(void) {
  flipping.stop = 1;
  pthread_join(flipping.thread, NULL);
}

void count_result(struct tally *tally, long error) {
  if (error == -EACCES) {
    tally->denied++;
  } else if (error == -EINTR) {
    tally->interrupted++;
  } else {
    tally->other++;
    tally->last_other = error;
  }
}

void print_tally(const struct tally *tally) {
  printf("allowed: %ld\nforbidden: %ld\ndenied: %ld\ninterrupted: %ld\nother: %ld\nlast other: %ld\n", tally->allowed,
         tally->forbidden, tally->denied, tally->interrupted, tally->other, tally->last_other);
}

int main(int count, char **words) {
  if (count < 2) return 2;
  if (strcmp(words[1], "run") == 0 && count > 2) {
    confine();
    execvp(words[2], words + 2);
    perror(words[2]);
    return 127;
  }
  int result = race_scenario(words[1], words + 2);
  if (result < 0) result = signal_scenario(words[1], words + 2);
  if (result < 0) result = neighbour_scenario(words[1], words + 2);
  if (result < 0) result = birth_scenario(words[1], words + 2);
  if (result < 0) result = window_scenario(words[1], words + 2);
  if (result < 0) result = leftover_scenario(words[1], words + 2);
  if (result < 0) result = file_server_scenario(words[1], words + 2);
  if (result < 0) fprintf(stderr, "no scenario %s\n", words[1]);
  fflush(NULL);
  return result < 0 ? 2 : result;
}
