// SPDX-License-Identifier: MIT
/*
 * The protocol of a pinned call, whose steps pin.h lists.
 *
 * A signal handler can run between the two notifications of a call and make calls itself. So a thread can have up to
 * NESTING prepared calls that are not yet made. A further call replaces the oldest, whose stub then gets AGAIN.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../ptrace/kept.h"
#include "../base/listener.h"
#include "copy_errors.h"
#include "pins.h"
#include "reads.h"

enum {
  /* Interruptions in a row until a call is refused: a signal every 150 µs can keep a call from ever being prepared. */
  PATIENCE = 256,
  /* The same, because another thread closes the window's descriptors before they are mapped. It can do so in a loop, and then
     one of some thousand attempts succeeds. The process needs the window only once. */
  CLOSED_PATIENCE = 65536,
  ERESTARTNOINTR = 513,
};

/* Nanoseconds. A prepared call usually arrives within some microseconds, on a busy machine within milliseconds. */
static const uint64_t longest_way = 100000000;

/* A read of /proc/TID/mem grows a stack, as PTRACE_PEEKDATA does, which only the tracer's thread may use. */
static void look_apart(pid_t tid, uint64_t stack) {
  char path[40], word[8];
  snprintf(path, sizeof path, "/proc/%d/mem", tid);
  const int memory = open(path, O_RDONLY | O_CLOEXEC);
  if (memory < 0) return;
  if (pread(memory, word, sizeof word, (off_t)(stack & ~(uint64_t)7)) < 0) errno = 0;
  close(memory);
}

static long run_frame(struct read *read) {
  struct iovec local = {read->bytes, read->size}, remote = {(void *)(uintptr_t)read->address, read->size};
  const pid_t tid = (pid_t)read->call.pid;
  if (process_vm_writev(tid, &local, 1, &remote, 1, 0) == (ssize_t)read->size) return 0;
  look_apart(tid, read->address);
  return process_vm_writev(tid, &local, 1, &remote, 1, 0) == (ssize_t)read->size ? 0 : -COPY_UNMAPPED;
}

/* Returns 0 if the frame is written, and -COPY_UNDER_WAY if the caller must stay stopped. */
static long write_frame_apart(struct pins *self, const struct thread *thread, uint64_t stack,
                              const struct frame *frame) {
  const struct seccomp_notif call = {.pid = (uint32_t)thread->id};
  struct read *read = new_read(&call, stack, sizeof *frame);
  if (read == NULL) return -ENOMEM;
  memcpy(read->bytes, frame, sizeof *frame);
  read->process = thread->process->id;
  read->run = run_frame;
  return write_apart(self->reads, read);
}

static bool write_frame(pid_t tid, uint64_t stack, const struct frame *frame) {
  struct iovec local = {(void *)(uintptr_t)frame, sizeof *frame}, remote = {(void *)(uintptr_t)stack, sizeof *frame};
  for (int attempt = 0;; attempt++) {
    if (process_vm_writev(tid, &local, 1, &remote, 1, 0) == (ssize_t)sizeof *frame) return true;
    if (attempt > 0) return false;
    /* PTRACE_PEEKDATA grows a stack, and process_vm_writev(2) does not. PTRACE_POKEDATA would ignore mprotect(2). */
    errno = 0;
    ptrace(PTRACE_PEEKDATA, tid, (void *)(uintptr_t)(stack & ~(uint64_t)7), NULL);
    if (errno != 0) return false;
  }
}

static bool makes_child(const struct seccomp_data *call) {
  switch (call->nr) {
    case SYS_clone:
    case SYS_clone3:
#ifdef SYS_fork
    case SYS_fork:
    case SYS_vfork:
#endif
      return true;
    default:
      return false;
  }
}

bool fits_call(const struct image *image, const struct seccomp_data *call) {
  if (image->rooms != 0 && makes_child(call)) return false;
  return call->nr != SYS_clone3 ||
         (image->registers[0] == 0 && image->relocation_count == 0 && image->length >= CLONE_ARGS_SIZE_VER0);
}

static uint64_t clone_flags(const struct image *image, const struct seccomp_data *call) {
  uint64_t flags = 0;
  if (call->nr == SYS_clone3) memcpy(&flags, image->bytes + offsetof(struct clone_args, flags), sizeof flags);
  return flags;
}

