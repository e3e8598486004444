// SPDX-License-Identifier: MIT
/*
 * The protocol of a pinned call, and who has which one under way. pin.h says how the steps follow each other.
 *
 * Up to NESTING calls of a thread are prepared and not yet made: a signal's handler runs between the two notifications of a
 * call, and makes calls of its own. The oldest gives way then; its stub is sent back to the caller's own call.
 */
#define _GNU_SOURCE
#include "old_libc.h"
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "observe.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

enum {
  NESTING = 4,
  BUCKETS = 1024,
  /* Interruptions in a row until a call is refused: a signal every 150 µs can keep a call from ever being prepared. */
  PATIENCE = 256,
  WAITING = 64,
  ERESTARTNOINTR = 513,
};

enum use { UNUSED, READY, MADE };

struct pinned {
  enum use use;
  struct window *window;
  int at;
  uint32_t length;
  struct seccomp_data original, expected;
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
  unsigned interrupted;
  struct pinned pinned[NESTING];
  struct thread *next;
};

struct pins {
  int listener;
  int epoll; /* watches the listener: poll(2) needs RLIMIT_NOFILE, which the command can set to 0 */
  bool trust_executions;
  bool asks_for_dispatch;
  uint64_t observed;
  uint64_t order;
  struct windows windows;
  struct stray *strays;
  struct thread *threads[BUCKETS];
  struct process *processes[BUCKETS];
  struct seccomp_notif waiting[WAITING];
  unsigned waiting_first, waiting_count;
};

/* ── Threads ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

static struct thread **bucket(struct pins *own, pid_t tid) { return &own->threads[(unsigned)tid % BUCKETS]; }

static struct thread *find(struct pins *own, pid_t tid) {
  struct thread *one = *bucket(own, tid);
  while (one != NULL && one->id != tid) one = one->next;
  return one;
}

static pid_t process_of(pid_t tid) {
  char path[40], text[256];
  snprintf(path, sizeof path, "/proc/%d/status", tid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -errno;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return -ESRCH;
  text[length] = 0;
  const char *line = strstr(text, "\nTgid:\t");
  return line == NULL ? -ESRCH : (pid_t)atoi(line + 7);
}

static struct process *enter_process(struct pins *own, pid_t id) {
  struct process **first = &own->processes[(unsigned)id % BUCKETS];
  for (struct process *one = *first; one != NULL; one = one->next)
    if (one->id == id) return one;
  struct process *one = calloc(1, sizeof *one);
  if (one == NULL) return NULL;
  one->id = id;
  one->next = *first;
  *first = one;
  return one;
}

static void leave_process(struct pins *own, struct process *process) {
  if (--process->threads > 0) return;
  struct process **at = &own->processes[(unsigned)process->id % BUCKETS];
  while (*at != process) at = &(*at)->next;
  *at = process->next;
  free(process);
}

static struct thread *enter(struct pins *own, pid_t tid, int *error) {
  struct thread *one = find(own, tid);
  if (one != NULL) return one;
  pid_t id = process_of(tid);
  one = id < 0 ? NULL : calloc(1, sizeof *one);
  *error = id < 0 ? -id : ENOMEM;
  if (one == NULL) return NULL;
  one->process = enter_process(own, id);
  if (one->process == NULL) {
    free(one);
    return NULL;
  }
  one->process->threads++;
  one->id = tid;
  struct thread **first = bucket(own, tid);
  one->next = *first;
  *first = one;
  return one;
}

static void release(struct pinned *one) {
  if (one->use == UNUSED) return;
  give_room(one->window, one->at, one->length);
  one->use = UNUSED;
}

static void release_all(struct thread *thread) {
  for (int i = 0; i < NESTING; i++) release(&thread->pinned[i]);
}

static void set_window(struct thread *thread, struct window *window) {
  if (thread->window != NULL) thread->window->users--;
  thread->window = window;
  if (window != NULL) window->users++;
}

void pin_ended(struct pins *own, pid_t tid) {
  for (struct thread **at = bucket(own, tid); *at != NULL; at = &(*at)->next) {
    struct thread *one = *at;
    if (one->id != tid) continue;
    release_all(one);
    set_window(one, NULL);
    if (one->is_executing) {
      one->process->executing--;
      one->process->epoch++;
    }
    leave_process(own, one->process);
    *at = one->next;
    free(one);
    return;
  }
}

/* ── Executions ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * A thread's address space changes by execve(2) alone. The thread that executes may take over its leader's id. What was
 * prepared for the program that is about to go must not be made by the one that comes.
 */
