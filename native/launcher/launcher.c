// SPDX-License-Identifier: MIT
/*
 * The process between Node and the command. It has everything that the command inherits, unchanged: it is a copy of the
 * process that the shell started (front.c). And it is a child of Node's, so that the command is a descendant of Node: with
 * Yama's ptrace_scope 1, Node may follow the forks of its descendants and of nobody else.
 *
 * It is not dumpable, so that the command (perhaps of the same user) can neither trace it nor take its descriptors, and
 * blocks every signal.
 */
#include "launcher.h"

#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include <asm/socket.h>

#include "bundle.h"
#include "child.h"
#include "kernel.h"
#include "poll.h"
#include "say.h"
#include "search.h"
#include "tree.h"

/* Milliseconds that a tree has between a signal and SIGKILL (docs/engines.md). */
enum { GRACE = 2000, FOR_EVER = -1 };

static const struct launch *own;
static struct orders orders;
static struct extended extended;
static struct confinement confinement;
static struct child child;
static struct cgroup cgroup;
static struct own_processes processes;
/* Opened before the command runs: it, or another process of the user, can set our RLIMIT_NOFILE to 0. */
static int child_signals, polling, children;
static int front_pidfd; /* -1: there is none */
static int group;       /* the process group of the front, which the command joins */

static void tell(uint32_t kind, int value) {
  struct message message = {kind, value, child.pid, 0};
  send_message(own->node, &message, 0, 0);
  if (own->front >= 0 && kind != TREE_ENDED) send_message(own->front, &message, 0, 0);
}

/* ── Before the start ────────────────────────────────────────────────────────────────────────────────────────────── */

/* Says what went wrong in full: what the kernel said, in lines behind the first. Node may try other orders. */
static void tell_fault(const struct fault *fault) {
  size_t what = fault->what == NULL ? 0 : text_length(fault->what);
  size_t log = fault->log == NULL ? 0 : text_length(fault->log) + 1;
  struct message message = {NOT_STARTED, (int)-fault->error, (int)(what + log), fault->stage};
  send_message(own->node, &message, 0, 0);
  write_all(own->node, fault->what, what);
  if (log > 0) {
    write_all(own->node, "\n", 1);
    write_all(own->node, fault->log, log - 1);
  }
}

static void give_descriptor(int descriptor) {
  struct message message = {GIVEN, 0, 0, 0};
  int is_ours = descriptor < 0 || descriptor == own->node || descriptor == own->front;
  long flags = is_ours ? -EBADF : CALL(__NR_fcntl, descriptor, F_GETFD, 0);
  if (flags < 0) {
    message.value = (int)-flags;
    send_message(own->node, &message, 0, 0);
    return;
  }
  if (descriptor > 2) CALL(__NR_fcntl, descriptor, F_SETFD, FD_CLOEXEC);
  send_message(own->node, &message, &descriptor, 1);
}

static int load_bundle(struct fault *fault) {
  struct bundle bundle;
  fault->stage = READ_BUNDLE;
  fault->what = read_bundle(&bundle, orders.bundle, orders.header.filter_length);
  if (fault->what != NULL) return -1;
  if (!are_possible(&bundle, orders.parameters, orders.header.fallback_length)) {
    fault->what = "an open parameter cannot have this value";
    return -1;
  }
  if (load_extended(&extended, &bundle, orders.parameters, fault) < 0) return -1;
  confinement = (struct confinement){section_of(&bundle, CLASSIC), count_of(&bundle, CLASSIC), &extended, {0, 0}};
  memcpy(confinement.token, extended.token, sizeof extended.token);
  return 0;
}

/* What an attempt that failed has left. */
static void unload(void) {
  if (orders.bundle == NULL) return;
  for (unsigned i = 0; i < MOST_MAPS; i++)
    if (extended.maps[i] > 2) CALL(__NR_close, extended.maps[i]);
  if (extended.program > 2) CALL(__NR_close, extended.program);
  memset(&extended, 0, sizeof extended);
}