static enum stub stub_for(const struct image *image, const struct seccomp_data *call) {
  if (image->rooms != 0) return REPORTS_END;
  if (call->nr != SYS_clone3) return FRAME_AT_STACK;
  return (clone_flags(image, call) & CLONE_VM) != 0 ? SLOT : FRAME_IN_REGISTER;
}

static struct pinned *take_pinned(struct pins *self, struct thread *thread, const struct seccomp_data *call,
                                  enum stub stub, uint32_t length) {
  struct pinned *oldest = NULL;
  /* The thread makes a call, so the kernel has copied the memory of its earlier calls. */
  for (int i = 0; i < NESTING; i++) {
    struct pinned *one = &thread->pinned[i];
    if (one->use == MADE) release_pinned(one);
    if (oldest == NULL || one->use == UNUSED || (oldest->use != UNUSED && one->order < oldest->order)) oldest = one;
  }
  release_pinned(oldest);
  struct slot *slot = NULL;
  int at;
  if (stub == SLOT) {
    const struct slot_record record = {call->args[0], call->args[1], call->instruction_pointer};
    slot = take_slot(thread->window, &record, length);
    at = slot == NULL ? -1 : slot->at;
  } else {
    at = take_room(thread->window, length);
  }
  if (at < 0) return NULL;
  *oldest = (struct pinned){.use = READY,
                            .window = thread->window,
                            .at = at,
                            .length = length,
                            .slot = slot,
                            .stub = stub,
                            .order = ++self->order,
                            .state = self->state,
                            .calls = thread->calls,
                            .time = now()};
  return oldest;
}

static uint64_t address_of(const struct pinned *pinned) {
  return data_of_place(pinned->window->place) + (uint64_t)pinned->at;
}

static void fill(struct pinned *pinned, const struct image *image, const struct seccomp_data *call) {
  unsigned char *to = pinned->window->bytes + pinned->at;
  uint64_t base = address_of(pinned);
  memcpy(to, image->bytes, image->length);
  for (uint32_t i = 0; i < image->relocation_count; i++) {
    uint64_t address = base + image->relocations[2 * i + 1];
    memcpy(to + image->relocations[2 * i], &address, sizeof address);
  }
  pinned->judged.registers = *call;
  pinned->expected = *call;
  pinned->expected.instruction_pointer = notifies_at(pinned->window->place, pinned->stub);
  for (int i = 0; i < 6; i++)
    if (image->registers[i] >= 0) pinned->expected.args[i] = base + (uint64_t)image->registers[i];
}

/* Sends the stopped caller to the stub. */
static enum outcome enter(struct pins *self, const struct thread *thread, registers *at, struct pinned *pinned,
                          const struct seccomp_data *call, bool *stays_stopped) {
  const pid_t tid = thread->id;
  uint64_t found_at = address_of(pinned);
  if (pinned->stub != SLOT) {
    found_at = stack_of(at) - FRAME_SIZE;
    struct frame frame = {.instruction_pointer = call->instruction_pointer, .number = (uint64_t)(int64_t)call->nr};
    memcpy(frame.arguments, call->args, sizeof frame.arguments);
    if (self->reads_apart) {
      const long result = write_frame_apart(self, thread, found_at, &frame);
      *stays_stopped = result == -COPY_UNDER_WAY;
      if (result != 0) return result == -COPY_UNDER_WAY || result == -COPY_STALLED ? STALLED : NO_STACK;
    } else if (!write_frame(tid, found_at, &frame)) {
      return NO_STACK;
    }
    set_stack(at, found_at);
  }
  uint64_t arguments[6];
  memcpy(arguments, pinned->expected.args, sizeof arguments);
  enter_stub(at, pinned->window->place, pinned->stub, found_at, call->nr, arguments);
  memcpy(pinned->expected.args, arguments, sizeof arguments);
  return set_registers(tid, at) ? PREPARED : GONE;
}

/* The caller makes its own call again. */
static bool enter_anew(pid_t tid, registers *at, const struct seccomp_data *call) {
  uint64_t arguments[6];
  memcpy(arguments, call->args, sizeof arguments);
  enter_call(at, call->instruction_pointer - CALL_INSTRUCTION, call->nr, arguments);
  return set_registers(tid, at);
}

