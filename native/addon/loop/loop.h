/* SPDX-License-Identifier: MIT */
/* The supervisor's loop for one tree: waits for a notification, and handles those that need no judgement by JavaScript. */
#ifndef LOOP_H
#define LOOP_H

#include <js_native_api_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MAXIMUM_DEATHS = 64,
  CALLS = 1024, /* call numbers are below */
};

/* Offsets in the policy's memory, whose layout src/backend/wasm defines (struct seccomp_notif comes first). */
enum {
  NOTIFICATION = 0,
  RESPONSE = 80,
  NOW = 104,
  CALLER_TID = 124,
  JUDGEMENT_END = 144,
};

struct executor;
struct sock_filter;
struct keeper;
struct text_filter;

/* The text filter of a tree, and a reference to the array of its counts. */
struct texts {
  struct text_filter *filter; /* NULL: JavaScript judges all calls */
  napi_ref words;
};

struct loop {
  unsigned char *memory;             /* what a step reads and writes; NULL: not started */
  unsigned char *shared;             /* the policy's memory */
  unsigned char copy[JUDGEMENT_END]; /* with a thread, `memory` is this, because trees can share the policy's memory */
  uint32_t *deaths;
  int listener;
  int epoll;
  struct pins *pins;       /* NULL: no argument is read */
  struct objects *objects; /* NULL: no object is served */
  struct texts texts;
  int kept_passes; /* a kept task's call of this number passes in `next`; -1: none */
  int keeping;   /* an epoll descriptor that watches all that `next` waits for while tasks are kept (kept.h); else -1 */
  int listening; /* an epoll descriptor that watches the listener, for kernels whose RECV outlives the tree; else -1 */
  int wake;      /* an eventfd; while it is readable, no wait for a notification begins. -1: none */
  unsigned char passes[CALLS]; /* prepared calls of this number pass in `next` */
  struct sock_filter *filter;  /* calls that it allows pass in `next`; NULL: the kernel has let them pass */
  struct executor *thread;     /* runs all that can trace or wait; NULL: the thread of JavaScript does */
  struct keeper *keeper;       /* NULL: it keeps no task (kept.h) */
  bool has_stops;              /* with a thread: that has taken them */
  napi_ref memory_reference;
  napi_ref deaths_reference;
};

void initialise_loop(struct loop *self);
void release_loop(struct loop *self);
/* False with errno if the tree's descriptors cannot be watched. */
bool watch_listener(struct loop *self);
/* Begins with kept tasks (kept.h). Returns 0 or a negative errno. */
int watch_stops(struct loop *self, int event, int epoll, const unsigned char *filter, size_t size, int passes);
/* Whether a tracee may have stopped or ended since the last time. */
bool take_stops_of(struct loop *self);
/* The same, in the tree's thread, which no later step may lose. */
void note_stops(struct loop *self);
/* The number of watched tasks that have ended, at most MAXIMUM_DEATHS, whose keys are in `deaths`. */
int collect_deaths(struct loop *self);

struct step {
  bool answer; /* sends the response in the memory first */
  bool waits;
  bool judges;      /* the text filter may allow calls, and `kept_passes` applies */
  bool is_received; /* the notification is in the memory */
};

/* Sends the response in this memory, a policy's or its copy. */
void send_answer(struct loop *self, const unsigned char *memory);
/* Returns what `next` of loop_node.c returns. It reads RESPONSE, and writes NOTIFICATION, NOW and CALLER_TID. */
int take_step(struct loop *self, struct step step);
/* Whether a wait needs the tree's thread: it has tracees, or more than a notification ends it. */
bool needs_thread(const struct loop *self);
/*
 * A step in the thread of JavaScript, with at most one notification and without a wait. -EINPROGRESS: it is not over. Then it
 * waits for a notification again, or, if this has set `is_received`, the tree's thread takes it.
 */
int try_step(struct loop *self, struct step *step);

#endif
