/* SPDX-License-Identifier: MIT */
/* Reads of a caller's memory that may never end, made by threads of a pool (reads.c). */
#ifndef READS_H
#define READS_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

enum read_state { WAITS, RUNS, OVER };

struct read {
  struct read *next;
  uint64_t id;
  struct seccomp_notif call;
  pid_t process;
  enum read_state state;
  bool is_parked;    /* the loop does not wait for it: its call comes back */
  bool is_delivered; /* it has come back */
  bool has_expired;  /* its result is -ETIMEDOUT, although it may still run */
  pid_t stopped;     /* of a write: the caller, which stays stopped until it ends; 0: it is waited for */
  uint64_t deadline;
  long (*run)(struct read *read); /* in a thread of the pool */
  uint64_t address;
  size_t size, most;
  long result;
  uint32_t *starts;
  unsigned char bytes[];
};

static inline void free_read(struct read *read) {
  free(read->starts);
  free(read);
}

struct reads;

/* NULL with errno. */
struct reads *start_reads(int listener);
void end_reads(struct reads *own);
/* Can be read when a call comes back. */
int reads_timer(const struct reads *own);

/* NULL: no memory. `size` bytes can be read into. */
struct read *new_read(const struct seccomp_notif *call, uint64_t address, size_t size);
/*
 * Makes the read, which it takes over. -EINPROGRESS: the call comes back, and is to ask for the same again. -ETIMEDOUT: its
 * time is over, or too many wait.
 */
long read_apart(struct reads *own, struct read *read, unsigned char *into, uint32_t *starts);
/*
 * The same for a write to a stopped caller, for which the loop waits. -ETIMEDOUT: it has not begun. -EINPROGRESS: it can
 * still come to be written, so the caller is to stay stopped until `next_read` says that it need not.
 */
long write_apart(struct reads *own, struct read *frame);

enum next_read { NO_READ, CALL_COMES_BACK, CALLER_MAY_GO };
/* With `into` or `tid`. */
enum next_read next_read(struct reads *own, struct seccomp_notif *into, pid_t *tid);
/* Waits so long, -1 for ever: false where a call comes back first, or nothing comes. At once where no call is set aside. */
bool is_question_first(struct reads *own, int milliseconds);

#endif