void pin_executes(struct pins *own, pid_t tid) {
  int error;
  struct thread *thread = enter(own, tid, &error);
  if (thread == NULL || thread->is_executing) return;
  thread->is_executing = true;
  thread->process->executing++;
}

/* It makes a call: its execution is over, whichever way. */
static void has_executed(struct thread *thread) {
  if (!thread->is_executing) return;
  thread->is_executing = false;
  thread->process->executing--;
  thread->process->epoch++;
}

static bool is_trusted(const struct pins *own, const struct thread *thread) {
  return own->trust_executions && thread->window != NULL && thread->process->executing == 0 &&
         thread->epoch == thread->process->epoch;
}

/* What the thread has at the window's addresses. Whatever was prepared in another window is void. */
static enum sight look(struct pins *own, struct thread *thread) {
  struct window *window = NULL;
  enum sight sight = look_at(&own->windows, thread->id, &window);
  thread->epoch = thread->process->epoch;
  set_window(thread, window);
  for (int i = 0; i < NESTING; i++)
    if (thread->pinned[i].window != window) release(&thread->pinned[i]);
  return sight;
}

/* ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

static int answer(struct pins *own, const struct seccomp_notif *call, int error, unsigned flags) {
  struct seccomp_notif_resp response = {.id = call->id, .error = error, .flags = flags};
  return ioctl(own->listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0 ? 0 : -errno;
}

static bool still_waits(struct pins *own, const struct seccomp_notif *call) {
  uint64_t id = call->id;
  return ioctl(own->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static enum outcome refuse(struct pins *own, const struct seccomp_notif *call, enum outcome why, int refusal) {
  return answer(own, call, -refusal, 0) == 0 ? why : GONE;
}

int listener_of(const struct pins *own) { return own->listener; }
void mark_observed(struct pins *own, uint64_t id) { own->observed = id; }
bool is_observed(const struct pins *own, uint64_t id) { return own->observed == id && id != 0; }

bool next_waiting(struct pins *own, struct seccomp_notif *into) {
  if (own->waiting_count == 0) return false;
  *into = own->waiting[own->waiting_first];
  own->waiting_first = (own->waiting_first + 1) % WAITING;
  own->waiting_count--;
  return true;
}

/* Whether a notification is there, or comes within so many milliseconds. */
static bool is_asked(struct pins *own, int milliseconds) {
  struct epoll_event event = {0};
  return epoll_wait(own->epoll, &event, 1, milliseconds) > 0 && (event.events & EPOLLIN) != 0;
}

bool pin_is_late(const struct pins *own, pid_t tid) { return is_stray(own->strays, tid); }

void await_strays(struct pins *own) {
  for (;;) {
    release_strays(&own->strays);
    if (own->strays == NULL || is_asked(own, 1)) return;
  }
}

bool has_strays(struct pins *own) {
  release_strays(&own->strays);
  return own->strays != NULL;
}

/* ── Calls that the stopped caller makes for us ──────────────────────────────────────────────────────────────────── */

/*
 * A call of ours that the policy's filter asks about: it passes, unjudged. Other callers' notifications wait until their
 * turn. Where none comes there is nothing to do.
 */
