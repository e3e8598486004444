// SPDX-License-Identifier: MIT
/*
 * The launcher: puts a filter on a command and waits for it, or becomes it.
 *
 *     launcher FILE ARGV0 [ARGUMENT...]              with a socket to the supervisor as descriptor 3
 *     launcher become N FILE ARGV0 [ARGUMENT...]     in_place.c
 *     launcher run [OPTIONS] BUNDLE [--] COMMAND [ARGUMENT...]
 *
 * (FILE has a slash in it.) This file is the first form. What the supervisor's side writes is a classic filter, or a
 * bundle, which is loaded here (extended.c) before the child is made.
 *
 * The child that becomes the command shares the launcher's memory and descriptors until its execve (CLONE_VM,
 * CLONE_VFORK, CLONE_FILES). So the listener that its seccomp(2) makes is the launcher's at once, its number is handed
 * over by a store to memory, and between seccomp and execve there is no system call that a policy could judge. The
 * execve itself carries a random token in the argument registers that execve does not use; the filter lets exactly that
 * one through.
 *
 * Afterwards the launcher passes the listener on, closes it, and waits for the command. It is not dumpable, so the
 * command (of the same user, perhaps) can neither trace it nor take its descriptors, and it blocks every signal.
 *
 * Freestanding on purpose: no code runs here that is not in this folder.
 */
#include "launcher.h"

#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include <asm/ioctls.h>

#include "confine.h"
#include "in_place.h"
#include "kernel.h"
#include "parameters.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

enum { SOCKET = 3, STACK_SIZE = 16384 };

/* What we write: one of these each time. */
struct message {
  uint32_t kind;
  int32_t value;
  int32_t pid;
  uint32_t detail;
};
enum { STARTED = 1, FAILED = 2, STOPPED = 3, ENDED = 4, TREE_ENDED = 5 }; /* behind FAILED a text may follow */
enum { WITHOUT_LISTENER = 1, WAITS_KILLABLE = 2 }; /* `detail` of STARTED */

/* Shared with the child by CLONE_VM; the parent reads after the child's execve or exit (CLONE_VFORK). */
static struct {
  const char *file;
  char **argv;
  char **environment;
  uint64_t mask;
  volatile int listener;
  volatile uint32_t detail;
  volatile int error;
  volatile int stage;
} shared;

static struct configuration configuration;
static struct extended extended;
static struct confinement confinement;
static unsigned char child_stack[STACK_SIZE] __attribute__((aligned(16)));

void leave(int status) {
  for (;;) CALL(__NR_exit_group, status);
}

static void send_message(uint32_t kind, int value, int pid, uint32_t detail) {
  struct message message = {kind, value, pid, detail};
  /* MSG_NOSIGNAL; a supervisor that is gone is noticed by poll. */
  CALL(__NR_sendto, SOCKET, &message, sizeof message, 0x4000, 0, 0);
}

static void fail(enum stage stage, long error) __attribute__((noreturn));
static void fail(enum stage stage, long error) {
  send_message(FAILED, (int)-error, 0, stage);
  leave(125);
}

/* ── The child ───────────────────────────────────────────────────────────────────────────────────────────────────── */

static void stop_child(enum stage stage, long error) __attribute__((noreturn));
static void stop_child(enum stage stage, long error) {
  shared.stage = stage;
  shared.error = (int)-error;
  leave(127);
}

