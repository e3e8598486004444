/* SPDX-License-Identifier: MIT */
/*
 * Declarations that the files of pinned calls share: the known threads (threads.c), the notifications (notifications.c),
 * the calls that a stopped caller makes for its window (own_calls.c), calls that are answered without a pin (answers.c,
 * results.c), and the protocol (pin.c). pin.h is the interface.
 */
#ifndef PINS_H
#define PINS_H

#include "pin.h"

enum {
  NESTING = 4,
  BUCKETS = 1024,
};

enum use { UNUSED, READY, MADE };

struct pinned {
  enum use use;
  struct window *window;
  int at;
  uint32_t length;
  struct slot *slot; /* the argument's slot, or NULL */
  enum stub stub;
  struct judged judged;
  struct seccomp_data expected;
  uint64_t order;
  uint64_t state, calls; /* the counters of `struct pins` and `struct thread` when it was prepared */
  uint64_t time;         /* likewise, in nanoseconds */
};

/* Whether a window is mapped in its address space. */
enum placement {
  NOT_PLACED,
  UNSURE, /* it may be, and is not protected: no call uses it */
  PLACED,
};

/* A window, and descriptors in the caller's table with which it maps it. */
struct given {
  int code, data;          /* their numbers; −1: no descriptor */
  struct window *window;   /* or NULL */
  int place;               /* where it will be */
  enum window_state state; /* of the place before this attempt: ABSENT, CODE_ONLY or WHOLE */
  enum placement placement;
};

struct process {
  pid_t id;
  unsigned threads;
  unsigned executing; /* threads that are in execve(2) */
  unsigned epoch;     /* counts executions that may have succeeded; each can have removed the window */
  bool is_open;       /* `memory` and `maps` are descriptors of its address space in this epoch (results.c) */
  int memory, maps;
  bool shares_memory; /* with its parent, in this epoch */
  unsigned memory_epoch;
  struct window *unsure; /* the last window of this placement that one of its threads got, or NULL */
  struct process *next;
};

struct thread {
  pid_t id;
  struct process *process;
  struct window *window; /* the window that was last seen */
  unsigned epoch;        /* the process's epoch at that time */
  bool is_executing;
  bool has_changed; /* it has made a call that changes its rights */
  bool is_compared, is_as_we_are;
  unsigned compared_epoch;
  unsigned vain;         /* walks since the last one that gave an answer */
  unsigned interrupted;  /* attempts in a row to prepare its call */
  unsigned closed;       /* likewise, each because its window's descriptors had been closed */
  uint64_t calls;        /* received calls that are not from the stub */
  enum outcome given_up; /* why its call, which it makes again, must pass unpinned; PREPARED: it must not */
  int given_up_error;
  struct given given; /* the last attempt ended before they were used or closed: for the next one */
  struct pinned pinned[NESTING];
  struct thread *next;
};

struct reads;

struct pins {
  int listener;
  bool reads_apart; /* the tree can have memory whose reads never end */
  struct reads *reads;
  int epoll; /* watches the listener: poll(2) needs RLIMIT_NOFILE, which the command can set to 0 */
  bool trust_executions, sees_threads_end;
  bool audits;
  bool asks_for_dispatch;
  bool writes_results; /* the tree is free to make its memory writable */
  unsigned known_memories, most_memories;
  unsigned rest;      /* walks that do not look up names on the disk (answers.c) */
  bool is_killable;   /* only a fatal signal ends a caller's wait */
  bool is_restricted; /* a process of the tree has entered a Landlock domain, or decides about opens */
  struct self *ours;  /* NULL: no call is answered without a pin */
  int stopping;       /* a stop signal of the process that arrived while a window was mapped; 0: no signal */
  uint64_t calls_end; /* the time until which the loop waits for the calls that a caller makes for us */
  uint64_t notified;  /* bits of the calls that callers make for us and the policy's filter has reported */
  uint64_t observed;
  uint64_t order;
  uint64_t state; /* counts changes of the policy's state */
  bool always_changes;
  struct windows windows;
  struct late_tracee *late;
  struct thread *threads[BUCKETS];
  struct process *processes[BUCKETS];
  struct seccomp_notif *waiting; /* a ring with this room */
  size_t waiting_room, waiting_first, waiting_count;
};