/*
 * The caller has stopped in its call. Prepares the pinned call, or makes the caller's call return the refusal, whose reason
 * can be the earlier `outcome`. With *stays_stopped the caller must stay stopped until a late write has ended, and then makes
 * its call anew.
 */
static enum outcome prepare(struct pins *self, struct thread *thread, const struct seccomp_data *call,
                            const struct image *image, enum outcome outcome, struct given *given, int refusal,
                            int *error, bool *stays_stopped) {
  pid_t tid = thread->id;
  registers at;
  if (!get_registers(tid, &at)) return GONE;
  if (!is_in_call(&at, call)) return INTERRUPTED;
  const uint64_t instruction = call->instruction_pointer - CALL_INSTRUCTION;
  if (outcome == PREPARED && has_dispatch(self, tid)) outcome = DISPATCHED;
  const bool is_mapped = given->state == WHOLE;
  if ((outcome != PREPARED || is_mapped) && !take_back(self, thread, &at, instruction, given)) return GONE;
  /* The call no longer waited when the caller should get its second descriptor. */
  if (outcome == GONE) return enter_anew(tid, &at, call) ? INTERRUPTED : GONE;
  if (outcome == PREPARED && !is_mapped) {
    outcome = map_window(self, thread, &at, instruction, given, error);
    if (outcome == GONE) return GONE;
    if (outcome == PREPARED) {
      int place;
      enum window_state state = look(self, thread, &place);
      if (state == UNKNOWN) *error = errno;
      if (state != WHOLE) outcome = state == UNKNOWN ? UNREADABLE : state == UNSEALED ? NOT_PROTECTED : OCCUPIED;
    }
  }
  /* Another thread has closed the descriptor. */
  if (outcome == NOT_MAPPED && *error == EBADF) return enter_anew(tid, &at, call) ? INTERRUPTED : GONE;
  struct pinned *pinned =
      outcome == PREPARED ? take_pinned(self, thread, call, stub_for(image, call), image->length) : NULL;
  if (outcome == PREPARED && pinned == NULL) outcome = NO_ROOM;
  if (pinned != NULL) {
    fill(pinned, image, call);
    pinned->judged.clone_flags = clone_flags(image, call);
    pinned->judged.rooms = image->rooms;
    pinned->judged.credentials = image->credentials;
    registers stopped = at;
    outcome = enter(self, thread, &at, pinned, call, stays_stopped);
    if (outcome == PREPARED) return PREPARED;
    at = stopped;
    release_pinned(pinned);
    /* On a busy machine the page is only late: once it is there, the call is made and judged anew. */
    if (*stays_stopped) return enter_anew(tid, &at, call) ? INTERRUPTED : GONE;
  }
  if (refusal == 0) return enter_anew(tid, &at, call) ? outcome : GONE;
  return_from_call(&at, -refusal);
  return set_registers(tid, &at) ? outcome : GONE;
}

static enum outcome of_errno(int error, enum outcome otherwise) {
  return error == EMFILE || error == ENFILE ? NO_DESCRIPTOR : error == ENOMEM ? NO_MEMORY : otherwise;
}

/* Puts a descriptor into the caller's table; negative: errno. */
static int give(struct pins *self, const struct seccomp_notif *call, int descriptor) {
  struct seccomp_notif_addfd order = {.id = call->id, .srcfd = (uint32_t)descriptor, .newfd_flags = O_CLOEXEC};
  return add_descriptor(self->listener, &order);
}

/*
 * Gives the caller the descriptors with which it maps a window. Those of an attempt that ended before that are used again.
 * With an outcome other than PREPARED it has none, or only some.
 */