static long install(unsigned long flags, uint32_t length, struct sock_filter *filter) {
  struct sock_fprog program = {.len = (unsigned short)length, .filter = filter};
  return CALL(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* The listener, or a negative errno. */
static long install_with_listener(void) {
  struct sock_filter *filter = configuration.filters;
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  long result = install(flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, configuration.filter_length, filter);
  if (result >= 0) shared.detail = WAITS_KILLABLE;
  /* Unknown before Linux 5.19. */
  if (result == -EINVAL) result = install(flags, configuration.filter_length, filter);
  if (result >= 0) shared.listener = (int)result;
  /* One listener a task, whoever made it. What needs no judgement can be enforced all the same. */
  if (result == -EBUSY && configuration.fallback_length > 0) {
    result = install(0, configuration.fallback_length, filter + configuration.filter_length);
    shared.detail = WITHOUT_LISTENER;
  }
  return result;
}

static void become_command(void *unused) {
  (void)unused;
  if (configuration.flags & DIE_WITH_PARENT) CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &shared.mask, 0, sizeof shared.mask);
  shared.listener = -1;
  shared.detail = 0;
  enum stage stage;
  long result;
  if (configuration.flags & WANT_LISTENER) {
    stage = NO_NEW_PRIVILEGES;
    result = CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (result >= 0) {
      stage = INSTALL;
      result = install_with_listener();
    }
  } else {
    result = confine(&confinement, &stage);
  }
  if (result < 0) stop_child(stage, result);

  /* From here on every call is the policy's to judge, but this one. */
  stop_child(EXECVE, execute(shared.file, shared.argv, shared.environment, confinement.token));
}

/* ── The parent ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* A fault of the extended part's, in full: what the kernel said, behind the message. */
static void fail_with(const struct fault *fault) __attribute__((noreturn));
static void fail_with(const struct fault *fault) {
  send_message(FAILED, (int)-fault->error, 0, fault->stage);
  if (fault->what != NULL) write_all(SOCKET, fault->what, text_length(fault->what));
  if (fault->log != NULL) {
    write_all(SOCKET, "\n", 1);
    write_all(SOCKET, fault->log, text_length(fault->log));
  }
  leave(125);
}

static void read_bundle_and_load(uint32_t size, uint32_t parameters) {
  struct fault fault = {.stage = READ_BUNDLE};
  struct bundle bundle;
  unsigned char *bytes = allocate(size + 1);
  fault.error = bytes == NULL ? -ENOMEM : read_all(SOCKET, bytes, size);
  if (fault.error < 0) fail_with(&fault);
  fault.what = read_bundle(&bundle, bytes, size);
  if (fault.what != NULL) fail_with(&fault);
  uint64_t words[MOST_PARAMETERS];
  fault.error = read_all(SOCKET, words, parameters * sizeof *words);
  if (fault.error < 0) fail_with(&fault);
  if (!are_possible(&bundle, words, parameters)) {
    fault.what = "an open parameter cannot have this value";
    fail_with(&fault);
  }
  if (load_extended(&extended, &bundle, words, &fault) < 0) fail_with(&fault);
  confinement = (struct confinement){section_of(&bundle, CLASSIC), count_of(&bundle, CLASSIC), &extended, {0, 0}};
  memcpy(confinement.token, extended.token, sizeof extended.token);
}

static void read_configuration(void) {
  long result = read_all(SOCKET, &configuration, HEADER_SIZE);
  if (result < 0) fail(CONFIGURE, result);
  uint32_t length = configuration.filter_length, fallback = configuration.fallback_length;
  int is_extended = (configuration.flags & EXTENDED) != 0;
  if (configuration.magic != CONFIGURATION_MAGIC || length == 0 ||
      length > (is_extended ? (uint32_t)LARGEST_BUNDLE : MAXIMUM_INSTRUCTIONS) || fallback > MAXIMUM_INSTRUCTIONS ||
      (is_extended && (fallback > MOST_PARAMETERS || (configuration.flags & WANT_LISTENER) != 0)))
    fail(CONFIGURE, -EPROTO);
  extended.events = extended.dropped = -1;
  if (is_extended) {
    read_bundle_and_load(length, fallback);
    return;
  }
  result = read_all(SOCKET, configuration.filters, (length + fallback) * sizeof(struct sock_filter));
  if (result < 0) fail(CONFIGURE, result);
  confinement.classic = configuration.filters;
  confinement.classic_length = length;
  memcpy(confinement.token, configuration.token, sizeof configuration.token);
}

/*
 * Hands over the command's pidfd and, where there is one, the listener; of an extended filter the events and the count of
 * those that were dropped. Then closes them.
 */
static void report_start(int pid, int pidfd) {
  int descriptors[3] = {pidfd, -1, -1}, count = 1;
  if (shared.listener >= 0) descriptors[count++] = shared.listener;
  if (extended.events >= 0 && extended.dropped >= 0) {
    descriptors[count++] = extended.events;
    descriptors[count++] = extended.dropped;
  }
  struct message message = {STARTED, count - 1, pid, shared.detail};
  struct {
    size_t length;
    int level;
    int type;
    int descriptors[4];
  } control = {16 + (size_t)count * sizeof(int), 1 /* SOL_SOCKET */, 1 /* SCM_RIGHTS */, {0}};
  for (int i = 0; i < count; i++) control.descriptors[i] = descriptors[i];
  struct {
    void *base;
    size_t length;
  } vector = {&message, sizeof message};
  struct {
    void *name;
    size_t name_length;
    void *vector;
    size_t vector_length;
    void *control;
    size_t control_length;
    long flags;
  } header = {0, 0, &vector, 1, &control, 16 + (((size_t)count * sizeof(int) + 7) & ~7ul), 0};
  /* Nobody there to answer: the listener is closed, so the filter denies what it would have asked (ENOSYS). */
  CALL(__NR_sendmsg, SOCKET, &header, 0x4000 /* MSG_NOSIGNAL */);
  for (int i = 0; i < count; i++) CALL(__NR_close, descriptors[i]);
}

/* Kills our children, and so in time their children, who become ours (PR_SET_CHILD_SUBREAPER). */
static void kill_children(void) {
  static char list[65536];
  static const char path[] = "/proc/thread-self/children";
  long file = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return;
  long pid = 0;
  for (;;) {
    long count = CALL(__NR_read, file, list, sizeof list);
    if (count <= 0) break;
    for (long i = 0; i < count; i++) {
      if (list[i] >= '0' && list[i] <= '9') {
        pid = pid * 10 + (list[i] - '0');
      } else {
        /* Ours and not reaped yet, so it is still the one that was listed. */
        if (pid > 0) CALL(__NR_kill, pid, SIGKILL);
        pid = 0;
      }
    }
  }
  CALL(__NR_close, file);
}

/*
 * A command that stops itself (less, on Ctrl-Z) expects the shell to notice, and the shell watches our parent. Only with
 * a terminal: nobody else would wake it again.
 */
static void stop_supervisor(int supervisor) {
  static const char path[] = "/dev/tty";
  long terminal = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_CLOEXEC, 0);
  if (terminal < 0) return;
  CALL(__NR_close, terminal);
  if (CALL(__NR_getppid, 0) == supervisor) CALL(__NR_kill, supervisor, SIGSTOP);
}