static void pass_own_call(struct pins *own, pid_t tid, long number, const uint64_t arguments[6]) {
  if (own->waiting_count == WAITING || !is_asked(own, 0)) return;
  struct seccomp_notif call = {0};
  if (ioctl(own->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return;
  if ((pid_t)call.pid == tid && call.data.nr == (int)number &&
      memcmp(call.data.args, arguments, sizeof call.data.args) == 0)
    answer(own, &call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  else own->waiting[(own->waiting_first + own->waiting_count++) % WAITING] = call;
}

/* The stop at a call's begin or end. False where the thread ends, or stops for anything else, or does not come. */
static bool await_call(struct pins *own, pid_t tid, long number, const uint64_t arguments[6]) {
  const struct timespec moment = {0, 20000};
  for (int look = 0; look < 50000; look++) {
    int status;
    pid_t found = waitpid(tid, &status, __WALL | __WNOTHREAD | WNOHANG);
    if (found == tid) {
      if (!WIFSTOPPED(status)) return false;
      if (status >> 8 == (SIGTRAP | 0x80)) return true;
      /* All signals that can be are blocked: this is a stop of the whole process, which it is not to see yet. */
      ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
    } else if (found < 0 && errno != EINTR) {
      return false;
    }
    if (look >= 20) {
      pass_own_call(own, tid, number, arguments);
      nanosleep(&moment, NULL);
    } else {
      sched_yield();
    }
  }
  return false;
}

/* Negative: the kernel's errno. LOST: the thread is not where it should be. */
enum { LOST = -100000 };

static int64_t make_call(struct pins *own, pid_t tid, const registers *base, uint64_t instruction, long number,
                         const uint64_t arguments[6]) {
  registers at = *base;
  enter_call(&at, instruction, number, arguments);
  if (!set_registers(tid, &at) || ptrace(PTRACE_SYSCALL, tid, NULL, NULL) != 0) return LOST;
  if (!await_call(own, tid, number, arguments) || !get_registers(tid, &at)) return LOST;
  /* The program's own memory holds the instruction, and another thread may have changed it. */
  if (!is_entering(&at, number, arguments)) return LOST;
  if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL) != 0) return LOST;
  if (!await_call(own, tid, number, arguments) || !get_registers(tid, &at)) return LOST;
  return result_of(&at);
}

/*
 * Where the thread is lost, some of its program's code has run in place of our call: only another thread that writes to
 * that code brings this about. It is stopped where it is, to be sent back. False where it does not stop either.
 */
static bool recover(pid_t tid) {
  registers at;
  if (get_registers(tid, &at)) return true; /* it is stopped */
  interrupt(tid);
  const struct timespec moment = {0, 20000};
  for (int look = 0; look < 5000; look++) {
    int status;
    pid_t found = waitpid(tid, &status, __WALL | __WNOTHREAD | WNOHANG);
    if (found == tid) return WIFSTOPPED(status);
    if (found < 0 && errno != EINTR) return false;
    nanosleep(&moment, NULL);
  }
  return false;
}

struct given {
  int code, data; /* numbers in the caller's table; −1: none */
  struct window *window;
};

static bool still_has(pid_t tid, int number, ino_t inode) {
  char path[64];
  struct stat identity;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", tid, number);
  return stat_of(path, &identity) == 0 && identity.st_ino == inode;
}

#define CALL(number, ...) make_call(own, tid, base, at, number, (const uint64_t[6]){__VA_ARGS__})

/* Maps what is missing. All signals are blocked; another thread may do what it likes. */
static enum outcome map_window(struct pins *own, struct thread *thread, const registers *base, uint64_t at,
                               const struct given *given, int *error) {
  pid_t tid = thread->id;
  enum { FLAGS = MAP_SHARED | MAP_FIXED_NOREPLACE };
  int64_t result = 0, closed = 0;
  if (given->code >= 0) {
    result = CALL(SYS_mmap, WINDOW_START, CODE_SIZE, PROT_READ | PROT_EXEC, FLAGS, (uint64_t)given->code, 0);
    /*
     * Another thread may have put a file of its own in the descriptor's place. Then our call, which the policy was not
     * asked about, has made that executable: the process does not go on with it.
     */
    if (result >= 0 && look(own, thread) != CODE_ONLY) {
      kill(thread->process->id, SIGKILL);
      *error = EBADF;
      return GONE;
    }
    if (result != LOST && still_has(tid, given->code, own->windows.code_inode))
      closed = CALL(SYS_close, CLOSE_MARK | (uint64_t)given->code);
  }
  if (result >= 0 && closed != LOST)
    result = CALL(SYS_mmap, WINDOW_DATA, DATA_SIZE, PROT_READ, FLAGS, (uint64_t)given->data, 0);
  if (result != LOST && closed != LOST && still_has(tid, given->data, given->window->inode))
    closed = CALL(SYS_close, CLOSE_MARK | (uint64_t)given->data);
  if (result < 0 || closed == LOST) {
    *error = (int)(closed == LOST ? -LOST : -result);
    return NOT_MAPPED;
  }
  result = CALL(SYS_madvise, WINDOW_DATA, DATA_SIZE, MADV_DONTFORK);
  if (result == 0 && own->windows.protection == SEALED)
    result = CALL(SYS_mseal, WINDOW_START, WINDOW_END - WINDOW_START);
  if (result == 0) return PREPARED;
  *error = (int)-result;
  return result == LOST ? NOT_MAPPED : NOT_PROTECTED;
}

/* ── Preparing a call ────────────────────────────────────────────────────────────────────────────────────────────── */

/* Syscall user dispatch (5.11) takes each call from outside of the range that it allows, which the stub is not in. */
static bool has_dispatch(struct pins *own, pid_t tid) {
#ifndef PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#endif
  uint64_t config[4] = {0};
  if (!own->asks_for_dispatch) return false;
  if (ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, tid, (void *)sizeof config, config) != 0) {
    own->asks_for_dispatch = false; /* before 6.4 it cannot be asked */
    return false;
  }
  return config[0] != 0;
}

