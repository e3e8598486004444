// SPDX-License-Identifier: MIT
/*
 * The launcher: puts a filter on a command and waits for it.
 *
 *     launcher FILE ARGV0 [ARGUMENT...]       with a socket to the supervisor as descriptor 3
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
#include "kernel.h"

#include <linux/errno.h>
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

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

enum { SOCKET = 3, MAXIMUM_INSTRUCTIONS = 4096, STACK_SIZE = 16384 };

/* What the supervisor's side writes before it starts us. Little-endian, as both architectures are. */
struct configuration {
  uint32_t magic;
  uint32_t flags;
  uint32_t filter_length;   /* instructions */
  uint32_t fallback_length; /* instructions; 0: there is none */
  uint64_t token[2];
  struct sock_filter filters[2 * MAXIMUM_INSTRUCTIONS];
};
enum { CONFIGURATION_MAGIC = 0x70637631, HEADER_SIZE = 32 };
enum {
  WANT_LISTENER = 1,   /* else the filter needs no supervisor */
  OWN_THE_TREE = 2,    /* be the tree's reaper, so that all of it can be ended */
  END_TREE = 4,        /* when the command has ended, end the rest of its tree */
  DIE_WITH_PARENT = 8, /* when the supervisor's side is gone, end the tree */
};

/* What we write: one of these each time. */
struct message {
  uint32_t kind;
  int32_t value;
  int32_t pid;
  uint32_t detail;
};
enum { STARTED = 1, FAILED = 2, STOPPED = 3, ENDED = 4, TREE_ENDED = 5 };
enum stage { CONFIGURE = 1, CLONE = 2, NO_NEW_PRIVILEGES = 3, SECCOMP = 4, EXECVE = 5 };
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
static unsigned char child_stack[STACK_SIZE] __attribute__((aligned(16)));

static void leave(int status) __attribute__((noreturn));
static void leave(int status) {
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

static void become_command(void *unused) {
  (void)unused;
  if (configuration.flags & DIE_WITH_PARENT) CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &shared.mask, 0, sizeof shared.mask);
  long result = CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (result < 0) stop_child(NO_NEW_PRIVILEGES, result);

  struct sock_filter *filter = configuration.filters;
  shared.listener = -1;
  shared.detail = 0;
  if (configuration.flags & WANT_LISTENER) {
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    result = install(flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, configuration.filter_length, filter);
    if (result >= 0) shared.detail = WAITS_KILLABLE;
    /* Unknown before Linux 5.19. */
    if (result == -EINVAL) result = install(flags, configuration.filter_length, filter);
    if (result >= 0) shared.listener = (int)result;
    /* One listener a task, whoever made it. What needs no judgement can be enforced all the same. */
    if (result == -EBUSY && configuration.fallback_length > 0) {
      result = install(0, configuration.fallback_length, filter + configuration.filter_length);
      shared.detail = WITHOUT_LISTENER;
    }
  } else {
    result = install(0, configuration.filter_length, filter);
  }
  if (result < 0) stop_child(SECCOMP, result);

  /* From here on every call is the policy's to judge, but this one. */
  result = call6(__NR_execve, (long)shared.file, (long)shared.argv, (long)shared.environment, 0,
                 (long)configuration.token[0], (long)configuration.token[1]);
  stop_child(EXECVE, result);
}

/* ── The parent ──────────────────────────────────────────────────────────────────────────────────────────────────── */

static void read_configuration(void) {
  unsigned char *to = (unsigned char *)&configuration;
  size_t have = 0, want = HEADER_SIZE;
  while (have < want) {
    long count = CALL(__NR_read, SOCKET, to + have, want - have);
    if (count == -EINTR) continue;
    if (count <= 0) fail(CONFIGURE, count < 0 ? count : -EPROTO);
    have += (size_t)count;
    if (have == HEADER_SIZE) {
      if (configuration.magic != CONFIGURATION_MAGIC || configuration.filter_length == 0 ||
          configuration.filter_length > MAXIMUM_INSTRUCTIONS || configuration.fallback_length > MAXIMUM_INSTRUCTIONS)
        fail(CONFIGURE, -EPROTO);
      want += (configuration.filter_length + configuration.fallback_length) * sizeof(struct sock_filter);
    }
  }
}

/* Hands over the command's pidfd and the listener, where there is one. */
static void report_start(int pid, int pidfd) {
  struct message message = {STARTED, shared.listener >= 0, pid, shared.detail};
  struct {
    size_t length;
    int level;
    int type;
    int descriptors[2];
  } control = {sizeof(size_t) + (shared.listener >= 0 ? 4 : 3) * sizeof(int), 1 /* SOL_SOCKET */, 1 /* SCM_RIGHTS */,
               {pidfd, shared.listener}};
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
  } header = {0, 0, &vector, 1, &control, sizeof control - (shared.listener >= 0 ? 0 : sizeof(int)), 0};
  long result = CALL(__NR_sendmsg, SOCKET, &header, 0x4000 /* MSG_NOSIGNAL */);
  /* Nobody there to answer: the listener is closed, so the filter denies what it would have asked (ENOSYS). */
  (void)result;
  CALL(__NR_close, pidfd);
  if (shared.listener >= 0) CALL(__NR_close, shared.listener);
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
  if (count < 3) leave(125);

  CALL(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  CALL(__NR_fcntl, SOCKET, F_SETFD, FD_CLOEXEC);
  int supervisor = (int)CALL(__NR_getppid, 0);
  uint64_t all = ~0ull;
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &all, &shared.mask, sizeof all);
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
