/* SPDX-License-Identifier: MIT */
/* Reads of a caller's memory that may never end, in threads of a pool: reads.c describes why and how. */
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
  bool is_parked;    /* the loop does not wait for it; its call comes back */
  bool is_delivered; /* its call has come back since its observer last asked for it */
  bool has_expired;  /* its result is -COPY_STALLED, although it may still run */
  pid_t stopped;     /* of a write: the caller, which stays stopped until the write ends; 0: the loop waits for it */
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

/* Returns NULL with errno if it fails. */
struct reads *start_reads(int listener);
void end_reads(struct reads *self);
/* A descriptor that is readable when a call comes back. */
int reads_timer(const struct reads *self);

/* Makes a read with a buffer of `size` bytes; NULL without memory. */
struct read *new_read(const struct seccomp_notif *call, uint64_t address, size_t size);
/*
 * Makes the read, and takes it over. -COPY_UNDER_WAY: the call comes back, and its observer must then ask for the same read
 * again, and for all others of the call. -COPY_STALLED: its time is over, or too many reads wait.
 */
long read_apart(struct reads *self, struct read *read, unsigned char *into, uint32_t *starts);
/*
 * The same for a write to a stopped caller, for which the loop waits longer. -COPY_STALLED: too many writes wait.
 * -COPY_UNDER_WAY: the write may still happen, so the caller must stay stopped until `next_read` returns CALLER_MAY_GO.
 */
long write_apart(struct reads *self, struct read *frame);

enum next_read { NO_READ, CALL_COMES_BACK, CALLER_MAY_GO };
/* CALL_COMES_BACK sets *into, CALLER_MAY_GO sets *tid. */
enum next_read next_read(struct reads *self, struct seccomp_notif *into, pid_t *tid);
/* Waits for a notification, as `pin_awaits_notification`. Returns true at once if no call is parked. */
bool is_question_first(struct reads *self, int milliseconds);

#endif