static enum outcome give_window(struct pins *self, struct thread *thread, const struct seccomp_notif *call,
                                struct given *given, int *error) {
  int result = 0, read_only = -1;
  if (given->code >= 0 && !still_has(thread->id, given->code, self->windows.code_inode)) given->code = -1;
  if (given->data >= 0 && !still_has(thread->id, given->data, given->window->inode)) given->data = -1;
  if (given->data < 0) {
    if (given->window != NULL) {
      given->window->users--;
      drop_window(&self->windows, given->window);
    }
    given->window = make_window(&read_only);
    if (given->window == NULL) {
      *error = errno;
      return of_errno(*error, NO_WINDOW);
    }
    result = add_window(&self->windows, given->window, thread->id);
    if (result < 0) {
      given->window = NULL;
      close(read_only);
      *error = -result;
      return *error == ENOENT || *error == ESRCH ? GONE : of_errno(*error, UNREADABLE);
    }
    /* The data's descriptor stays open longer, so it gets the lower number. */
    result = given->data = give(self, call, read_only);
    close(read_only);
  }
  given->window->place = given->place;
  if (result >= 0 && given->state == ABSENT && given->code < 0)
    result = given->code = give(self, call, self->windows.code);
  if (result >= 0) return PREPARED;
  *error = -result;
  return of_errno(*error, GONE);
}

static bool gives_result(struct pins *self, struct thread *thread, const struct seccomp_notif *call,
                         const struct image *image, bool has_window, enum outcome *outcome, int *error) {
  const enum answer answered = answer_by_path(self, thread, call, image, has_window, error);
  if (answered == NO_ANSWER) return false;
  thread->interrupted = thread->closed = 0;
  thread->given_up = PREPARED;
  *outcome = answered == HAS_ANSWER ? HAS_RESULT : GONE;
  return true;
}

enum outcome pin_call(struct pins *self, const struct seccomp_notif *call, const struct image *image, int refusal,
                      int *error) {
  pid_t tid = (pid_t)call->pid;
  *error = 0;
  release_late(&self->late);
  /* The thread is about to stop for us; then it makes its call again. */
  if (is_late_tracee(self->late, tid)) return refuse(self, call, INTERRUPTED, ERESTARTNOINTR);

  struct thread *thread = enter_thread(self, tid, error);
  if (thread == NULL) return refuse(self, call, still_waits(self, call) ? of_errno(*error, UNREADABLE) : GONE, refusal);
  has_executed(thread);
  enum outcome result = GONE;
  const bool has_window = is_trusted(self, thread);
  if (gives_result(self, thread, call, image, has_window, &result, error)) return result;
  if (thread->interrupted > PATIENCE || thread->closed > CLOSED_PATIENCE) {
    thread->interrupted = thread->closed = 0;
    return refuse(self, call, STARVED, refusal == 0 ? 0 : EINTR);
  }
  if (thread->given_up != PREPARED) {
    enum outcome why = thread->given_up;
    *error = thread->given_up_error;
    thread->given_up = PREPARED;
    if (refusal == 0) return refuse(self, call, why, 0);
  }

  int place = 0;
  enum window_state state = has_window ? WHOLE : look(self, thread, &place);
  if (state == UNKNOWN) *error = errno;
  if (!has_window && state == WHOLE && gives_result(self, thread, call, image, true, &result, error)) return result;
  if (state == UNKNOWN) return refuse(self, call, of_errno(*error, UNREADABLE), refusal);
  if (state == UNSEALED) return refuse(self, call, NOT_PROTECTED, refusal);
  if (state == FOREIGN) return refuse(self, call, OCCUPIED, refusal);

  *error = seize(tid);
  if (*error != 0 && state != WHOLE && gives_result(self, thread, call, image, true, &result, error)) return result;
  /* A thread that is about to end cannot be traced either. */
  if (*error != 0) return *error == ESRCH || !still_waits(self, call) ? refuse(self, call, GONE, refusal) : NO_TRACE;

  struct given given = take_given(thread);
  /* A traced thread's id is not used again. If the caller had ended before, another thread has been seized. */
  enum outcome outcome = still_waits(self, call) ? PREPARED : GONE;
  const bool is_there = outcome == PREPARED;
  given.state = state;
  given.place = place;
  if (is_there && state != WHOLE) outcome = give_window(self, thread, call, &given, error);

  interrupt(tid);
  /* The caller closes the descriptors that it has got in vain before its call is refused. */
  const bool stops_in_call = outcome == PREPARED || (is_there && (given.data >= 0 || given.code >= 0));
  /* Before 5.19 the interrupt may have ended the wait already. */
  answer(self, call, stops_in_call || refusal == 0 ? -ERESTARTNOINTR : -refusal, 0);
  bool stays_stopped = false;
  switch (await_stop(&self->late, tid)) {
    case ENDED:
      outcome = GONE;
      break;
    case LATE:
    case ELSEWHERE:
      if (stops_in_call) outcome = INTERRUPTED;
      break;
    case STOPPED:
      if (stops_in_call)
        outcome = prepare(self, thread, &call->data, image, outcome, &given, refusal, error, &stays_stopped);
      if (!stays_stopped) detach(&self->late, tid, 0);
      break;
  }
  settle(self, thread, &given);
  if (outcome == GONE) return GONE;
  if (outcome != INTERRUPTED) thread->interrupted = thread->closed = 0;
  else if (*error == EBADF) thread->closed++;
  else thread->interrupted++;
  if (refusal > 0 || outcome == PREPARED || outcome == INTERRUPTED || outcome == GONE) return outcome;
  /* The caller makes its own call again, which then passes. */
  thread->given_up = outcome;
  thread->given_up_error = *error;
  return INTERRUPTED;
}

