/* SPDX-License-Identifier: MIT */
/*
 * Argument pinning: the caller of a supervised call makes the call itself, with arguments that it cannot change.
 *
 * For one call, in this order:
 *   1. its notification: `observe_…` (observe.c) copies what lies behind its pointers, the policy judges the copy;
 *   2. `pin_call` (pin.c) stops the caller, puts the copy into the caller's window (window.c), points the registers at it
 *      and the instruction pointer at the window's stub (machine.c), and lets the caller go;
 *   3. the stub makes the call, whose notification `pin_arrival` recognises and `pin_pass` lets through, once.
 * Whatever else arrives from the stub gets AGAIN as its answer, and the stub then makes the caller's own call anew.
 *
 * A call that was observed can be refused or pinned. `observed` says which that is; the addon sends no CONTINUE for it.
 *
 * All functions are to be called from one thread: the kernel knows a tracer by its thread. Results are 0 or more, or a
 * negative errno, where nothing else is said.
 */
#ifndef PIN_H
#define PIN_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ── The machine (machine.c) ─────────────────────────────────────────────────────────────────────────────────────── */

#if defined(__x86_64__)
#include <sys/user.h>
typedef struct user_regs_struct registers;
enum {
  CALL_INSTRUCTION = 2, /* bytes */
  RED_ZONE = 128,
  CODE_SIZE = 0x1000,
};
#elif defined(__aarch64__)
#include <asm/ptrace.h>
typedef struct {
  struct user_pt_regs user;
  int number; /* NT_ARM_SYSTEM_CALL; −1: no call, so nothing to restart */
} registers;
enum {
  CALL_INSTRUCTION = 4,
  RED_ZONE = 0,
  CODE_SIZE = 0x10000, /* the largest page */
};
#endif

/*
 * The window's place in every address space: below all programs (lld links at 2 MiB, ld at 4 MiB), and above the
 * vm.mmap_min_addr of all distributions. The stub's page comes first; the data that follow are not executable.
 */
enum {
  WINDOW_START = 0x10000,
  WINDOW_DATA = WINDOW_START + CODE_SIZE,
  WINDOW_END = 0x200000,
  DATA_SIZE = WINDOW_END - WINDOW_DATA,
};

/*
 * The stubs, by where they find what the caller had. A call that makes a child returns in both, and the child need not
 * have its parent's stack or memory:
 */
enum stub {
  /* In a frame at the stack pointer. */
  FRAME_AT_STACK,
  /* The child gets a copy of the memory, perhaps with a stack of its own: the frame's address is in a register. */
  FRAME_IN_REGISTER,
  /* The child shares the memory, and may overwrite its parent's stack first: in a passage in the window. */
  PASSAGE,
  /* In a frame at the stack pointer, for calls that make no child: behind its call it makes another, which says that the
     first has ended. */
  REPORTS_END,
};
enum { STUB_SIZE = 128 }; /* the last is longer */

/* What lies in the window in front of a pinned argument, and never changes there: see window.c. */
struct passage_record {
  uint64_t argument, size; /* as the caller gave them */
  uint64_t instruction_pointer;
};

/* The caller's own argument registers, where it goes on, and its call. */
struct frame {
  uint64_t arguments[6];
  uint64_t instruction_pointer;
  uint64_t number;
};
enum { FRAME_SIZE = RED_ZONE + sizeof(struct frame) };

/* In the high half of the register of our own close(2), which the kernel ignores: the filter knows it by this
   (src/engines/notify/pin/own-calls.ts). */
#define CLOSE_MARK ((uint64_t)0x70637573 << 32)

/* In the high half of the register of the close(2) that says that a call has ended: likewise. The low half is no
   descriptor. */
#define END_MARK ((uint64_t)0x70636c65 << 32)

/* The answer on which the stub makes the caller's own call anew. No call returns it (the kernel's errnos end at 531). */
enum { AGAIN = 4094 };

/* Writes all stubs; at most CODE_SIZE bytes. */
void write_stubs(unsigned char *to);
static inline uint64_t start_of(enum stub stub) { return WINDOW_START + (uint64_t)stub * STUB_SIZE; }
/* Where its call has its notification from. */
static inline uint64_t notifies_at(enum stub stub) { return start_of(stub) + CALL_INSTRUCTION; }
/* Where REPORTS_END has the notification of its call's end from. */
uint64_t reports_end_at(void);

bool get_registers(pid_t tid, registers *into);
bool set_registers(pid_t tid, const registers *from);
/* The tracee has stopped in this call, before the kernel restarts it. */
bool is_in_call(const registers *at, const struct seccomp_data *call);
/* Makes this call at that address. */
void enter_call(registers *at, uint64_t instruction, long number, const uint64_t arguments[6]);
/* Makes it in a stub. `found_at`: the frame's address, or the pinned argument's; some of `arguments` may carry it. */
void enter_stub(registers *at, enum stub stub, uint64_t found_at, long number, uint64_t arguments[6]);
/* At the stop before a call: it is this one. */
bool is_entering(const registers *at, long number, const uint64_t arguments[6]);
int64_t result_of(const registers *at);
/* The call that it has stopped in returns this. */
void return_from_call(registers *at, int64_t result);
uint64_t stack_of(const registers *at);
void set_stack(registers *at, uint64_t address);