static bool write_frame(pid_t tid, uint64_t stack, const struct frame *frame) {
  struct iovec local = {(void *)(uintptr_t)frame, sizeof *frame}, remote = {(void *)(uintptr_t)stack, sizeof *frame};
  for (int attempt = 0;; attempt++) {
    if (process_vm_writev(tid, &local, 1, &remote, 1, 0) == (ssize_t)sizeof *frame) return true;
    if (attempt > 0) return false;
    /* A stack grows by being looked at in this way, not by the other. It is not written so: that would ignore mprotect. */
    errno = 0;
    ptrace(PTRACE_PEEKDATA, tid, (void *)(uintptr_t)(stack & ~(uint64_t)7), NULL);
    if (errno != 0) return false;
  }
}

static struct pinned *take_pinned(struct pins *own, struct thread *thread, uint32_t length) {
  struct pinned *oldest = NULL;
  /* The thread makes a call, so the kernel has copied what its former ones pointed at. */
  for (int i = 0; i < NESTING; i++) {
    struct pinned *one = &thread->pinned[i];
    if (one->use == MADE) release(one);
    if (oldest == NULL || one->use == UNUSED || (oldest->use != UNUSED && one->order < oldest->order)) oldest = one;
  }
  release(oldest);
  int at = take_room(thread->window, length);
  if (at < 0) return NULL;
  *oldest = (struct pinned){.use = READY, .window = thread->window, .at = at, .length = length, .order = ++own->order};
  return oldest;
}

static void place(struct pinned *pinned, const struct image *image, const struct seccomp_data *call) {
  unsigned char *to = pinned->window->bytes + pinned->at;
  uint64_t base = WINDOW_DATA + (uint64_t)pinned->at;
  memcpy(to, image->bytes, image->length);
  for (uint32_t i = 0; i < image->relocation_count; i++) {
    uint64_t address = base + image->relocations[2 * i + 1];
    memcpy(to + image->relocations[2 * i], &address, sizeof address);
  }
  pinned->original = *call;
  pinned->expected = *call;
  pinned->expected.instruction_pointer = STUB_CALLS;
  for (int i = 0; i < 6; i++)
    if (image->registers[i] >= 0) pinned->expected.args[i] = base + (uint64_t)image->registers[i];
}

