// SPDX-License-Identifier: MIT
/*
 * The process between Node and the command. It is a copy of the process that the shell starts (front.c), so the command
 * inherits everything unchanged. It is a child of Node, so that the command is a descendant of Node: with Yama's
 * ptrace_scope 1, Node may trace only its descendants.
 *
 * It is not dumpable, so that a command of the same user can neither trace it nor take its descriptors. It blocks every
 * signal.
 *
 * It leaves the caller's session, so that the command's process group is orphaned if and only if it would be without
 * portcullis. A parent in the session and in another group would prevent that: SIGTSTP would stop a command that no shell
 * continues. At the command's exit the kernel would then find that the group becomes orphaned, and if one of its processes is
 * stopped, send SIGHUP to all, the caller included (kill_orphaned_pgrp(), kernel/exit.c).
 *
 * The starter, a process with the launcher's memory and descriptors, stays in the session to clone the command there. It
 * obeys Node until the command runs, and then ends.
 */
#include "launcher.h"

#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include <asm/socket.h>

#include "bundle.h"
#include "child.h"
#include "domain.h"
#include "kernel.h"
#include "limit_watch.h"
#include "mount_trial.h"
#include "mount_watch.h"
#include "mounts.h"
#include "namespaces.h"
#include "poll.h"
#include "print.h"
#include "search.h"
#include "tree.h"
#include "variables.h"

/* Milliseconds between the signal that ends a tree and SIGKILL (docs/security.md, "Ending a tree"). */
enum { GRACE = 2000, NO_TIMEOUT = -1 };
enum { MAX_GIVEN = 64 };
enum { STARTER_STACK = 256 << 10 };

static const struct launch *own;
static struct orders orders;
static struct extended extended;
static struct confinement confinement;
static struct child child;
static struct cgroup cgroup;
static struct own_processes processes;
static struct namespaces namespaces = {-1, -1};
static struct mount_watch mount_watch = NO_MOUNT_WATCH;
static struct limit_watch limit_watch = NO_LIMIT_WATCH;
/* Opened before the command runs, because any process of the same user can set our RLIMIT_NOFILE to 0. */
static int child_signals, polling, children;
static int front_pidfd;  /* or -1 */
static int has_terminal; /* the caller's session */

static struct {
  int has_left;      /* the launcher has left the session */
  int is_successful; /* the command runs */
  long error;        /* the starter cannot be cloned */
} starter;

static void report(uint32_t kind, int value) {
  struct message message = {kind, value, child.pid, 0};
  send_message(own->node, &message, 0, 0);
  if (own->front >= 0) send_message(own->front, &message, 0, 0);
}

/* ── Before the start ────────────────────────────────────────────────────────────────────────────────────────────── */

/* Sends the complete error; the kernel's log follows the first line. Node may then send other orders. */
static void report_fault(const struct fault *fault) {
  size_t what = fault->what == NULL ? 0 : string_length(fault->what);
  size_t log = fault->log == NULL ? 0 : string_length(fault->log) + 1;
  struct message message = {NOT_STARTED, (int)-fault->error, (int)(what + log), fault->stage};
  send_message(own->node, &message, 0, 0);
  write_all(own->node, fault->what, what);
  if (log > 0) {
    write_all(own->node, "\n", 1);
    write_all(own->node, fault->log, log - 1);
  }
}

/* Requested descriptors, which have become close-on-exec. */
static int given[MAX_GIVEN], given_count;

/*
 * Of the descriptors of this process, only those that it was started with are not close-on-exec. All others, also those
 * of the front, are ours.
 */
static long check_inherited(int descriptor) {
  for (int i = 0; i < given_count; i++)
    if (given[i] == descriptor) return 0;
  long flags = CALL(__NR_fcntl, descriptor, F_GETFD, 0);
  if (flags < 0) return flags;
  if (flags & FD_CLOEXEC) return -EBADF;
  if (descriptor <= 2) return 0;
  if (given_count == MAX_GIVEN) return -EMFILE;
  given[given_count++] = descriptor;
  return 0;
}