/* ── Threads (threads.c) ─────────────────────────────────────────────────────────────────────────────────────────── */

struct thread *find_thread(struct pins *self, pid_t tid);
/* The same; adds an unknown thread. NULL with a positive errno. */
struct thread *enter_thread(struct pins *self, pid_t tid, int *error);
/* Closes the descriptors of its memory. */
void forget_memory(struct pins *self, struct process *process);
/* Drops a prepared call and frees its room. */
void release_pinned(struct pinned *one);
/* The thread makes a call, so an execution of it has succeeded or failed. */
void has_executed(struct thread *thread);
/* Whether the thread certainly still has its last seen window. */
bool is_trusted(const struct pins *self, const struct thread *thread);
/* See `look_at`. Drops calls that were prepared in another window. */
enum window_state look(struct pins *self, struct thread *thread, int *place);
/* Takes over what was given, after the attempt to map it. */
void settle(struct pins *self, struct thread *thread, const struct given *given);
/* Gives it back for the next attempt. */
struct given take_given(struct thread *thread);

/* ── Notifications (notifications.c) ─────────────────────────────────────────────────────────────────────────────── */

int answer(struct pins *self, const struct seccomp_notif *call, int error, unsigned flags);
/* The call returns this value. */
int answer_value(struct pins *self, const struct seccomp_notif *call, int64_t value);
bool still_waits(struct pins *self, const struct seccomp_notif *call);
/* Answers with this positive errno, or lets the call pass with 0. Returns `why`, or GONE. */
enum outcome refuse(struct pins *self, const struct seccomp_notif *call, enum outcome why, int refusal);
/* From now on this notification's call can be refused or pinned, but not continued. */
void mark_observed(struct pins *self, uint64_t id);
/* Lets a call pass that the thread makes for us and the policy's filter reports; true if it did. Other notifications wait.
   False, too, if memory for them lacks. */
bool pass_own_call(struct pins *self, pid_t tid, long number, const uint64_t arguments[6]);

/* ── Calls that are answered without a pin (answers.c) ───────────────────────────────────────────────────────────── */

enum answer { NO_ANSWER, HAS_ANSWER, CALLER_IS_GONE };
/*
 * With HAS_ANSWER, `error` is the positive errno that the call has returned, or unchanged. Without `has_window`, only a
 * path that leads to no object gives an answer.
 */
enum answer answer_by_path(struct pins *self, struct thread *thread, const struct seccomp_notif *call,
                           const struct image *image, bool has_window, int *error);
void start_walking(struct pins *self);
void stop_walking(struct pins *self);

/* ── Results in the caller's memory (results.c) ──────────────────────────────────────────────────────────────────── */

/* False if some bytes were not written: the call must then be pinned, and gives its own result or errno. */
bool write_result(struct pins *self, struct thread *thread, const struct seccomp_notif *call, uint64_t address,
                  const void *bytes, size_t size);
void start_knowing_memories(struct pins *self);

/* ── Calls that the stopped caller makes for us (own_calls.c) ────────────────────────────────────────────────────── */

/* Whether the thread's table has a descriptor of this memory at this number. */
bool still_has(pid_t tid, int number, ino_t inode);
/* Whether the stopped thread uses syscall user dispatch (5.11), which intercepts each call outside its allowed range. */
bool has_dispatch(struct pins *self, pid_t tid);
/*
 * Maps the missing parts of the window, and closes the descriptors. The caller has stopped in a call whose instruction is at
 * this address.
 */
enum outcome map_window(struct pins *self, struct thread *thread, const registers *base, uint64_t instruction,
                        struct given *given, int *error);
/* Only closes the descriptors. False if the caller has ended, or does not stop again. */
bool take_back(struct pins *self, struct thread *thread, const registers *base, uint64_t instruction,
               struct given *given);

#endif