/* The caller has stopped in its call: all is prepared here, or it returns the refusal. */
static enum outcome prepare(struct pins *own, struct thread *thread, const struct seccomp_data *call,
                            const struct image *image, const struct given *given, int refusal, int *error) {
  pid_t tid = thread->id;
  registers at;
  if (!get_registers(tid, &at)) return GONE;
  if (!is_in_call(&at, call)) return INTERRUPTED;
  enum outcome outcome = PREPARED;
  if (has_dispatch(own, tid)) outcome = DISPATCHED;
  if (outcome == PREPARED && given->window != NULL) {
    uint64_t all = ~(uint64_t)0, before = 0;
    ptrace(PTRACE_GETSIGMASK, tid, (void *)sizeof before, &before);
    ptrace(PTRACE_SETSIGMASK, tid, (void *)sizeof all, &all);
    outcome = map_window(own, thread, &at, call->instruction_pointer - CALL_INSTRUCTION, given, error);
    if (outcome == GONE) return GONE;
    if (outcome == NOT_MAPPED && *error == -LOST && !recover(tid)) return GONE;
    ptrace(PTRACE_SETSIGMASK, tid, (void *)sizeof before, &before);
    if (outcome == PREPARED) {
      enum sight sight = look(own, thread);
      if (sight == UNREADABLE) *error = errno;
      if (sight != WHOLE) outcome = sight == UNREADABLE ? NO_SIGHT : OCCUPIED;
    }
  }
  if (outcome == NOT_MAPPED && *error == EBADF) {
    /* Another thread has closed it. The call is made anew. */
    uint64_t arguments[6];
    memcpy(arguments, call->args, sizeof arguments);
    enter_call(&at, call->instruction_pointer - CALL_INSTRUCTION, call->nr, arguments);
    return set_registers(tid, &at) ? INTERRUPTED : GONE;
  }
  struct pinned *pinned = outcome == PREPARED ? take_pinned(own, thread, image->length) : NULL;
  if (outcome == PREPARED && pinned == NULL) outcome = NO_ROOM;
  if (pinned != NULL) {
    place(pinned, image, call);
    uint64_t stack = stack_of(&at) - FRAME_SIZE;
    struct frame frame = {.instruction_pointer = call->instruction_pointer, .number = (uint64_t)(int64_t)call->nr};
    memcpy(frame.arguments, call->args, sizeof frame.arguments);
    if (write_frame(tid, stack, &frame)) {
      uint64_t arguments[6];
      memcpy(arguments, pinned->expected.args, sizeof arguments);
      enter_call(&at, WINDOW_START, call->nr, arguments);
      set_stack(&at, stack);
      if (set_registers(tid, &at)) return PREPARED;
      outcome = GONE;
    } else {
      outcome = NO_STACK;
    }
    release(pinned);
  }
  return_from_call(&at, -refusal);
  return set_registers(tid, &at) ? outcome : GONE;
}

static enum outcome of_errno(int error) {
  return error == EMFILE || error == ENFILE ? NO_DESCRIPTOR : error == ENOMEM ? NO_MEMORY : NO_SIGHT;
}

/* Puts a descriptor into the caller's table; negative: errno. */
static int give(struct pins *own, const struct seccomp_notif *call, int descriptor) {
  struct seccomp_notif_addfd order = {.id = call->id, .srcfd = (uint32_t)descriptor, .newfd_flags = O_CLOEXEC};
  int number = ioctl(own->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &order);
  return number < 0 ? -errno : number;
}

enum outcome pin_call(struct pins *own, const struct seccomp_notif *call, const struct image *image, int refusal,
                      int *error) {
  pid_t tid = (pid_t)call->pid;
  *error = 0;
  release_strays(&own->strays);
  /* It is about to stop for us: its call comes again. */
  if (is_stray(own->strays, tid)) return refuse(own, call, INTERRUPTED, ERESTARTNOINTR);

  struct thread *thread = enter(own, tid, error);
  if (thread == NULL) return refuse(own, call, still_waits(own, call) ? of_errno(*error) : GONE, refusal);
  has_executed(thread);
  if (thread->interrupted > PATIENCE) {
    thread->interrupted = 0;
    return refuse(own, call, STARVED, EINTR);
  }

  enum sight sight = is_trusted(own, thread) ? WHOLE : look(own, thread);
  if (sight == UNREADABLE) *error = errno;
  if (sight == UNREADABLE) return refuse(own, call, of_errno(*error), refusal);
  if (sight == FOREIGN) return refuse(own, call, OCCUPIED, refusal);

  *error = seize(tid);
  /* A thread that is about to end cannot be traced either. */
  if (*error != 0) return *error == ESRCH || !still_waits(own, call) ? refuse(own, call, GONE, refusal) : NO_TRACE;

  struct given given = {-1, -1, NULL};
  enum outcome outcome = PREPARED;
  if (sight != WHOLE) {
    int read_only = -1;
    given.window = make_window(&read_only);
    if (given.window == NULL) {
      *error = errno;
      outcome = of_errno(*error);
    } else {
      /* The lower number for the data, which stays longer. */
      given.data = give(own, call, read_only);
      given.code = given.data >= 0 && sight == ABSENT ? give(own, call, own->windows.code) : -1;
      close(read_only);
      if (given.data < 0 || (sight == ABSENT && given.code < 0)) {
        *error = given.data < 0 ? -given.data : -given.code;
        outcome = *error == EMFILE || *error == ENFILE ? NO_DESCRIPTOR : *error == ENOMEM ? NO_MEMORY : GONE;
      } else {
        add_window(&own->windows, given.window, tid);
      }
      if (outcome != PREPARED) {
        free_window(given.window);
        given.window = NULL;
      }
    }
  }

  interrupt(tid);
  /* Before 5.19 the interrupt may have ended the wait already. */
  answer(own, call, outcome == PREPARED ? -ERESTARTNOINTR : -refusal, 0);
  switch (await_stop(&own->strays, tid)) {
    case ENDED:
      return GONE;
    case LATE:
    case ELSEWHERE:
      if (outcome == PREPARED) outcome = INTERRUPTED;
      break;
    case STOPPED:
      if (outcome == PREPARED) outcome = prepare(own, thread, &call->data, image, &given, refusal, error);
      detach(&own->strays, tid, 0);
      break;
  }
  thread->interrupted = outcome == INTERRUPTED ? thread->interrupted + 1 : 0;
  return outcome;
}

