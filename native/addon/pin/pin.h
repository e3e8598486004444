/* SPDX-License-Identifier: MIT */
/*
 * Argument pinning: the caller of a supervised call makes the call itself, with arguments that it cannot change.
 *
 * For one call, in this order:
 *   1. The call's notification arrives. `observe_…` (observe.c) copies the memory behind its pointers, and the policy
 *      judges the copy.
 *   2. `pin_call` (pin.c) stops the caller, puts the copy into the caller's window (window.c), points the registers at it
 *      and the instruction pointer at the window's stub (stubs.c), and continues the caller.
 *   3. The stub makes the call. `pin_arrival` recognises its notification, and `pin_pass` lets it pass, once.
 * Every other notification from the stub is answered with AGAIN; the stub then makes the caller's own call again.
 *
 * An observed call can only be refused or pinned: the addon never sends CONTINUE for it (`is_observed`).
 *
 * One thread must call all functions, because to the kernel a tracer is a thread. Unless stated otherwise, results are 0
 * or more, or a negative errno.
 */
#ifndef PIN_H
#define PIN_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/clock.h"
#include "../ptrace/tracee.h"

/* ── Stubs (stubs.c) ─────────────────────────────────────────────────────────────────────────────────────────────── */

#if defined(__x86_64__)
enum {
  RED_ZONE = 128,
  CODE_SIZE = 0x1000,
};
#elif defined(__aarch64__)
enum {
  RED_ZONE = 0,
  CODE_SIZE = 0x10000, /* the largest page */
};
#endif

/*
 * The addresses of windows in every address space: below all programs (lld links at 2 MiB, ld at 4 MiB), and above the
 * vm.mmap_min_addr of all distributions. They have several places, of which a window takes the first one that is free. An
 * earlier place can have the window of a supervisor that has ended: it can be neither unmapped nor written to again (window.c).
 * In each place the stub's page comes first; the data that follow are not executable.
 */
enum {
  WINDOW_START = 0x10000,
  WINDOW_DATA = WINDOW_START + CODE_SIZE,
  SECOND_PLACE = 0x100000,
  LATER_SIZE = 0x20000, /* of the second place and of each further one */
  WINDOW_END = 0x200000,
  PLACES = 1 + (WINDOW_END - SECOND_PLACE) / LATER_SIZE,
  DATA_SIZE = SECOND_PLACE - WINDOW_DATA, /* in the first place, which is the largest */
};
static inline uint64_t start_of_place(int place) {
  return place == 0 ? WINDOW_START : SECOND_PLACE + (uint64_t)(place - 1) * LATER_SIZE;
}
static inline uint64_t data_of_place(int place) { return start_of_place(place) + CODE_SIZE; }
static inline uint64_t end_of_place(int place) { return start_of_place(place + 1); }
/* The place of this address; negative: it is in none. */
static inline int place_of(uint64_t address) {
  if (address < WINDOW_START || address >= WINDOW_END) return -1;
  return address < SECOND_PLACE ? 0 : 1 + (int)((address - SECOND_PLACE) / LATER_SIZE);
}

/*
 * The stubs differ in the place of the caller's registers, its frame. A call that makes a child returns in parent and
 * child, and the child may have neither its parent's stack nor its memory.
 */
enum stub {
  /* The frame is at the stack pointer. */
  FRAME_AT_STACK,
  /* The frame's address is in a register: the child has a copy of the memory, perhaps with another stack. */
  FRAME_IN_REGISTER,
  /* A slot in the window replaces the frame: the child shares the memory, and may overwrite its parent's stack. */
  SLOT,
  /* The frame is at the stack pointer. After the caller's call, which makes no child, the stub makes a second one, whose
     notification reports the end of the first. */
  REPORTS_END,
};
enum { STUB_SIZE = 128 }; /* bytes; the last stub is longer */

/* The record in front of a pinned argument in the window. It never changes: see `struct slot`. */
struct slot_record {
  uint64_t argument, size; /* as the caller gave them */
  uint64_t instruction_pointer;
};

/* The caller's argument registers, the address at which it continues, and the number of its call. */
struct frame {
  uint64_t arguments[6];
  uint64_t instruction_pointer;
  uint64_t number;
};
enum { FRAME_SIZE = RED_ZONE + sizeof(struct frame) };

/* The filter recognises our own close(2) by this mark in the high half of its register, which the kernel ignores
   (src/engines/notify/pin/own-calls.ts). */
