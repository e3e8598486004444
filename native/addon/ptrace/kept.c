// SPDX-License-Identifier: MIT
/* Kept tasks: the notice of their stops, the table, and the stop for a signal. */
#define _GNU_SOURCE
#include "kept.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/classic.h"
#include "../base/clock.h"
#include "tracee.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

enum {
  BUCKETS = 256,
  KEEPING_OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
      PTRACE_O_TRACEVFORK
};

/* Nanoseconds. A signal can be lost: code of the same process can replace its handler. */
static const uint64_t longest_blindness = 50000000;

struct kept {
  pid_t tid;
  bool is_suspended; /* no tracee, from a stop of its process until its next call */
  bool has_called;
  uint64_t called_at;
  struct seccomp_data call; /* the last one that was received */
  struct kept *next;
};

struct keeper {
  struct kept *kept[BUCKETS];
  unsigned count;
  struct sock_filter *filter;
  sigset_t waiting_mask;
  uint64_t looked_at;
  struct notice *notice; /* NULL: it keeps no task */
};
static __thread struct keeper self;

struct keeper *this_keeper(void) { return &self; }

static struct kept **place_in(struct keeper *keeper, pid_t tid) {
  struct kept **at = &keeper->kept[(unsigned)tid % BUCKETS];
  while (*at != NULL && (*at)->tid != tid) at = &(*at)->next;
  return at;
}

static struct kept **place_of(pid_t tid) { return place_in(&self, tid); }

bool keeps_any(const struct keeper *keeper) { return keeper->count > 0; }
bool has_kept(struct keeper *keeper, pid_t tid) { return keeper->count > 0 && *place_in(keeper, tid) != NULL; }

/* ── Notice of stops ─────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * The kernel sends SIGCHLD to the tracer's process, and prefers the tracer's thread (kernel/signal.c, complete_signal(),
 * Linux 6.18). While that thread works it blocks the signal, which could end its own calls, and another thread handles it.
 */
enum { MOST_THREADS = 4096 };
struct notice {
  atomic_bool is_used, is_wanted;
  int event;
};
static struct notice notices[MOST_THREADS];
/* The places from this one on are not used. */
static atomic_int notices_end;
static pthread_mutex_t notices_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static bool is_installed;
static unsigned keepers;

static void notice_stop(int signal, siginfo_t *information, void *context) {
  const int error = errno;
  for (int i = 0, end = atomic_load(&notices_end); i < end; i++) {
    if (!atomic_load(&notices[i].is_used)) continue;
    const uint64_t one = 1;
    if (write(notices[i].event, &one, sizeof one) < 0) errno = 0; /* it is readable already */
    atomic_store(&notices[i].is_wanted, true); /* last, so that a cleared event leaves no wish behind */
  }
  if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != NULL)
    before.sa_sigaction(signal, information, context);
  else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) before.sa_handler(signal);
  errno = error;
}

/* `stops`: also for stops. Each pinned call is one (pin.c), so they are wanted only while a task is kept. */
static void set_handler(bool stops) {
  struct sigaction now_there, action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = notice_stop;
  action.sa_flags = SA_SIGINFO | SA_RESTART | (stops ? 0 : SA_NOCLDSTOP);
  if (sigaction(SIGCHLD, NULL, &now_there) != 0) return;
  if ((now_there.sa_flags & SA_SIGINFO) == 0 || now_there.sa_sigaction != notice_stop) before = now_there;
  is_installed = sigaction(SIGCHLD, &action, NULL) == 0;
}

static void want_stops(bool wanted) {
  pthread_mutex_lock(&notices_lock);
  keepers += wanted ? 1 : -1u;
  if (!is_installed || keepers == (wanted ? 1 : 0)) set_handler(keepers > 0);
  pthread_mutex_unlock(&notices_lock);
}

void ignore_stops(void) {
  struct sigaction action;
  pthread_mutex_lock(&notices_lock);
  if (keepers == 0 && sigaction(SIGCHLD, NULL, &action) == 0) {
    action.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &action, NULL);
  }
  pthread_mutex_unlock(&notices_lock);
}

