/* SPDX-License-Identifier: MIT */
/* Requests to tracees: their registers, and their stops. kept.h is for those that stay seized. */
#ifndef TRACEE_H
#define TRACEE_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ── Requests that change a tracee (tracee.c) ────────────────────────────────────────────────────────────────────── */

void interrupt(pid_t tid);
/*
 * ptrace(2) with a request that changes or continues a stopped tracee; all such requests are made here. False if the task is
 * not stopped, or is the new program that another thread of a process has executed and that has its leader's id.
 */
bool change_tracee(int request, pid_t tid, const void *address, const void *data);
/* Detaches a tracee at the stop that wait(2) has reported, whatever it is. Returns 0 or a positive errno. */
int detach_tracee(pid_t tid, int signal);
/* Kills the process of a tracee that is not such a program. */
void kill_tracee(pid_t tid, pid_t process);
/* Whether a wait status, without its low byte, says that the tracee executes a program. */
bool is_execution(int code);
/* Whether the stopped tracee is such a program. False while it runs. */
bool is_new_program(pid_t tid);

/* ── Registers (registers.c) ─────────────────────────────────────────────────────────────────────────────────────── */

#if defined(__x86_64__)
#include <sys/user.h>
typedef struct user_regs_struct registers;
enum { CALL_INSTRUCTION = 2 }; /* bytes */
#elif defined(__aarch64__)
#include <asm/ptrace.h>
typedef struct {
  struct user_pt_regs user;
  int number; /* NT_ARM_SYSTEM_CALL; −1: not in a call, so there is nothing to restart */
} registers;
enum { CALL_INSTRUCTION = 4 };
#endif

bool get_registers(pid_t tid, registers *into);
bool set_registers(pid_t tid, const registers *from);
/* The tracee has stopped in this call, before the kernel restarts it. */
bool is_in_call(const registers *at, const struct seccomp_data *call);
/* Makes this call with the call instruction at that address. */
void enter_call(registers *at, uint64_t instruction, long number, const uint64_t arguments[6]);
/* Whether the tracee has stopped before this call. */
bool is_entering(const registers *at, long number, const uint64_t arguments[6]);
int64_t result_of(const registers *at);
/* Makes the call in which the tracee has stopped return this. */
void return_from_call(registers *at, int64_t result);
/* Whether a stop for a signal has interrupted a call that the kernel may restart with SA_RESTART; `call` gets it. */
bool is_interrupted(const registers *at, pid_t tid, struct seccomp_data *call);
/* Makes the kernel restart that call whatever SA_RESTART says. False if that is not possible. */
bool restart_always(registers *at, pid_t tid);
uint64_t stack_of(const registers *at);
void set_stack(registers *at, uint64_t address);

/* ── Calls of ours that wait for another task (moment.c) ─────────────────────────────────────────────────────────── */

/*
 * Seizes the task with these options. Returns 0, or the positive errno with which the kernel refuses it; EINTR after two to four
 * milliseconds.
 */
int seize_promptly(pid_t tid, unsigned long options);
/* Deletes this thread's timer, which the kernel would keep after the thread's end. */
void end_moments(void);
/* waitpid(2) for a tracee: its id, or a negative errno; -EINTR after the same time, and -EAGAIN if no timer can be had. */
int wait_promptly(pid_t tid, int *status);
/*
 * Waits until a tracee of this thread has stopped or ended, which a later wait reports. Returns 0 or a negative errno: -EINTR and
 * -EAGAIN as above, -ECHILD if there is none.
 */
int await_change(void);

/* ── Stopping a thread (stop.c) ──────────────────────────────────────────────────────────────────────────────────── */

enum stop {
  STOPPED,   /* by PTRACE_INTERRUPT, at its next return to its program */
  ELSEWHERE, /* it stopped for a signal, has got that signal, and is detached */
  ENDED,
  LATE, /* it has not stopped in time, and is a late tracee now: `release_late` */
};

struct late_tracee {
  pid_t tid;
  struct late_tracee *next;
};

/* Returns 0, or the positive errno with which the kernel refuses it. EINTR: another thread of the process executes a program,
   and that takes long. */
int seize(pid_t tid);
/* One attempt, of a moment. EINTR: another one may succeed. */
int seize_at_once(pid_t tid);
/*
 * `wait_promptly` if it `waits`; otherwise it returns at once, 0 if nothing has changed. A tracee that has ended or executes a
 * program is no longer kept (kept.h).
 */
int change_of(pid_t tid, int *status, bool waits);
enum stop await_stop(struct late_tracee **late, pid_t tid);
/* The same, with a shorter wait. */
enum stop await_prompt_stop(struct late_tracee **late, pid_t tid);
/* Detaches the thread; if it cannot be detached yet, it becomes a late tracee. */
void detach(struct late_tracee **late, pid_t tid, int signal);
/* Detaches the late tracees that have stopped meanwhile. */
void release_late(struct late_tracee **late);
/* True if the thread has not stopped yet. */
bool is_late_tracee(const struct late_tracee *late, pid_t tid);

#endif