static void send_descriptor(int descriptor) {
  /* The process that a recorder follows to the command. */
  struct message message = {GIVEN, 0, (int)CALL(__NR_getpid, 0), 0};
  long error = check_inherited(descriptor);
  if (error < 0) {
    message.value = (int)-error;
    send_message(own->node, &message, 0, 0);
    return;
  }
  if (descriptor > 2) CALL(__NR_fcntl, descriptor, F_SETFD, FD_CLOEXEC);
  message.value = (int)-send_message(own->node, &message, &descriptor, 1);
  if (message.value != 0) send_message(own->node, &message, 0, 0);
}

static int reads_proc; /* the policy declares it */

/* The layers of the order, or of the bundle. */
static struct {
  const unsigned char *bytes;
  size_t size;
} layers;

static int load_bundle(struct fault *fault) {
  struct bundle bundle;
  fault->stage = READ_BUNDLE;
  fault->what = read_bundle(&bundle, orders.bundle, orders.header.filter_length);
  if (fault->what != NULL) return -1;
  if (!are_possible(&bundle, orders.parameters, orders.header.fallback_length)) {
    fault->what = "an open parameter cannot have this value";
    return -1;
  }
  reads_proc = (policy_of(&bundle)->traits & PROC_IS_READ_ONLY) != 0;
  layers.bytes = section_of(&bundle, OBJECTS);
  layers.size = count_of(&bundle, OBJECTS);
  if (load_extended(&extended, &bundle, orders.parameters, fault) < 0) return -1;
  confinement = (struct confinement){section_of(&bundle, CLASSIC), count_of(&bundle, CLASSIC), &extended, {0, 0}};
  memcpy(confinement.token, extended.token, sizeof extended.token);
  return 0;
}

/* Whether the tree must be in the namespaces; makes the user namespace if there is none. Returns 0, or -1 with `fault`. */
static int prepare_namespaces(struct fault *fault) {
  child.mounts = need_mounts(layers.bytes, layers.size);
  child.watch = &mount_watch;
  child.namespaces = (orders.header.flags & IN_NETWORK) != 0 ? &namespaces : NULL;
  if (!child.mounts) return 0;
  fault->stage = ENTER_MOUNTS;
  fault->error = namespaces.user < 0 ? make_user_namespace(&namespaces, &fault->what) : 0;
  if (fault->error == 0) {
    child.namespaces = &namespaces;
    return 0;
  }
  if ((orders.header.flags & BEST_EFFORT) == 0 || !can_lack_mounts(layers.bytes, layers.size)) return -1;
  print_best_effort(FILES_ARE_NOT_PROTECTED, fault->what, fault->error);
  child.mounts = 0;
  return 0;
}

/* Rules are about the files that the tree sees: with mounts the child makes them there. */
static int prepare_restrictions(struct fault *fault) {
  child.restrictions = (struct restrictions){.bytes = layers.bytes,
                                             .size = layers.size,
                                             .flags = orders.header.flags,
                                             .is_tied = is_tied(&orders.header),
                                             .reads_proc = reads_proc,
                                             .domain = -1};
  return child.mounts ? 0 : make_restrictions(&child.restrictions, fault);
}