/* ── The prepared call ───────────────────────────────────────────────────────────────────────────────────────────── */

static struct pinned *find_pinned(struct thread *thread, enum use use, const struct seccomp_data *call) {
  for (int i = 0; i < NESTING; i++) {
    struct pinned *one = &thread->pinned[i];
    if (one->use == use && memcmp(&one->expected, call, sizeof *call) == 0) return one;
  }
  return NULL;
}

static struct pinned *expected_by(struct thread *thread, const struct seccomp_data *call) {
  return find_pinned(thread, READY, call);
}

static bool is_from_stub(const struct seccomp_data *call) {
  const uint64_t from = call->instruction_pointer;
  const int place = place_of(from);
  return place >= 0 && (from == notifies_at(place, FRAME_AT_STACK) || from == notifies_at(place, FRAME_IN_REGISTER) ||
                        from == notifies_at(place, SLOT) || from == notifies_at(place, REPORTS_END));
}

static bool reports_end(const struct seccomp_data *call) {
  const int place = place_of(call->instruction_pointer);
  return place >= 0 && call->instruction_pointer == reports_end_at(place);
}

/*
 * Its verdict depended on a state that has changed, and its thread has run a signal handler since. Without a handler the
 * change is as one at the same time: the kernel may also delay a call that has passed.
 */
static bool is_outdated(const struct pins *self, const struct thread *thread, const struct pinned *pinned) {
  const bool has_changed = self->always_changes || pinned->state != self->state;
  return has_changed && (pinned->calls != thread->calls || now() - pinned->time > longest_way);
}

void pin_changes_state(struct pins *self) { self->state++; }
void pin_state_always_changes(struct pins *self) { self->always_changes = true; }

enum arrival pin_arrival(struct pins *self, const struct seccomp_notif *call, struct judged *judged) {
  /* A thread at this instruction is in no other call, however it got there. */
  if (reports_end(&call->data)) return HAS_ENDED;
  struct thread *thread = find_thread(self, (pid_t)call->pid);
  if (!is_from_stub(&call->data)) {
    if (thread != NULL) thread->calls++;
    return NOT_FROM_STUB;
  }
  if (thread == NULL) return UNPREPARED;
  has_executed(thread);
  /* `look` may release the prepared calls. */
  int place;
  if (!is_trusted(self, thread) && look(self, thread, &place) != WHOLE) return UNPREPARED;
  struct pinned *pinned = expected_by(thread, &call->data);
  if (pinned == NULL) return UNPREPARED;
  if (is_outdated(self, thread, pinned)) {
    release_pinned(pinned);
    return UNPREPARED;
  }
  *judged = pinned->judged;
  return ARRIVED;
}