/* ── Stopping a thread (stop.c) ──────────────────────────────────────────────────────────────────────────────────── */

enum stop {
  STOPPED,   /* where PTRACE_INTERRUPT stops it: at its next return to its program */
  ELSEWHERE, /* it stopped for a signal, which it has got, and is let go */
  ENDED,
  LATE, /* it does not come; it is left to `release_strays` */
};

struct stray {
  pid_t tid;
  struct stray *next;
};

/* 0, or the errno for which the kernel refuses it (positive). */
int seize(pid_t tid);
void interrupt(pid_t tid);
enum stop await_stop(struct stray **strays, pid_t tid);
/* The same, but it is late if it does not come at once. */
enum stop await_prompt_stop(struct stray **strays, pid_t tid);
/* Lets it go; nothing of it stays traced. */
void detach(struct stray **strays, pid_t tid, int signal);
/* Lets those go that have come to a stop since. */
void release_strays(struct stray **strays);
/* True where it is still to stop. */
bool is_stray(const struct stray *strays, pid_t tid);

/* ── Windows (window.c) ──────────────────────────────────────────────────────────────────────────────────────────── */

enum protection {
  SEALED,   /* mseal(2), Linux 6.10; /proc/TID/smaps must say so */
  BY_RULES, /* the filter refuses all calls that change these addresses */
};

enum { GRANULE = 256, GRANULES = DATA_SIZE / GRANULE };

/*
 * Room in a window for the argument of a call whose child shares the memory, behind a passage_record. A signal's handler
 * can keep parent or child from reading the record for any time: so it stays, and its room serves only calls with the
 * same record again. Programs make threads and processes in few places.
 */
struct passage {
  struct passage_record record;
  int at;
  uint32_t length; /* of the argument */
  bool is_taken;
  struct passage *next;
};
enum { MOST_PASSAGES = GRANULES / 2 };

/* One address space's. */
struct window {
  dev_t device;
  ino_t inode;
  unsigned char *bytes; /* our own view of the data */
  int memory;           /* /proc/TID/mem, which stays this address space's: it reads nothing once that has ended */
  unsigned users;       /* threads that were seen with it */
  unsigned taken_pins;
  struct passage *passages;
  unsigned passage_count;
  struct window *next;
  unsigned char taken[GRANULES];
};

struct windows {
  enum protection protection;
  int code; /* read-only descriptor of the stub's memory, which is the same in all windows */
  dev_t code_device;
  ino_t code_inode;
  struct window *first;
  unsigned count, sweep_at;
};

enum sight {
  ABSENT,     /* nothing lies there */
  CODE_ONLY,  /* the stub alone: a child has it from its parent */
  WHOLE,      /* the stub and the data of one of our windows, as they must be */
  FOREIGN,    /* something else, or it is not protected */
  UNREADABLE, /* /proc/TID/maps cannot be opened: errno */
};

int start_windows(struct windows *own, enum protection protection);
void end_windows(struct windows *own);
enum sight look_at(struct windows *own, pid_t tid, struct window **found);
/* New memory with one descriptor that can only be read, which the caller closes. */
struct window *make_window(int *read_only);
void add_window(struct windows *own, struct window *window, pid_t tid);
void free_window(struct window *window);
/* Drops those whose address space has ended. */
void sweep_windows(struct windows *own);
/* Where in the data so many bytes are now taken; negative: there is no room. */
int take_room(struct window *window, size_t length);
void give_room(struct window *window, int at, size_t length);
/* One with this record that is not taken; NULL: there is no room. Its argument lies at `at`. */
struct passage *take_passage(struct window *window, const struct passage_record *record, uint32_t length);

/* ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* What a call's pointers are to point at: bytes that lie together, and where addresses within them go. */
struct image {
  const unsigned char *bytes;
  uint32_t length;
  const uint32_t *relocations; /* pairs: at this offset, the address of that offset */
  uint32_t relocation_count;
  const int32_t *registers; /* six: which offset each argument points at; negative: it stays */
  uint64_t rooms;           /* what the call enters, for its judge; not 0: its end is reported */
};

/*
 * Of clone3 it is the whole structure and nothing else: how the call returns depends on its flags. The end of a call that
 * makes a child is not reported: the child would report it, too.
 */
bool fits_call(const struct image *image, const struct seccomp_data *call);

/* src/engines/notify/pin/outcome.ts has the same numbers. */
enum outcome {
  PREPARED = 0,
  INTERRUPTED = 1,   /* the caller's signal came first: its call comes again, or returns EINTR */
  GONE = 2,          /* the caller has ended */
  NO_TRACE = 3,      /* ptrace(2) is refused; errno says how */
  NO_SIGHT = 4,      /* /proc/TID/maps, its memory or its threads cannot be read */
  OCCUPIED = 5,      /* something else lies at the window's addresses */
  NO_DESCRIPTOR = 6, /* none is left, ours or the caller's */
  NOT_MAPPED = 7,    /* the caller's mmap(2) fails, or another filter refuses it */
  NOT_PROTECTED = 8, /* mseal(2) fails */
  NO_STACK = 9,      /* no room below the caller's stack pointer */
  NO_ROOM = 10,      /* the window is full */
  NO_MEMORY = 11,    /* ours */
  DISPATCHED = 12,   /* the caller has syscall user dispatch, which would take the stub's call */
  STARVED = 13,      /* interrupted time and again */
  STALLED = 14,      /* the page below its stack pointer does not come */
  FAILS = 15,        /* by its path, which was judged: the call has got its errno */
};