/* Reaps what has ended and tells of the command. True as long as there is anything to wait for. */
static int reap(int command, int supervisor, int *ended) {
  for (;;) {
    int status = 0;
    long pid = CALL(__NR_wait4, -1, &status, WNOHANG | WUNTRACED | __WALL, 0);
    if (pid == 0) return 1;
    if (pid == -EINTR) continue;
    if (pid < 0) return 0;
    if (pid != command) continue;
    if ((status & 0xff) == 0x7f) {
      send_message(STOPPED, status >> 8, command, 0);
      stop_supervisor(supervisor);
    } else {
      *ended = 1;
      send_message(ENDED, status, command, 0);
    }
  }
}

static void wait_for(int command, int supervisor) {
  uint64_t child_signal = 1ull << (SIGCHLD - 1);
  int children = (int)CALL(__NR_signalfd4, -1, &child_signal, sizeof child_signal, O_CLOEXEC | O_NONBLOCK);
  int owns = (configuration.flags & OWN_THE_TREE) != 0, ending = 0, ended = 0, connected = 1;
  for (;;) {
    int more = reap(command, supervisor, &ended);
    if (ended && (configuration.flags & END_TREE)) ending = 1;
    if (!more) {
      /* Not "the tree has ended" unless we would be its reaper. */
      if (owns) send_message(TREE_ENDED, 0, command, 0);
      return;
    }
    if (ended && !owns) return;
    if (ending) kill_children();

    struct pollfd sources[2] = {{children, POLLIN, 0}, {SOCKET, POLLIN, 0}};
    /* A child that was forked while we read the list comes to us later without a signal: look again. */
    struct __kernel_timespec pause = {0, 2000000};
    CALL(__NR_ppoll, sources, connected ? 2 : 1, ending ? &pause : 0, 0, 0);
    unsigned char buffer[128];
    if (sources[0].revents) CALL(__NR_read, children, buffer, sizeof buffer);
    if (connected && sources[1].revents) {
      long count = CALL(__NR_read, SOCKET, buffer, sizeof buffer);
      if (count == 0 || (count < 0 && count != -EINTR && count != -EAGAIN)) {
        connected = 0;
        if (!(configuration.flags & DIE_WITH_PARENT)) return; /* nobody is left to hear the status */
        ending = 1;
      }
      for (long i = 0; i < count; i++)
        if (buffer[i] == 'k' && owns) ending = 1;
    }
  }
}

void start(long *stack) {
  long count = stack[0];
  char **argv = (char **)(stack + 1);
  char **environment = argv + count + 1;
  if (count < 2) leave(125);

  CALL(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  uint64_t all = ~0ull;
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &all, &shared.mask, sizeof all);
  if (memcmp(argv[1], "run", sizeof "run") == 0) run_bundle(argv + 2, environment, shared.mask);
  if (memcmp(argv[1], "become", sizeof "become") == 0) become(argv + 2, environment, shared.mask);
  if (count < 3) leave(125);
  CALL(__NR_fcntl, SOCKET, F_SETFD, FD_CLOEXEC);
  int supervisor = (int)CALL(__NR_getppid, 0);
  read_configuration();
  if (configuration.flags & OWN_THE_TREE) CALL(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

  shared.file = argv[1];
  shared.argv = argv + 2;
  shared.environment = environment;
  int pidfd = -1;
  long pid = clone_child(CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | SIGCHLD, child_stack + STACK_SIZE, &pidfd,
                         become_command, 0);
  if (pid < 0) fail(CLONE, pid);
  if (shared.error != 0) {
    CALL(__NR_wait4, pid, 0, __WALL, 0);
    fail((enum stage)shared.stage, -shared.error);
  }
  report_start((int)pid, pidfd);
  wait_for((int)pid, supervisor);
  leave(0);
}