int start_keeping(int event, const struct sock_filter *instructions, size_t length) {
  end_keeping();
  self.filter = malloc(length * sizeof *self.filter);
  if (self.filter == NULL) return -ENOMEM;
  memcpy(self.filter, instructions, length * sizeof *self.filter);
  pthread_mutex_lock(&notices_lock);
  for (int i = 0; i < MOST_THREADS && self.notice == NULL; i++) {
    if (atomic_load(&notices[i].is_used)) continue;
    self.notice = &notices[i];
    self.notice->event = event;
    atomic_store(&self.notice->is_used, true);
    if (i >= atomic_load(&notices_end)) atomic_store(&notices_end, i + 1);
  }
  pthread_mutex_unlock(&notices_lock);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGCHLD);
  const int error = pthread_sigmask(SIG_BLOCK, &one, &self.waiting_mask);
  sigdelset(&self.waiting_mask, SIGCHLD);
  if (error == 0 && self.notice != NULL) return 0;
  end_keeping();
  return error == 0 ? -EMFILE : -error;
}

void end_keeping(void) {
  for (unsigned i = 0; i < BUCKETS; i++)
    while (self.kept[i] != NULL) forget_kept(self.kept[i]->tid);
  if (self.notice != NULL) atomic_store(&self.notice->is_used, false);
  self.notice = NULL;
  free(self.filter);
  self.filter = NULL;
}

bool has_stops(void) { return self.notice != NULL && atomic_load(&self.notice->is_wanted); }

bool take_stops(void) {
  if (self.notice == NULL) return false;
  const uint64_t time = now();
  const bool is_wanted = atomic_exchange(&self.notice->is_wanted, false);
  if (!is_wanted && time - self.looked_at < longest_blindness) return false;
  uint64_t count;
  if (is_wanted && read(self.notice->event, &count, sizeof count) < 0) errno = 0;
  if (!is_wanted && self.count > 0) {
    pthread_mutex_lock(&notices_lock);
    set_handler(true);
    pthread_mutex_unlock(&notices_lock);
  }
  self.looked_at = time;
  return true;
}

bool has_changed_tracee(void) {
  siginfo_t change = {0};
  return waitid(P_ALL, 0, &change, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL | __WNOTHREAD) == 0 &&
         change.si_pid != 0;
}

const sigset_t *stops_mask(void) { return &self.waiting_mask; }

/* ── The table ───────────────────────────────────────────────────────────────────────────────────────────────────── */

void add_kept(pid_t tid) {
  struct kept *former = *place_of(tid);
  if (former != NULL) former->is_suspended = false;
  if (self.notice == NULL || former != NULL) return;
  struct kept *one = calloc(1, sizeof *one);
  if (one == NULL) return; /* then it is detached at its next stop */
  struct kept **first = &self.kept[(unsigned)tid % BUCKETS];
  *one = (struct kept){.tid = tid, .next = *first};
  *first = one;
  if (self.count++ == 0) want_stops(true);
}

void forget_kept(pid_t tid) {
  struct kept **at = place_of(tid), *one = *at;
  if (one == NULL) return;
  *at = one->next;
  free(one);
  if (--self.count == 0) want_stops(false);
}

/* A tracee that has ended is one until a wait reports its end. */
static bool is_tracee(pid_t tid) {
  siginfo_t state;
  return waitid(P_PID, (id_t)tid, &state, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL | __WNOTHREAD) == 0;
}

bool is_kept(pid_t tid) {
  const struct kept *one = self.count == 0 ? NULL : *place_of(tid);
  if (one == NULL || one->is_suspended) return false;
  if (is_tracee(tid)) return true;
  /* A leader disappears without a wait status when another thread of its process executes a program. */
  forget_kept(tid);
  return false;
}

bool is_suspended(struct keeper *keeper, pid_t tid) {
  const struct kept *one = keeper->count == 0 ? NULL : *place_in(keeper, tid);
  return one != NULL && one->is_suspended;
}

int keep_task(pid_t tid) {
  if (self.notice == NULL) return EPERM;
  const int error = seize_promptly(tid, KEEPING_OPTIONS);
  if (error == 0) add_kept(tid);
  return error;
}

void note_call(const struct seccomp_notif *call) {
  struct kept *one = self.count == 0 ? NULL : *place_of((pid_t)call->pid);
  if (one == NULL) return;
  one->has_called = true;
  one->called_at = now();
  one->call = call->data;
}

