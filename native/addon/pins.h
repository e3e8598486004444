/* SPDX-License-Identifier: MIT */
/*
 * What the files of pinned calls share: the threads that have been seen (threads.c), the notifications (notifications.c),
 * the calls that a stopped caller makes for its window (own_calls.c), calls that fail without a pin (failing.c), and the
 * protocol (pin.c).
 */
#ifndef PINS_H
#define PINS_H

#include "pin.h"

enum {
  NESTING = 4,
  BUCKETS = 1024,
  WAITING = 64,
};

enum use { UNUSED, READY, MADE };

struct pinned {
  enum use use;
  struct window *window;
  int at;
  uint32_t length;
  struct passage *passage; /* where it lies, if in one */
  enum stub stub;
  struct judged judged;
  struct seccomp_data expected;
  uint64_t order;
};

struct process {
  pid_t id;
  unsigned threads;
  unsigned executing; /* threads whose execve(2) is under way */
  unsigned epoch;     /* counts executions that may have succeeded: what was seen before may be gone */
  struct process *next;
};

struct thread {
  pid_t id;
  struct process *process;
  struct window *window; /* what it was last seen with */
  unsigned epoch;        /* when that was */
  bool is_executing;
  bool has_changed; /* it has made a call that changes its rights */
  bool is_compared, is_as_we_are;
  unsigned compared_epoch;
  unsigned interrupted;
  enum outcome given_up; /* why its call, which comes again, passes as it is; PREPARED: it does not */
  int given_up_error;
  struct pinned pinned[NESTING];
  struct thread *next;
};

struct reads;

struct pins {
  int listener;
  bool reads_apart; /* the tree can have memory that never comes */
  struct reads *reads;
  int epoll; /* watches the listener: poll(2) needs RLIMIT_NOFILE, which the command can set to 0 */
  bool trust_executions;
  bool audits;
  bool asks_for_dispatch;
  struct self *self; /* NULL: no call fails without a pin */
  int stopping;      /* a signal that was to stop the process while a window was mapped; 0: none */
  uint64_t observed;
  uint64_t order;
  struct windows windows;
  struct stray *strays;
  struct thread *threads[BUCKETS];
  struct process *processes[BUCKETS];
  struct seccomp_notif waiting[WAITING];
  unsigned waiting_first, waiting_count;
};

/* ── Threads (threads.c) ─────────────────────────────────────────────────────────────────────────────────────────── */

struct thread *find_thread(struct pins *own, pid_t tid);
/* The same, or a new one: NULL with an errno, positive. */
struct thread *enter_thread(struct pins *own, pid_t tid, int *error);
/* Gives up what was prepared. */
void release_pinned(struct pinned *one);
/* It makes a call: its execution is over, whichever way. */
void has_executed(struct thread *thread);
/* The thread still has the window that it was last seen with. */
bool is_trusted(const struct pins *own, const struct thread *thread);
/* What the thread has at the window's addresses. Whatever was prepared in another window is void. */
enum sight look(struct pins *own, struct thread *thread);

/* ── Notifications (notifications.c) ─────────────────────────────────────────────────────────────────────────────── */

int answer(struct pins *own, const struct seccomp_notif *call, int error, unsigned flags);
bool still_waits(struct pins *own, const struct seccomp_notif *call);
/* Answers with this errno, positive; 0: the call passes as it is. `why`, or GONE. */
enum outcome refuse(struct pins *own, const struct seccomp_notif *call, enum outcome why, int refusal);
/* From here on this notification's call can be refused or pinned, not continued. */
void mark_observed(struct pins *own, uint64_t id);
/* Lets a call of ours pass that the policy's filter asks about. Other callers' notifications wait until their turn. */
void pass_own_call(struct pins *own, pid_t tid, long number, const uint64_t arguments[6]);

/* ── Calls that fail by their path (failing.c) ───────────────────────────────────────────────────────────────────── */

/* The errno with which the call fails, positive; 0: it need not. */
int failure_by_path(struct pins *own, struct thread *thread, const struct seccomp_data *call,
                    const struct image *image);
void start_walking(struct pins *own);
void stop_walking(struct pins *own);

/* ── Calls that the stopped caller makes for us (own_calls.c) ────────────────────────────────────────────────────── */

struct given {
  int code, data; /* numbers in the caller's table; −1: none */
  struct window *window;
};

/* Maps what is missing of the window. The caller has stopped in a call whose instruction is at this address. */
enum outcome map_window(struct pins *own, struct thread *thread, const registers *base, uint64_t instruction,
                        const struct given *given, int *error);

#endif