int pin_pass(struct pins *self, const struct seccomp_notif *call) {
  struct thread *thread = find_thread(self, (pid_t)call->pid);
  struct pinned *pinned = thread == NULL ? NULL : expected_by(thread, &call->data);
  if (pinned == NULL) return -EINVAL;
  if (call->data.nr == SYS_execve || call->data.nr == SYS_execveat) {
    pin_executes(self, thread->id);
    for (int i = 0; i < NESTING; i++)
      if (&thread->pinned[i] != pinned) release_pinned(&thread->pinned[i]);
  }
  int result = answer(self, call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  if (result == 0) pinned->use = MADE;
  return result;
}

/* Its memory is still in the window: only a further pinned call of its thread frees that. */
void pin_restarts(struct pins *self, pid_t tid, const struct seccomp_data *call) {
  struct thread *thread = find_thread(self, tid);
  struct pinned *pinned = thread == NULL ? NULL : find_pinned(thread, MADE, call);
  if (pinned == NULL) return;
  pinned->use = READY;
  pinned->time = now();
}

bool pin_audits(const struct pins *self) { return self->audits; }

int pin_interrupt(struct pins *self, pid_t tid) {
  release_late(&self->late);
  if (is_late_tracee(self->late, tid)) return -EINPROGRESS;
  const int error = seize_at_once(tid);
  if (error != 0) return -error;
  interrupt(tid);
  switch (await_prompt_stop(&self->late, tid)) {
    case STOPPED:
      detach(&self->late, tid, 0);
      return 0;
    case ELSEWHERE:
      return 0;
    case ENDED:
      return -ESRCH;
    case LATE:
      return -EINPROGRESS;
  }
  return -EINVAL;
}

int pin_refuse(struct pins *self, const struct seccomp_notif *call, int error) { return answer(self, call, -error, 0); }

/* ── Memory whose reads may never end ────────────────────────────────────────────────────────────────────────────── */

void pin_reads_apart(struct pins *self) { self->reads_apart = true; }
int pin_reads_timer(const struct pins *self) { return reads_timer(self->reads); }

bool pin_needs_thread(const struct pins *self) { return self->late != NULL || self->reads_apart || has_waiting(self); }

bool pin_comes_back(struct pins *self, struct seccomp_notif *into) {
  if (!self->reads_apart) return false;
  for (;;) {
    pid_t tid;
    switch (next_read(self->reads, into, &tid)) {
      case NO_READ:
        return false;
      case CALL_COMES_BACK:
        return true;
      case CALLER_MAY_GO:
        detach(&self->late, tid, 0);
        break;
    }
  }
}

bool pin_awaits_notification(struct pins *self, int milliseconds) {
  return !self->reads_apart || is_question_first(self->reads, milliseconds);
}

/* ── Start and end ───────────────────────────────────────────────────────────────────────────────────────────────── */

struct pins *start_pins(int listener, enum protection protection, bool trust_executions, bool audits, bool answers,
                        bool writes_results, bool is_killable, bool sees_threads_end) {
  struct pins *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->listener = listener;
  self->trust_executions = trust_executions;
  self->audits = audits;
  self->writes_results = writes_results;
  self->is_killable = is_killable;
  self->sees_threads_end = sees_threads_end;
  self->asks_for_dispatch = true;
  self->epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  int result = self->epoll < 0 || epoll_ctl(self->epoll, EPOLL_CTL_ADD, listener, &event) != 0 ? -errno : 0;
  /* The pool opens its descriptors now, because the command can later set our RLIMIT_NOFILE to 0. */
  self->reads = result == 0 ? start_reads(listener) : NULL;
  if (result == 0 && self->reads == NULL) result = -errno;
  if (result == 0) result = start_windows(&self->windows, protection);
  if (result == 0) {
    if (answers && trust_executions) start_walking(self);
    start_knowing_memories(self);
    ignore_stops();
    return self;
  }
  if (self->reads != NULL) end_reads(self->reads);
  if (self->epoll >= 0) close(self->epoll);
  free(self);
  errno = -result;
  return NULL;
}

void end_pins(struct pins *self) {
  for (unsigned i = 0; i < BUCKETS; i++)
    while (self->threads[i] != NULL) pin_ended(self, self->threads[i]->id);
  end_windows(&self->windows);
  stop_walking(self);
  end_reads(self->reads);
  close(self->epoll);
  while (self->late != NULL) {
    struct late_tracee *one = self->late;
    self->late = one->next;
    free(one);
  }
  free(self->waiting);
  free(self);
}