static int find_file(struct fault *fault) {
  fault->stage = FIND_COMMAND;
  if (orders.header.words == 0 || orders.header.words > own->count) {
    fault->error = -EPROTO;
    return -1;
  }
  child.argv = own->words + (own->count - orders.header.words);
  fault->error = find_command(child.argv[0], own->environment, &child.file);
  return fault->error < 0 ? -1 : 0;
}

/* Asks the front whether it is to go on: it ends instead where a signal came meanwhile. */
static void ask_front(void) {
  if (own->front < 0) return;
  struct message message = {READY, 0, 0, 0};
  unsigned char answer;
  send_message(own->front, &message, 0, 0);
  if (read_all(own->front, &answer, 1) < 0) leave(FAILED);
}

/* Hands over the command's pidfd and the listener, or of an extended filter the events and the count of those dropped. */
static void report_start(void) {
  int descriptors[3] = {child.pidfd}, count = 1;
  if (child.listener >= 0) descriptors[count++] = child.listener;
  if (orders.bundle != NULL && extended.events >= 0 && extended.dropped >= 0) {
    descriptors[count++] = extended.events;
    descriptors[count++] = extended.dropped;
  }
  uint32_t detail = child.detail | (is_tied(&orders.header) ? TIED : 0);
  struct message message = {STARTED, (int)CALL(__NR_getpid, 0), child.pid, detail};
  /* Where Node is gone the listener is closed here, and the kernel denies what the filter would ask (ENOSYS). */
  send_message(own->node, &message, descriptors, count);
  if (own->front >= 0) send_message(own->front, &message, descriptors, 1);
  int kept[] = {own->node,
                own->front,
                front_pidfd,
                child.cgroup == NULL ? -1 : cgroup.parent,
                child.cgroup == NULL ? -1 : cgroup.directory,
                child_signals,
                polling,
                children};
  close_all_but(kept, sizeof kept / sizeof *kept);
}

/* True where the command runs. */
static int start(void) {
  struct fault fault = {0};
  extended.events = extended.dropped = extended.program = -1;
  if (find_file(&fault) < 0 || (orders.bundle != NULL && load_bundle(&fault) < 0)) {
    tell_fault(&fault);
    unload();
    return 0;
  }
  if (orders.bundle == NULL) {
    confinement = (struct confinement){orders.filters, orders.header.filter_length, NULL, {0, 0}};
    memcpy(confinement.token, orders.header.token, sizeof confinement.token);
  }
  child.environment = own->environment;
  child.inheritance = own->inheritance;
  child.orders = &orders;
  child.confinement = &confinement;
  child.own = &processes;
  child.group = group;
  child.cgroup = NULL;
  if (orders.header.flags & OWN_CGROUP) {
    fault.stage = MAKE_CGROUP;
    fault.error = make_cgroup(&cgroup, &fault.what);
    if (fault.error < 0) {
      tell_fault(&fault);
      unload();
      return 0;
    }
    child.cgroup = &cgroup;
  }
  ask_front();
  fault.error = start_child(&child, &fault.stage);
  if (fault.error < 0) {
    struct message message = {CANCELLED, 0, 0, 0};
    if (own->front >= 0) send_message(own->front, &message, 0, 0);
    if (child.cgroup != NULL) remove_cgroup(&cgroup);
    tell_fault(&fault);
    unload();
    return 0;
  }
  report_start();
  return 1;
}

static void replace_front(void) __attribute__((noreturn));
static void replace_front(void) {
  struct message message = {REPLACED, 0, 0, 0};
  send_message(own->front, &message, 0, 0);
  write_orders(own->front, &orders);
  leave(0);
}