/* ── The prepared call ───────────────────────────────────────────────────────────────────────────────────────────── */

static struct pinned *expected_by(struct thread *thread, const struct seccomp_data *call) {
  for (int i = 0; i < NESTING; i++) {
    struct pinned *one = &thread->pinned[i];
    if (one->use == READY && memcmp(&one->expected, call, sizeof *call) == 0) return one;
  }
  return NULL;
}

enum arrival pin_arrival(struct pins *own, const struct seccomp_notif *call, struct seccomp_data *original) {
  if (call->data.instruction_pointer != STUB_CALLS) return NOT_FROM_STUB;
  struct thread *thread = find(own, (pid_t)call->pid);
  if (thread == NULL) return UNPREPARED;
  has_executed(thread);
  /* May drop what was prepared. */
  if (!is_trusted(own, thread) && look(own, thread) != WHOLE) return UNPREPARED;
  struct pinned *pinned = expected_by(thread, &call->data);
  if (pinned == NULL) return UNPREPARED;
  *original = pinned->original;
  return ARRIVED;
}

int pin_pass(struct pins *own, const struct seccomp_notif *call) {
  struct thread *thread = find(own, (pid_t)call->pid);
  struct pinned *pinned = thread == NULL ? NULL : expected_by(thread, &call->data);
  if (pinned == NULL) return -EINVAL;
  if (call->data.nr == SYS_execve || call->data.nr == SYS_execveat) {
    pin_executes(own, thread->id);
    for (int i = 0; i < NESTING; i++)
      if (&thread->pinned[i] != pinned) release(&thread->pinned[i]);
  }
  int result = answer(own, call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  if (result == 0) pinned->use = MADE;
  return result;
}

int pin_refuse(struct pins *own, const struct seccomp_notif *call, int error) { return answer(own, call, -error, 0); }

/* ── Begin and end ───────────────────────────────────────────────────────────────────────────────────────────────── */

struct pins *start_pins(int listener, enum protection protection, bool trust_executions) {
  struct pins *own = calloc(1, sizeof *own);
  if (own == NULL) return NULL;
  own->listener = listener;
  own->trust_executions = trust_executions;
  own->asks_for_dispatch = true;
  own->epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  int result = own->epoll < 0 || epoll_ctl(own->epoll, EPOLL_CTL_ADD, listener, &event) != 0 ? -errno : 0;
  if (result == 0) result = start_windows(&own->windows, protection);
  if (result == 0) return own;
  if (own->epoll >= 0) close(own->epoll);
  free(own);
  errno = -result;
  return NULL;
}

void end_pins(struct pins *own) {
  for (unsigned i = 0; i < BUCKETS; i++)
    while (own->threads[i] != NULL) pin_ended(own, own->threads[i]->id);
  end_windows(&own->windows);
  close(own->epoll);
  while (own->strays != NULL) {
    struct stray *one = own->strays;
    own->strays = one->next;
    free(one);
  }
  free(own);
}