/* Closes the descriptors of a failed attempt. */
static void unload(void) {
  release_restrictions(&child.restrictions);
  release_mount_watch(&mount_watch);
  if (orders.bundle == NULL) return;
  for (unsigned i = 0; i < MAX_MAPS; i++)
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

/* Asks the front whether to go on. The front exits instead if a fatal signal has arrived. */
static void ask_front(void) {
  if (own->front < 0) return;
  struct message message = {READY, 0, 0, 0};
  unsigned char answer;
  send_message(own->front, &message, 0, 0);
  if (read_all(own->front, &answer, 1) < 0) exit_process(FAILED);
}

/* Sends the command's pidfd and the listener, or an extended filter's maps of events, of the dropped count, of tables. */
static void report_start(void) {
  int descriptors[MAX_DESCRIPTORS] = {child.pidfd}, count = 1;
  if (child.listener >= 0) descriptors[count++] = child.listener;
  if (orders.bundle != NULL && extended.events >= 0 && extended.dropped >= 0) {
    descriptors[count++] = extended.events;
    descriptors[count++] = extended.dropped;
    for (int i = 0; i < extended.table_count && count < MAX_DESCRIPTORS; i++) descriptors[count++] = extended.tables[i];
  }
  struct message message = {STARTED, processes.launcher, child.pid, child.detail};
  /* If Node has exited, the listener closes here and the kernel denies notified calls (ENOSYS). */
  send_message(own->node, &message, descriptors, count);
  if (own->front >= 0) send_message(own->front, &message, 0, 0);
  int open[] = {own->node,
                own->front,
                front_pidfd,
                child.cgroup == NULL ? -1 : cgroup.parent,
                child.cgroup == NULL ? -1 : cgroup.directory,
                child_signals,
                polling,
                children,
                mount_watch.changes,
                mount_watch.root,
                mount_watch.mounts,
                mount_watch.user};
  close_all_except(open, sizeof open / sizeof *open);
}

/* Before the command runs: the receivers of STARTED would wait for it for ever. */
static int can_report_start(struct fault *fault) {
  fault->stage = PASS_DESCRIPTORS;
  fault->error = try_passing(own->node);
  return fault->error == 0;
}

/* Returns whether the command runs. */
static int start_command(void) {
  struct fault fault = {.stage = CLONE, .error = starter.error};
  extended.events = extended.dropped = extended.program = -1;
  child.restrictions = (struct restrictions){.domain = -1};
  reads_proc = (orders.header.flags & READ_ONLY_PROC) != 0;
  layers.bytes = orders.layers;
  layers.size = orders.header.layers_size;
  if (fault.error < 0 || !can_report_start(&fault) || find_file(&fault) < 0 ||
      (orders.bundle != NULL && load_bundle(&fault) < 0) || prepare_namespaces(&fault) < 0 ||
      prepare_restrictions(&fault) < 0) {
    report_fault(&fault);
    unload();
    return 0;
  }
  if (orders.bundle == NULL) {
    confinement = (struct confinement){orders.filters, orders.header.filter_length, NULL, {0, 0}};
    memcpy(confinement.token, orders.header.token, sizeof confinement.token);
  }
  const size_t changes = orders.header.variables_size;
  child.environment = changes == 0 ? own->environment : with_variables(own->environment, orders.variables, changes);
  if (child.environment == NULL) {
    report_fault(&(struct fault){.stage = CLONE, .error = -ENOMEM});
    unload();
    return 0;
  }
  child.inheritance = own->inheritance;
  child.orders = &orders;
  child.confinement = &confinement;
  child.own = &processes;
  child.group = own->group;
  child.front = own->front;
  child.cgroup = NULL;
  if (orders.header.flags & OWN_CGROUP) {
    fault.stage = MAKE_CGROUP;
    fault.error = make_cgroup(&cgroup, &fault.what);
    if (fault.error < 0) {
      report_fault(&fault);
      unload();
      return 0;
    }
    child.cgroup = &cgroup;
  }
  ask_front();
  fault.error = start_child(&child, &fault.stage, &fault.what);
  if (fault.error < 0) {
    struct message message = {CANCELLED, 0, 0, 0};
    if (own->front >= 0) send_message(own->front, &message, 0, 0);
    if (child.cgroup != NULL) remove_cgroup(&cgroup);
    report_fault(&fault);
    unload();
    return 0;
  }
  report_start();
  return 1;
}

/* For the attempts to start the command that follow. */
static void prepare_network(void) {
  int sockets[MAX_ENDPOINTS];
  const int count = (int)orders.header.filter_length;
  struct fault fault = {.stage = ENTER_NETWORK};
  if (namespaces.user >= 0) {
    CALL(__NR_close, namespaces.user);
    CALL(__NR_close, namespaces.net);
  }
  fault.error = make_network(&namespaces, orders.endpoints, (uint32_t)count, sockets, &fault.what);
  if (fault.error < 0) {
    report_fault(&fault);
    return;
  }
  for (int at = 0; at < count; at += MAX_DESCRIPTORS) {
    struct message message = {MADE, 0, 0, 0};
    send_message(own->node, &message, sockets + at, count - at < MAX_DESCRIPTORS ? count - at : MAX_DESCRIPTORS);
  }
  for (int at = 0; at < count; at++) CALL(__NR_close, sockets[at]);
}

static void try_mounts_of_a_tree(void) {
  struct message message = {TRIED, 0, 0, 0};
  struct fault fault = {.stage = ENTER_MOUNTS};
  fault.error = try_mounts(&message.value, &fault.what);
  if (fault.error < 0) report_fault(&fault);
  else send_message(own->node, &message, 0, 0);
}

static void replace_front(void) __attribute__((noreturn));
static void replace_front(void) {
  struct message message = {REPLACED, processes.launcher, 0, 0};
  send_message(own->front, &message, 0, 0);
  write_orders(own->front, &orders);
  exit_process(0);
}

/* Returns when the command runs. */
static void await_start(void) {
  for (;;) {
    struct pollfd sources[2] = {{own->node, POLLIN, 0}, {own->front, POLLIN, 0}};
    wait_readable(sources, 2, 0);
    /* The front has exited: start nothing. */
    if (sources[1].revents != 0) exit_process(FAILED);
    if (sources[0].revents == 0) continue;
    struct fault fault = {.stage = CONFIGURE};
    fault.error = read_orders(own->node, &orders);
    if (fault.error < 0) {
      report_fault(&fault);
      exit_process(FAILED);
    }
    switch ((enum order)orders.header.kind) {
      case DESCRIPTOR:
        send_descriptor(orders.header.descriptor);
        break;
      case BECOME:
        if (own->front >= 0 && find_file(&fault) == 0) replace_front();
        if (own->front < 0) fault = (struct fault){.stage = CONFIGURE, .error = -EINVAL};
        report_fault(&fault);
        break;
      case MAKE_NETWORK:
        prepare_network();
        break;
      case TRY_MOUNTS:
        try_mounts_of_a_tree();
        break;
      case START:
        if (start_command()) return;
        break;
    }
  }
}

static void be_starter(void *unused) {
  (void)unused;
  CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (CALL(__NR_getppid, 0) != processes.launcher) exit_process(FAILED);
  /* A program may kill its whole process group. The command joins that group by its number, or is born in it. */
  if (own->group != 0) CALL(__NR_setpgid, 0, 0);
  /* Until then the end of a command could orphan the group. */
  while (!__atomic_load_n(&starter.has_left, __ATOMIC_ACQUIRE)) CALL(__NR_futex, &starter.has_left, FUTEX_WAIT, 0, 0);
  await_start();
  starter.is_successful = 1;
  exit_process(0);
}

/* The starter was killed, so it is unknown whether the command runs. */
static void end_all(void) __attribute__((noreturn));
static void end_all(void) {
  const struct __kernel_timespec pause = {0, KILL_INTERVAL * 1000000};
  for (;;) {
    signal_tree(SIGKILL, 0);
    long pid = CALL(__NR_wait4, -1, 0, WNOHANG | __WALL, 0);
    if (pid == 0) CALL(__NR_nanosleep, &pause, 0);
    if (pid < 0 && pid != -EINTR) break;
  }
  if (child.cgroup != NULL) remove_cgroup(&cgroup);
  exit_process(FAILED);
}

/* Leaves the session, and returns when the starter has started the command. */
static void run_starter(void) {
  unsigned char *stack = allocate(STARTER_STACK);
  long pid = stack == NULL
                 ? -ENOMEM
                 : clone_child(CLONE_VM | CLONE_FILES | SIGCHLD, stack + STARTER_STACK, NULL, be_starter, NULL);
  CALL(__NR_setsid, 0);
  if (pid < 0) {
    /* Answers the order to start the command with the error. */
    starter.error = pid;
    await_start();
    exit_process(FAILED);
  }
  __atomic_store_n(&starter.has_left, 1, __ATOMIC_RELEASE);
  CALL(__NR_futex, &starter.has_left, FUTEX_WAKE, 1);
  int status = 0;
  long found;
  do {
    found = CALL(__NR_wait4, pid, &status, WUNTRACED | __WALL, 0);
    /* Like the launcher, it never stays stopped: the command may run already. */
    if (found == pid && (status & 0xff) == 0x7f) found = CALL(__NR_kill, pid, SIGCONT);
  } while (found == 0 || found == -EINTR);
  if (starter.is_successful) return;
  if (found < 0 || (status & 0x7f) != 0) end_all();
  exit_process(status >> 8 & 0xff);
}

/* ── After the start ─────────────────────────────────────────────────────────────────────────────────────────────── */

static struct {
  int has_ended; /* the command */
  int is_ending; /* the tree is being killed */
  int has_deadline;
  int64_t deadline; /* of SIGKILL, CLOCK_MONOTONIC, ms */
  int has_limit;
  int64_t limit; /* of the command's run time, CLOCK_MONOTONIC, ms */
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
  /* Also with a cgroup, because a privileged process may have moved to another. */
  signal_tree(SIGKILL, 0);
}

/*
 * The front stops when the command stops, as a shell expects. The launcher never stops, because it enforces time
 * limits.
 */
static void signal_front(int signal) {
  if (front_pidfd >= 0) CALL(__NR_pidfd_send_signal, front_pidfd, signal, 0, 0);
}

static void send_front(uint32_t kind, int value) {
  struct message message = {kind, value, child.pid, 0};
  if (own->front >= 0) send_message(own->front, &message, 0, 0);
}

/*
 * A command that stops itself (less, on Ctrl-Z) expects the shell to notice, and the shell watches the front. Requires
 * a terminal: without one there is no job control to continue the front.
 *
 * The shell also sees the signal ($? is 148 after Ctrl-Z). The front blocks all signals but SIGSTOP, so it stops itself
 * by another one, when its messages tell it. It may read them late: a shell that has seen an earlier stop of the front
 * can have continued the whole group since, and does not continue the front a second time. So it asks first.
 */
static struct {
  int count;
  int of_front; /* the one by which the front was last stopped */
  int signal;
} stops; /* of the command */

static void stop_front(int signal) {
  stops.count++;
  stops.signal = signal;
  /* Past the deadline the front must run, to exit with the status. */
  if (!has_terminal || tree.has_deadline || tree.is_ending) return;
  if (signal != SIGSTOP) {
    send_front(STOPPED, 0);
    return;
  }
  stops.of_front = stops.count;
  signal_front(SIGSTOP);
}

static int has_changed(int states) {
  struct signal_information change;
  memset(&change, 0, sizeof change);
  const long result = CALL(__NR_waitid, P_PID, child.pid, &change, states | WNOHANG | WNOWAIT, 0);
  return result != 0 || change.number != 0;
}

/*
 * Since its last stop that was reaped. One call for all states looks for a stop first (kernel/exit.c,
 * wait_consider_task()), so it finds neither if a continued command stops again while it looks.
 */
static int is_still_stopped(void) { return !has_changed(WCONTINUED) && !has_changed(WEXITED | WSTOPPED); }

/*
 * Returns when every kill of a process group that has begun has reached all members: it holds the list of tasks for reading
 * (kernel/signal.c, kill_pgrp(), kill_something_info()), and setpgid takes it for writing. The call itself fails, because
 * this process leads its session.
 */
static void wait_for_group_signals(void) { CALL(__NR_setpgid, 0, 0); }

static void answer_front(unsigned char byte) {
  /* Without it, the SIGTSTP of Ctrl-Z could reach the front after the stop and the SIGCONT, and stop it twice. */
  wait_for_group_signals();
  /* Once for each stop; and later bytes concern an earlier one if the command has stopped again. */
  int is_stopped_for_it = stops.of_front == stops.count;
  if (tree.has_ended || !is_still_stopped() || is_stopped_for_it == (byte == IS_STOPPED)) return;
  if (byte == CONTINUED) {
    /* `fg` continues the whole group. Here a process has sent SIGCONT to the front alone. */
    CALL(__NR_kill, child.pid, SIGCONT);
  } else if (!tree.has_deadline && !tree.is_ending) {
    stops.of_front = stops.count;
    if (byte == IS_STOPPED) send_front(STOP, stops.signal);
    else signal_front(SIGSTOP);
  }
}

/* Before this process leaves the session. */
static void find_terminal(void) {
  long terminal = CALL(__NR_openat, AT_FDCWD, "/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC, 0);
  if (terminal < 0) return;
  CALL(__NR_close, terminal);
  has_terminal = 1;
}

static void reach_limit(void) {
  tree.has_limit = 0;
  report(TIMED_OUT, 0);
  if (tree.has_ended) {
    end_tree(SIGTERM);
    return;
  }
  /* The command is not reaped yet, so its pid is valid. A stopped process handles SIGTERM when it continues. */
  CALL(__NR_kill, child.pid, SIGTERM);
  CALL(__NR_kill, child.pid, SIGCONT);
  signal_front(SIGCONT);
  if (!tree.has_deadline) tree.deadline = now() + GRACE;
  tree.has_deadline = 1;
}

static void tell_limit(uint32_t kind, int value) {
  const struct message message = {kind, value, child.pid, 0};
  send_message(own->node, &message, 0, 0);
}

/* `ended`: processes that were reaped just now. */
static void look_at_tree(long ended) {
  if (mount_watch.changes < 0) return;
  look_at_limits(&limit_watch, mount_watch.root, layers.bytes, layers.size, ended, tell_limit);
}

/* Reaps ended children and reports the command's end. True while there are children. */
static int reap(void) {
  for (;;) {
    int status = 0;
    long pid = CALL(__NR_wait4, -1, &status, WNOHANG | WUNTRACED | __WALL, 0);
    if (pid == 0) return 1;
    if (pid == -EINTR) continue;
    if (pid < 0) return 0;
    /* Once the command is reaped, another process of its tree can have its id. */
    if (pid != child.pid || tree.has_ended) continue;
    if ((status & 0xff) == 0x7f) {
      stop_front(status >> 8 & 0xff);
      continue;
    }
    tree.has_ended = 1;
    look_at_tree(1);
    report(ENDED, status);
    /* Another process may have killed the command while it was stopped. */
    signal_front(SIGCONT);
    if (orders.header.flags & END_TREE) end_tree(SIGTERM);
  }
}

/* Node sends nothing after the start: the end of the stream means that it has exited. */
static void read_node(int *socket) {
  unsigned char bytes[64];
  long count = CALL(__NR_read, *socket, bytes, sizeof bytes);
  if (count > 0 || count == -EINTR || count == -EAGAIN) return;
  *socket = -1;
  if (orders.header.flags & DIE_WITH_PARENT) tree.is_ending = 1;
}

/* The front forwards the signals that it gets after the command has ended, and asks whether to stop. */
static void read_front(int *socket) {
  unsigned char bytes[64];
  long count = CALL(__NR_read, *socket, bytes, sizeof bytes);
  if (count == -EINTR || count == -EAGAIN) return;
  if (count <= 0) {
    *socket = -1;
    if (orders.header.flags & DIE_WITH_PARENT) tree.is_ending = 1;
    /* The command's parent-death signal concerns the front, which represents its parent: exit, so that it is sent. */
    if (own->inheritance->parent_death_signal != 0 && !is_tied(&orders.header)) exit_process(0);
    struct message message = {FRONT_GONE, 0, child.pid, 0};
    send_message(own->node, &message, 0, 0);
  }
  for (long i = 0; i < count; i++) {
    if (bytes[i] > 0 && bytes[i] <= SIGNALS) end_tree(bytes[i]);
    if (bytes[i] >= IS_STOPPED) answer_front(bytes[i]);
  }
}

/* Milliseconds until `then`, or `left` if that is less. */
static int64_t shorter_timeout(int64_t left, int64_t then) {
  int64_t until = then > now() ? then - now() : 0;
  return left == NO_TIMEOUT || until < left ? until : left;
}

static int64_t last_look;
static int64_t next_look(void) { return last_look + LOOK_INTERVAL; }

/* A tree that could change protected files ends. */
static void look_at_mounts(void) {
  const long restored = restore_mounts(&mount_watch);
  if (now() >= next_look()) look_at_tree(0);
  last_look = now();
  if (restored == 0) return;
  struct message message = {PROTECTED_AGAIN, (int)restored, child.pid, 0};
  send_message(own->node, &message, 0, 0);
  if (restored < 0) tree.is_ending = 1;
}

static void wait_for_tree(void) {
  int node = own->node, front = own->front;
  if (mount_watch.changes >= 0) watch_limits(&limit_watch, layers.bytes, layers.size);
  if (orders.header.time_limit != 0) {
    tree.has_limit = 1;
    tree.limit = now() + orders.header.time_limit;
  }
  while (reap()) {
    if (tree.has_limit && now() >= tree.limit) reach_limit();
    if (tree.has_deadline && now() >= tree.deadline) tree.is_ending = 1;
    if (tree.is_ending) kill_tree();

    /* A child that is forked while the list is read is reparented to us later, without a signal: repeat. */
    int64_t left = tree.is_ending ? KILL_INTERVAL : NO_TIMEOUT;
    if (!tree.is_ending && tree.has_deadline) left = shorter_timeout(left, tree.deadline);
    if (!tree.is_ending && tree.has_limit) left = shorter_timeout(left, tree.limit);
    if (!tree.is_ending && mount_watch.changes >= 0) left = shorter_timeout(left, next_look());
    struct __kernel_timespec limit = {left / 1000, left % 1000 * 1000000};
    struct pollfd sources[4] = {
        {child_signals, POLLIN, 0}, {node, POLLIN, 0}, {front, POLLIN, 0}, {mount_watch.changes, POLLPRI, 0}};
    wait_readable(sources, 4, left == NO_TIMEOUT ? 0 : &limit);
    if (mount_watch.changes >= 0 && (sources[3].revents || now() >= next_look())) look_at_mounts();
    unsigned char buffer[128];
    if (sources[0].revents) CALL(__NR_read, child_signals, buffer, sizeof buffer);
    if (sources[1].revents) read_node(&node);
    if (sources[2].revents) read_front(&front);
    /* Both readers of the status have exited. */
    if (node < 0 && front < 0 && !tree.is_ending && !tree.has_deadline && !is_tied(&orders.header)) return;
  }
  if (child.cgroup != NULL) remove_cgroup(&cgroup);
  look_at_tree(0);
  report(TREE_ENDED, 0);
}

/* Finds the processes that the command must not end. */
static void find_own_processes(void) {
  struct {
    int pid;
    unsigned uid, gid;
  } creator = {0, 0, 0}; /* struct ucred of the process that created the socket */
  int size = sizeof creator;
  processes.node = own->agent != 0 ? own->agent : (int)CALL(__NR_getppid, 0);
  processes.launcher = (int)CALL(__NR_getpid, 0);
  front_pidfd = -1;
  if (own->front >= 0 && CALL(__NR_getsockopt, own->front, SOL_SOCKET, SO_PEERCRED, &creator, &size) == 0) {
    processes.front = creator.pid;
    /* The pid is valid: the front is our parent, or Node's, and waits. */
    front_pidfd = (int)CALL(__NR_pidfd_open, creator.pid, 0);
  }
}

void serve(const struct launch *launch) {
  own = launch;
  find_own_processes();
  find_terminal();
  uint64_t child_signal = 1ull << (SIGCHLD - 1);
  child_signals = (int)CALL(__NR_signalfd4, -1, &child_signal, sizeof child_signal, O_CLOEXEC | O_NONBLOCK);
  polling = prepare_polling();
  children = prepare_tree();
  CALL(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  run_starter();
  wait_for_tree();
  exit_process(0);
}