static void await_start(void) {
  for (;;) {
    struct pollfd sources[2] = {{own->node, POLLIN, 0}, {own->front, POLLIN, 0}};
    wait_readable(sources, 2, 0);
    /* The front is gone: nothing is started any more. */
    if (sources[1].revents != 0) leave(FAILED);
    if (sources[0].revents == 0) continue;
    struct fault fault = {.stage = CONFIGURE};
    fault.error = read_orders(own->node, &orders);
    if (fault.error < 0) {
      tell_fault(&fault);
      leave(FAILED);
    }
    switch ((enum order)orders.header.kind) {
      case DESCRIPTOR:
        give_descriptor(orders.header.descriptor);
        break;
      case BECOME:
        if (own->front >= 0 && find_file(&fault) == 0) replace_front();
        if (own->front < 0) fault = (struct fault){.stage = CONFIGURE, .error = -EINVAL};
        tell_fault(&fault);
        break;
      case START:
        if (start()) return;
        break;
    }
  }
}

/* ── After the start ─────────────────────────────────────────────────────────────────────────────────────────────── */

static struct {
  int has_ended; /* the command */
  int is_ending; /* the tree is being killed */
  int has_deadline;
  int64_t deadline; /* CLOCK_MONOTONIC, ms: when it is to be killed */
  int has_limit;
  int64_t limit; /* when the command is to be ended */
} tree;