#define CLOSE_MARK ((uint64_t)0x70637573 << 32)

/* The mark of the close(2) that reports a call's end, likewise. The low half is not a valid descriptor. */
#define END_MARK ((uint64_t)0x70636c65 << 32)

/* On this errno the stub makes the caller's own call again. No call returns it: the kernel's errnos end at 531. */
enum { AGAIN = 4094 };

/* Writes all stubs; at most CODE_SIZE bytes. */
void write_stubs(unsigned char *to);
static inline uint64_t start_of(int place, enum stub stub) {
  return start_of_place(place) + (uint64_t)stub * STUB_SIZE;
}
/* The instruction pointer of the notification of its call. */
static inline uint64_t notifies_at(int place, enum stub stub) { return start_of(place, stub) + CALL_INSTRUCTION; }
/* The instruction pointer of the notification by which REPORTS_END reports the end of its call. */
uint64_t reports_end_at(int place);

/* Makes this call in a stub of this place. `found_at` is the frame's address or the pinned argument's; `arguments` may get it, too. */
void enter_stub(registers *at, int place, enum stub stub, uint64_t found_at, long number, uint64_t arguments[6]);

/* ── Windows (window.c) ──────────────────────────────────────────────────────────────────────────────────────────── */

enum protection {
  SEALED,   /* mseal(2), Linux 6.10; /proc/TID/smaps must say so */
  BY_RULES, /* the filter refuses all calls that change these addresses */
};

enum { GRANULE = 256, GRANULES = DATA_SIZE / GRANULE };

/*
 * Room in a window for the argument of a call whose child shares the memory, behind a slot_record. A signal handler
 * can delay the read of the record by parent or child for any time. So the record stays, and only a call with an equal
 * record can use the room again. That suffices, because programs make threads and processes in few places.
 */
struct slot {
  struct slot_record record;
  int at;
  uint32_t length; /* of the argument */
  bool is_taken;
  struct slot *next;
};

/* The window of one address space. */
struct window {
  int place;
  dev_t device;
  ino_t inode;
  unsigned char *bytes; /* our own view of the data */
  int memory;           /* of /proc/TID: it belongs to this address space for ever (`has_ended`) */
  unsigned users;       /* threads whose last seen window this is, and what else refers to it (pins.h) */
  unsigned taken_pins;
  struct slot *slots;
  unsigned slot_count;
  struct window *next;
  unsigned char taken[GRANULES];
};

struct windows {
  enum protection protection;
  int code;           /* read-only descriptor of the stub's memory, which is the same in all windows */
  const char *memory; /* the name in /proc/TID of `window.memory` */
  dev_t code_device;
  ino_t code_inode;
  struct window *first;
  unsigned count, sweep_at;
};

enum window_state {
  ABSENT,    /* nothing is mapped in the place */
  CODE_ONLY, /* only the stub, which a child inherits from its parent */
  WHOLE,     /* the stub and the data of one of our windows, correctly protected */
  UNSEALED,  /* the same, and an earlier mseal(2) of it has failed */
  FOREIGN,   /* other memory in all places, or memory of ours with other permissions */
  UNKNOWN,   /* /proc/TID/maps cannot be opened: errno */
};

int start_windows(struct windows *self, enum protection protection);
void end_windows(struct windows *self);
/* The state of the place with the window, or of the one where the window can be. */
enum window_state look_at(struct windows *self, pid_t tid, struct window **found, int *place);
/* Makes the memory of a window, for any place, and a read-only descriptor of it, which the caller closes. */
struct window *make_window(int *read_only);
/* The window of this thread's address space, with one user. Returns 0 or a negative errno; then the window is freed. */
int add_window(struct windows *self, struct window *window, pid_t tid);
/* Frees the window, unless something refers to it. */
void drop_window(struct windows *self, struct window *window);
/* Takes so many bytes of the data; returns their offset, or a negative number if there is no room. */
int take_room(struct window *window, size_t length);
void give_room(struct window *window, int at, size_t length);
/* Takes a free slot with this record; NULL if there is no room. Its argument is at `at`. */
struct slot *take_slot(struct window *window, const struct slot_record *record, uint32_t length);

/* ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The memory that a call's pointers must point at: contiguous bytes, and the places of addresses in them. */
struct image {
  const unsigned char *bytes;
  uint32_t length;
  const uint32_t *relocations; /* pairs: at this offset, the address of that offset */
  uint32_t relocation_count;
  const int32_t *registers; /* six: the offset that each argument points at; negative: the argument stays */
  uint64_t rooms;           /* a bit for each room that the call enters; not 0: the stub reports the call's end */
  uint64_t credentials;     /* the caller's when the call was judged, in any form */
};

/*
 * The image of clone3 must be exactly its structure, whose flags decide how the call returns. A call that makes a child
 * must enter no room, because the child would also report the call's end.
 */
bool fits_call(const struct image *image, const struct seccomp_data *call);

/* src/engines/notify/pin/outcome.ts has the same numbers. */
enum outcome {
  PREPARED = 0,
  INTERRUPTED = 1,   /* the caller's signal came first: its call comes again, or returns EINTR */
  GONE = 2,          /* the caller has ended */
  NO_TRACE = 3,      /* ptrace(2) is refused, with this errno */
  UNREADABLE = 4,    /* /proc/TID/maps, its memory or its threads cannot be read */
  OCCUPIED = 5,      /* all places have other memory */
  NO_DESCRIPTOR = 6, /* our table of descriptors is full, or the caller's */
  NOT_MAPPED = 7,    /* the caller's mmap(2) fails, or another filter refuses it */
  NOT_PROTECTED = 8, /* mseal(2) fails */
  NO_STACK = 9,      /* no room below the caller's stack pointer */
  NO_ROOM = 10,      /* the window is full */
  NO_MEMORY = 11,    /* we have no memory left */
  DISPATCHED = 12,   /* the caller uses syscall user dispatch, which would intercept the stub's call */
  STARVED = 13,      /* signals interrupted the call too often */
  STALLED = 14,      /* the write to the caller's stack does not end */
  NO_WINDOW = 15,    /* the window's memory cannot be made (RLIMIT_FSIZE) */
  HAS_RESULT = 16,   /* the call has its result without a pin: an errno, or its success */
};

struct pins;

/*
 * `audits`: nothing is enforced, and calls that cannot be pinned may pass unpinned. `answers`: calls whose result is
 * certain get it without a pin; this requires `trust_executions` and calls of `pin_changes_rights` and `pin_restricts`.
 * `writes_results`: these include results in the caller's memory; the policy leaves the tree free to make memory writable
 * and executable, and this requires calls of `pin_protects_memory`. `is_killable`: only a fatal signal ends a caller's wait
 * (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV), so opens are answered, too. `sees_threads_end`: `pin_ended` is called for each
 * thread, and not only for each leader, before a call of another one with its id is handled.
 */
struct pins *start_pins(int listener, enum protection protection, bool trust_executions, bool audits, bool answers,
                        bool writes_results, bool is_killable, bool sees_threads_end);
void end_pins(struct pins *self);
/* The next notification that arrived during the preparation of a caller. */
bool next_waiting(struct pins *self, struct seccomp_notif *into);
bool has_waiting(const struct pins *self);
/* Waits for late tracees and detaches them, until a notification arrives or no late tracee is left. */
void await_late(struct pins *self);
/* Detaches the late tracees that have stopped; true if others are left. */
bool has_late(struct pins *self);
/* Whether the loop must wait for more than a notification. */
bool pin_needs_thread(const struct pins *self);
/* Whether this is the notification whose caller's memory was read last. */
bool is_observed(const struct pins *self, uint64_t id);

/*
 * Returns an outcome, with *error an errno if one is known. The notification has been answered, except with NO_TRACE: its
 * cause can be looked up while the caller waits, and `pin_give_up` answers. A call that cannot be pinned gets the
 * positive errno `refusal`; with 0, which only an audit may use, it passes unpinned.
 */
enum outcome pin_call(struct pins *self, const struct seccomp_notif *call, const struct image *image, int refusal,
                      int *error);
/* Answers a call whose pin ended with NO_TRACE, with the same refusal. */
int pin_give_up(struct pins *self, const struct seccomp_notif *call, int refusal);
bool pin_audits(const struct pins *self);

