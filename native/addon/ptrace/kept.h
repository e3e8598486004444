/* SPDX-License-Identifier: MIT */
/*
 * Kept tasks: tracees that stay seized, so that a signal does not end the wait of their supervised calls for the supervisor.
 *
 * A supervised call waits interruptibly until the supervisor has received it (kernel/seccomp.c, Linux 6.18). A signal ends
 * that wait with ERESTARTSYS, which the program sees as EINTR if the handler lacks SA_RESTART. A seized task stops for a
 * signal before the kernel prepares the handler and looks at this result (kernel/signal.c, get_signal()). At that stop we
 * write ERESTARTNOINTR in its place: after the handler the kernel makes the call again.
 *
 * The state is a keeper's. Each thread is one, because to the kernel a tracer is a thread. Functions without a keeper are of
 * the calling thread.
 */
#ifndef KEPT_H
#define KEPT_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct keeper;
/* Valid as long as the thread lives. */
struct keeper *this_keeper(void);

/*
 * Begins: `event` is an eventfd that becomes readable when a tracee has stopped or ended. `filter` tells which calls are
 * supervised. Returns 0 or a negative errno. The thread no longer handles SIGCHLD outside of `stops_mask`.
 */
int start_keeping(int event, const struct sock_filter *filter, size_t length);
void end_keeping(void);
/* Seizes the task and keeps it. Returns 0 or the positive errno of ptrace(2). */
int keep_task(pid_t tid);
/* Keeps a tracee, which a kept one has made. */
void add_kept(pid_t tid);
/* The next `let_go` detaches it; or it has ended. */
void forget_kept(pid_t tid);
/* Whether the task is kept, and still our tracee. */
bool is_kept(pid_t tid);
/* Whether it was kept until its process was stopped. Then it is to be kept again at its next call. */
bool is_suspended(struct keeper *keeper, pid_t tid);
/* Whether the task was kept when the keeper last looked. */
bool has_kept(struct keeper *keeper, pid_t tid);
bool keeps_any(const struct keeper *keeper);
/*
 * Continues a kept tracee that has stopped, with the signal for which it has stopped (0: none), and detaches another one, and
 * one whose process is stopped (SIGSTOP and the like).
 * Returns 0 or the positive errno of ptrace(2).
 */
int let_go(pid_t tid, int signal);
/* A notification has been received. */
void note_call(const struct seccomp_notif *call);
/* Whether a tracee may have stopped or ended since the last time. */
bool take_stops(void);
/* Whether `take_stops` returns true without the passing of time. */
bool has_stops(void);
/* Whether a tracee of this thread has stopped or ended, and no wait has reported it. */
bool has_changed_tracee(void);
/* Stops of tracees send no SIGCHLD while no task is kept: each pinned call is one. */
void ignore_stops(void);
/* The signals to block in a wait that a stop may end. */
const sigset_t *stops_mask(void);

#endif