static int64_t now(void) {
  struct __kernel_timespec time = {0, 0};
  CALL(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void end_tree(int signal) {
  signal_tree(signal, 0);
  if (tree.has_deadline) return;
  tree.has_deadline = 1;
  tree.deadline = now() + GRACE;
}

static void kill_tree(void) {
  if (child.cgroup != NULL) kill_cgroup(&cgroup);
  /* Also with a cgroup: a process may have moved to another, where it has the right to. */
  signal_tree(SIGKILL, 0);
}

/* The front stops when the command stops, as a shell expects of it; this process never does, for it keeps the time. */
static void signal_front(int signal) {
  if (front_pidfd >= 0) CALL(__NR_pidfd_send_signal, front_pidfd, signal, 0, 0);
}

/*
 * A command that stops itself (less, on Ctrl-Z) expects the shell to notice, and the shell watches the front. Only with a
 * terminal: without one there is no job control that would continue it.
 */
static void stop_front(void) {
  long terminal = CALL(__NR_openat, AT_FDCWD, "/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC, 0);
  if (terminal < 0) return;
  CALL(__NR_close, terminal);
  signal_front(SIGSTOP);
}

static void reach_limit(void) {
  tree.has_limit = 0;
  tell(TIMED_OUT, 0);
  if (tree.has_ended) {
    end_tree(SIGTERM);
    return;
  }
  /* Not reaped yet, so the pid is the command's. A process that is stopped handles SIGTERM when it goes on. */
  CALL(__NR_kill, child.pid, SIGTERM);
  CALL(__NR_kill, child.pid, SIGCONT);
  signal_front(SIGCONT);
  if (!tree.has_deadline) tree.deadline = now() + GRACE;
  tree.has_deadline = 1;
}

/* Reaps what has ended, and tells of the command. True as long as there are children. */
static int reap(void) {
  for (;;) {
    int status = 0;
    long pid = CALL(__NR_wait4, -1, &status, WNOHANG | WUNTRACED | __WALL, 0);
    if (pid == 0) return 1;
    if (pid == -EINTR) continue;
    if (pid < 0) return 0;
    if (pid != child.pid) continue;
    if ((status & 0xff) == 0x7f) {
      /* At the end of its time the front must go on, to exit with the status. */
      if (!tree.has_deadline && !tree.is_ending) stop_front();
      continue;
    }
    tree.has_ended = 1;
    tell(ENDED, status);
    /* Somebody else has ended it while it was stopped. */
    signal_front(SIGCONT);
    if (orders.header.flags & END_TREE) end_tree(SIGTERM);
  }
}

/* Node has nothing to say after the start. */
static void hear_node(int *socket) {
  unsigned char bytes[64];
  long count = CALL(__NR_read, *socket, bytes, sizeof bytes);
  if (count > 0 || count == -EINTR || count == -EAGAIN) return;
  *socket = -1;
  if (orders.header.flags & DIE_WITH_PARENT) tree.is_ending = 1;
}

/* The front passes on signals that it got after the command had ended. */
static void hear_front(int *socket) {
  unsigned char bytes[64];
  long count = CALL(__NR_read, *socket, bytes, sizeof bytes);
  if (count == -EINTR || count == -EAGAIN) return;
  if (count <= 0) {
    *socket = -1;
    if (orders.header.flags & DIE_WITH_PARENT) tree.is_ending = 1;
    /* The command's parent-death signal is for its parent's death, which the front stood for. */
    if (own->inheritance->parent_death_signal != 0 && !is_tied(&orders.header)) leave(0);
    struct message message = {FRONT_GONE, 0, child.pid, 0};
    send_message(own->node, &message, 0, 0);
  }
  for (long i = 0; i < count; i++)
    if (bytes[i] > 0 && bytes[i] <= SIGNALS) end_tree(bytes[i]);
}

/* Milliseconds until then, or `left` where that is less. */
static int64_t sooner(int64_t left, int64_t then) {
  int64_t until = then > now() ? then - now() : 0;
  return left == FOR_EVER || until < left ? until : left;
}

static void wait_for_tree(void) {
  int node = own->node, front = own->front;
  if (orders.header.time_limit != 0) {
    tree.has_limit = 1;
    tree.limit = now() + orders.header.time_limit;
  }
  while (reap()) {
    if (tree.has_limit && now() >= tree.limit) reach_limit();
    if (tree.has_deadline && now() >= tree.deadline) tree.is_ending = 1;
    if (tree.is_ending) kill_tree();

    /* A child that is forked while the list is read comes to us later, without a signal: look again. */
    int64_t left = tree.is_ending ? KILL_INTERVAL : FOR_EVER;
    if (!tree.is_ending && tree.has_deadline) left = sooner(left, tree.deadline);
    if (!tree.is_ending && tree.has_limit) left = sooner(left, tree.limit);
    struct __kernel_timespec limit = {left / 1000, left % 1000 * 1000000};
    struct pollfd sources[3] = {{child_signals, POLLIN, 0}, {node, POLLIN, 0}, {front, POLLIN, 0}};
    wait_readable(sources, 3, left == FOR_EVER ? 0 : &limit);
    unsigned char buffer[128];
    if (sources[0].revents) CALL(__NR_read, child_signals, buffer, sizeof buffer);
    if (sources[1].revents) hear_node(&node);
    if (sources[2].revents) hear_front(&front);
    /* No one is left to hear the status. */
    if (node < 0 && front < 0 && !tree.is_ending && !tree.has_deadline && !is_tied(&orders.header)) return;
  }
  if (child.cgroup != NULL) remove_cgroup(&cgroup);
  tell(TREE_ENDED, 0);
}

/*
 * What the command could find and end. This process leaves the front's process group, which a program may well kill as a
 * whole; the command joins it again (child.c).
 */
static void know_processes(void) {
  struct {
    int pid;
    unsigned uid, gid;
  } creator = {0, 0, 0}; /* struct ucred: of the process that made the socket */
  int size = sizeof creator;
  processes.node = (int)CALL(__NR_getppid, 0);
  processes.launcher = (int)CALL(__NR_getpid, 0);
  front_pidfd = -1;
  if (own->front >= 0 && CALL(__NR_getsockopt, own->front, SOL_SOCKET, SO_PEERCRED, &creator, &size) == 0) {
    processes.front = creator.pid;
    /* It is the front's: that is our parent's parent, and waits for us. */
    front_pidfd = (int)CALL(__NR_pidfd_open, creator.pid, 0);
  }
  group = (int)CALL(__NR_getpgid, 0);
  CALL(__NR_setpgid, 0, 0);
}

void serve(const struct launch *launch) {
  own = launch;
  know_processes();
  uint64_t child_signal = 1ull << (SIGCHLD - 1);
  child_signals = (int)CALL(__NR_signalfd4, -1, &child_signal, sizeof child_signal, O_CLOEXEC | O_NONBLOCK);
  polling = prepare_polling();
  children = prepare_tree();
  CALL(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  await_start();
  wait_for_tree();
  leave(0);
}