enum arrival {
  NOT_FROM_STUB, /* an ordinary call */
  UNPREPARED,    /* from a stub without a prepared call; answer with AGAIN */
  ARRIVED,       /* the prepared call; let it pass */
  HAS_ENDED,     /* the report of a prepared call's end; answer with 0 */
};
/* The registers and flags with which a prepared call was judged. */
struct judged {
  struct seccomp_data registers;
  uint64_t clone_flags; /* of clone3's structure; else 0 */
  uint64_t rooms;       /* the image's */
  uint64_t credentials; /* likewise */
};
enum arrival pin_arrival(struct pins *self, const struct seccomp_notif *call, struct judged *judged);
/* Returns 0, or −ENOENT if the caller was interrupted; it may make the call again. */
int pin_pass(struct pins *self, const struct seccomp_notif *call);
/* This call of the thread has passed, and an interrupt has made the kernel restart it. If it was prepared, it is so again. */
void pin_restarts(struct pins *self, pid_t tid, const struct seccomp_data *call);
/* Answers with this positive errno, or with AGAIN. */
int pin_refuse(struct pins *self, const struct seccomp_notif *call, int error);
/*
 * Stops the thread for a moment at its return to its program. Returns 0 if it stopped; -EINPROGRESS if it is in a call, at
 * whose end it is detached and `pin_is_late` becomes false; another errno if it cannot be traced, now or at all, or has ended.
 */
int pin_interrupt(struct pins *self, pid_t tid);
/* True if the thread is traced and has not stopped yet. */
bool pin_is_late(struct pins *self, pid_t tid);
/* The thread has ended. The caller must say so before another thread can have its id. */
void pin_ended(struct pins *self, pid_t tid);
/*
 * True if the id certainly names the recorded task, or none is recorded. Before Linux 6.9 the supervisor finds out that a
 * thread has ended only when it judges a call with its id (src/engines/notify/tasks/tasks.ts).
 */
bool pin_is_same_task(struct pins *self, pid_t tid);
/* The thread's execve(2) is about to pass, pinned or not. */
void pin_executes(struct pins *self, pid_t tid);
/* The thread is about to change its users, groups or capabilities; `of_others`: its root or a namespace, which other
   threads can share. */
void pin_changes_rights(struct pins *self, pid_t tid, bool of_others);
/* A process of the tree is about to enter a Landlock domain, which its children will have, too, or to decide about opens
   (fanotify). */
void pin_restricts(struct pins *self);
/* One is about to give up changes of its memory's protection (PR_SET_MDWE), which its children will have given up, too. */
void pin_protects_memory(struct pins *self);
/* True if the waiting caller certainly has our users, groups, capabilities, root and namespaces, and labels do not exist. */
bool pin_knows_rights(struct pins *self, pid_t tid);

/*
 * The policy's state has changed. A call that was prepared before, and whose thread has made another call since or has taken
 * long, is judged again: a signal handler can run between the two notifications of a call.
 */
void pin_changes_state(struct pins *self);
/* The policy reads what changes without a judgement, such as the time: to prepared calls, its state has always changed. */
void pin_state_always_changes(struct pins *self);

/*
 * From now on the tree can have memory whose reads never end. Threads of a pool read it (reads.c), and `pin_comes_back`
 * returns calls that must be observed again.
 */
void pin_reads_apart(struct pins *self);
/* A descriptor that is readable when a call comes back. */
int pin_reads_timer(const struct pins *self);
bool pin_comes_back(struct pins *self, struct seccomp_notif *into);
/* Waits for a notification, for so many milliseconds or, with -1, without limit. False if a call comes back first, or if
   the time is over. */
bool pin_awaits_notification(struct pins *self, int milliseconds);

/* ── Reading the caller's memory (observe.c) ─────────────────────────────────────────────────────────────────────── */

/*
 * Each function reads while the caller waits. It fails with the errno of a row of copy_errors.h, negative: of the kernel's own
 * copy, or COPY_UNTRACEABLE and the rows after it.
 */
/* The length of the string without its NUL; COPY_LONG_PATH if `size` bytes have no NUL. */
long observe_text(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                  size_t size);
/*
 * The same, in the loop. The caller may have ended before, and the memory may be that of a later thread with its id:
 * only `pin_call` may use the text, and no state may depend on it.
 */
long read_unchecked_text(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                         size_t size);
long observe_bytes(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                   size_t size);
/*
 * Reads a NULL-terminated array of pointers to strings, such as argv. Returns their number, and stores the strings with
 * their NULs in `into` and the start of each in `starts`. COPY_LONG_LIST if there is not enough room.
 */
long observe_vector(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                    size_t size, uint32_t *starts, size_t most);

#endif