struct pins;

/*
 * `audits`: nothing is enforced, and calls that cannot be pinned may pass as they are. `answers_failures`: calls that fail by
 * their path are not pinned, which needs `trust_executions` and `pin_changes_rights`.
 */
struct pins *start_pins(int listener, enum protection protection, bool trust_executions, bool audits,
                        bool answers_failures);
void end_pins(struct pins *own);
/* Notifications that were received while a caller was being prepared: to be judged next. */
bool next_waiting(struct pins *own, struct seccomp_notif *into);
bool has_waiting(const struct pins *own);
/* Lets go the threads that come to their stop late, until a notification is there or none of them is left. */
void await_strays(struct pins *own);
/* Lets those go that have come to their stop; true where some are left. */
bool has_strays(struct pins *own);
/* The id of the notification whose caller's memory was read. */
bool is_observed(const struct pins *own, uint64_t id);

/*
 * The result: an enum outcome, with *error an errno where one says more. The notification has its answer, except with
 * NO_TRACE, whose cause can be looked for while the caller waits, before `pin_give_up`. Refusals have `refusal` (an errno,
 * positive) as theirs; 0: the call passes as it is, which only an audit may say.
 */
enum outcome pin_call(struct pins *own, const struct seccomp_notif *call, const struct image *image, int refusal,
                      int *error);
/* Answers a call that cannot be pinned, in the same way. */
int pin_give_up(struct pins *own, const struct seccomp_notif *call, int refusal);
bool pin_audits(const struct pins *own);

enum arrival {
  NOT_FROM_STUB, /* a call like any other */
  UNPREPARED,    /* to be answered with AGAIN */
  ARRIVED,       /* the prepared call: to be passed */
  HAS_ENDED,     /* it says that the prepared call has ended: to be answered with 0 */
};
/* What a prepared call had at its judgement. */
struct judged {
  struct seccomp_data registers;
  uint64_t clone_flags; /* of clone3's structure; else 0 */
  uint64_t rooms;       /* of its image */
};
enum arrival pin_arrival(struct pins *own, const struct seccomp_notif *call, struct judged *judged);
/* 0, or −ENOENT: the caller was interrupted, and may come again. */
int pin_pass(struct pins *own, const struct seccomp_notif *call);
/* Answers with this errno, positive; AGAIN is one for the stub. */
int pin_refuse(struct pins *own, const struct seccomp_notif *call, int error);
/*
 * Stops the thread for a moment where it returns to its program: 0, it did. -EINPROGRESS: it is in a call, and is let go when
 * that ends: `pin_is_late` is false from then on. Other: it cannot be traced, or has ended.
 */
int pin_interrupt(struct pins *own, pid_t tid);
/* The thread is traced, and did not stop in time. */
bool pin_is_late(const struct pins *own, pid_t tid);
/* The thread has ended; to be said before its id can mean another one. */
void pin_ended(struct pins *own, pid_t tid);
/* The thread's execve(2) is about to be let through, pinned or not. */
void pin_executes(struct pins *own, pid_t tid);
/* The thread is about to change its users, groups or capabilities; `of_others`: a root or a namespace, which others can share. */
void pin_changes_rights(struct pins *own, pid_t tid, bool of_others);

/*
 * From now on memory of the tree may never come: threads read it, and a call can come back, from `pin_comes_back`, to be
 * observed once more.
 */
void pin_reads_apart(struct pins *own);
/* Can be read when a call comes back. */
int pin_reads_timer(const struct pins *own);
bool pin_comes_back(struct pins *own, struct seccomp_notif *into);
/* Waits so long, -1 for ever: false where a call comes back before one is made, or nothing comes. */
bool pin_awaits_question(struct pins *own, int milliseconds);

/* ── Reading the caller's memory (observe.c) ─────────────────────────────────────────────────────────────────────── */

/*
 * Each reads while the caller waits, and fails with the errno that the kernel's own copy would give: EFAULT, or as said.
 * EPERM: the caller's memory cannot be read; ENOENT: the caller does not wait any more. EINPROGRESS: the call comes back
 * when more of its memory was read; ETIMEDOUT: the memory does not come.
 */
/* The length of the string without its end; ENAMETOOLONG where `size` bytes have none. */
long observe_text(struct pins *own, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                  size_t size);
long observe_bytes(struct pins *own, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                   size_t size);
/*
 * An array of pointers to strings that NULL ends (argv): how many; the strings one after the other with their ends, and
 * where each begins. E2BIG where they are more than there is room for.
 */
long observe_vector(struct pins *own, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                    size_t size, uint32_t *starts, size_t most);

#endif