/* ── Signals ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

static bool is_supervised(const struct seccomp_data *call) {
  return (run_classic(self.filter, call) & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;
}

/*
 * Nanoseconds since a call was received. An open waits by itself for the other end of a FIFO, and usually longer than this when
 * a signal comes. A signal so early in another wait could as well have come before the call: that is so on any system.
 */
static const uint64_t quick_open = 20000000, quick_wait = 2000000;

/* Reads and writes of such files do not wait for another process. */
static bool is_file(pid_t tid, int descriptor) {
  char path[64];
  struct statx found;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", tid, descriptor);
  if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &found) != 0) return false;
  return S_ISREG(found.stx_mode) || S_ISDIR(found.stx_mode) || S_ISBLK(found.stx_mode);
}

/*
 * Whether the call itself may have waited so long, and return ERESTARTSYS then: the calls of signal(7) that are not in this
 * list end with other errnos of the kernel's own.
 */
static bool may_have_waited(pid_t tid, const struct seccomp_data *call, uint64_t duration) {
  switch (call->nr) {
#ifdef SYS_open
    case SYS_open:
    case SYS_creat:
#endif
    case SYS_openat:
    case 437: /* openat2 */
      return duration > quick_open;
    case SYS_read:
    case SYS_readv:
    case SYS_pread64:
    case SYS_preadv:
    case SYS_preadv2:
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
      return duration > quick_wait && !is_file(tid, (int)call->args[0]);
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_sendfile:
    case SYS_splice:
    case SYS_tee:
    case SYS_vmsplice:
    case SYS_copy_file_range:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_futex:
    case 449: /* futex_waitv */
    case 455: /* futex_wait */
    case SYS_flock:
    case SYS_fcntl:
    case SYS_ioctl:
    case SYS_getrandom:
    case SYS_mq_timedsend:
    case SYS_mq_timedreceive:
    case SYS_msgsnd:
    case SYS_msgrcv:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_add_key:
    case SYS_request_key:
    case SYS_keyctl:
    case SYS_close:
    case 426: /* io_uring_enter */
      return duration > quick_wait;
    default:
      return false;
  }
}

/*
 * Whether the call may have been received, and have waited by itself. Then its EINTR is its own. A thread that has made
 * another call since, or the same one with other arguments, is in a later call.
 */
static bool may_be_own_wait(const struct kept *one, const struct seccomp_data *call) {
  return one->has_called && memcmp(&one->call, call, sizeof *call) == 0 &&
         may_have_waited(one->tid, call, now() - one->called_at);
}

static void restart_unreceived(const struct kept *one) {
  registers at;
  struct seccomp_data call;
  if (!get_registers(one->tid, &at) || !is_interrupted(&at, one->tid, &call)) return;
  if (!is_supervised(&call) || may_be_own_wait(one, &call)) return;
  if (restart_always(&at, one->tid)) set_registers(one->tid, &at);
}

/* Whether the tracee's process is stopped (SIGSTOP and the like). The stop is not one for a signal. */
static bool is_group_stop(pid_t tid) {
  siginfo_t stop;
  return ptrace(PTRACE_GETSIGINFO, tid, NULL, &stop) == 0 && stop.si_code >> 8 == PTRACE_EVENT_STOP &&
         stop.si_signo != SIGTRAP;
}

int let_go(pid_t tid, int signal) {
  struct kept *one = self.count == 0 ? NULL : *place_of(tid);
  if (one == NULL || one->is_suspended) return detach_tracee(tid, signal);
  const bool is_stopped = signal == 0 && is_group_stop(tid);
  if (signal != 0 || is_stopped) restart_unreceived(one);
  if (is_stopped) {
    /* Scripts wait for the state T, and a tracee has t (tracing stop) in its place. */
    const int error = detach_tracee(tid, 0);
    one->is_suspended = error == 0;
    return error;
  }
  /* Otherwise it is the new program that another thread of its process has executed, and stops for that next. */
  return change_tracee(PTRACE_CONT, tid, NULL, (void *)(uintptr_t)signal) ? 0 : ESRCH;
}
