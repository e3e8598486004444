// SPDX-License-Identifier: MIT
/*
 *     front ─── Node ─── launcher ─── command
 *
 * The front is the process in the place of `portcullis`, which its caller has started: it starts Node, forwards signals and
 * ends as the command ends. Node's first child, the launcher, is a copy of the front: it has every descriptor, limit and
 * attribute of the front, and the command inherits them from it. Node compiles the policy and orders the launcher to
 * start the command. The launcher reports the command's state to the front.
 *
 * Where an agent runs (agent.h), it does what Node does, and the launcher is the front's child.
 */
#include "front.h"

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include "agent.h"
#include "in_place.h"
#include "kernel.h"
#include "poll.h"
#include "node.h"
#include "output.h"
#include "pid_variables.h"
#include "print.h"
#include "search.h"
#include "tree.h"

enum { GET_MDWE = 66 /* PR_GET_MDWE, Linux 6.3 */ };
/* Milliseconds for which text of an agent waits for a reader of standard error after the end of the tree. */
enum { TEXT_PATIENCE = 500 };
enum { SENT_BY_KERNEL = 0x80 /* SI_KERNEL */, SENT_TO_THREAD = -6 /* SI_TKILL */, MIN_DESCRIPTORS = 64 };

static struct inheritance *own;
static struct node node;
static struct orders orders;
static int launcher;          /* the socket, -1 once closed */
static int standard_error;    /* for the end of Node, which also has it; -1 if this process was started without */
static int polling, children; /* opened before the command runs, which can set RLIMIT_NOFILE to 0 */

static struct {
  int pid; /* of Node; 0 once it is reaped, and with an agent */
  int status;
} supervisor;

static struct agent agent = {-1, -1, 0, 0};
static struct {
  int is_used;
  int launcher;  /* its pid */
  int64_t drops; /* when text that standard error does not take is lost, CLOCK_MONOTONIC, ms; 0: not yet */
} through_agent;

/* Whether Node or the agent may still say something. */
static int has_supervisor(void) { return supervisor.pid != 0 || agent.socket >= 0; }

static struct {
  int is_tied; /* the front kills its tree if the launcher is killed */
  int pid;     /* 0: not started */
  int pidfd;
  int has_ended;
  int status;
  int is_known; /* to Node, by the launcher's STARTED */
} command;

static struct file_size {
  uint64_t soft, hard;
} file_size;           /* the limit on the size of files with which this process was started */
static int has_failed; /* the status is portcullis's own, FAILED, instead of the command's */

/* Signals stay pending from the launcher's READY until its STARTED or CANCELLED. */
static int is_starting;
static struct {
  int pid; /* 0: none */
  int pidfd;
  int is_tied;
} cloned; /* the process that will execute the command */
static int is_replaced, launcher_pid;

/* ── Signals ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void leave_agent(void) {
  if (agent.socket >= 0) CALL(__NR_close, agent.socket);
  agent.socket = -1;
}

static void end_node(void) {
  leave_agent();
  if (supervisor.pid == 0) return;
  CALL(__NR_kill, supervisor.pid, SIGKILL);
  while (CALL(__NR_wait4, supervisor.pid, 0, __WALL, 0) == -EINTR) {
  }
  supervisor.pid = 0;
}

static void forward(const struct signal_information *signal) {
  /* The kernel accepts only information that a process has queued (kernel/signal.c, do_pidfd_send_signal). */
  int is_queued = signal->code < 0 && signal->code != SENT_TO_THREAD;
  CALL(__NR_pidfd_send_signal, command.pidfd, signal->number, is_queued ? signal : NULL, 0);
}

static int send_byte(unsigned char byte) {
  return launcher >= 0 && CALL(__NR_sendto, launcher, &byte, 1, MSG_NOSIGNAL, 0, 0) == 1;
}

static int ends_the_wait(int signal) {
  return (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT) && is_fatal(own, signal);
}

/*
 * The terminal signals the foreground process group, which contains the command. But if the terminal hangs up, the kernel
 * signals the leader of its session alone (drivers/tty/tty_jobctrl.c, tty_signal_session_leader()).
 */
static int reaches_command(const struct signal_information *signal) {
  if (signal->code != SENT_BY_KERNEL) return 0;
  const int is_of_hangup = signal->number == SIGHUP || signal->number == SIGCONT;
  return !is_of_hangup || CALL(__NR_getsid, 0) != CALL(__NR_getpid, 0);
}

static void handle_signal(const struct signal_information *signal) {
  if (signal->number == SIGCHLD) return;
  if (command.pid == 0) {
    if (is_fatal(own, signal->number)) {
      end_node();
      end_by(signal->number);
    }
    if (own->pending_count < SIGNALS) own->pending[own->pending_count++] = *signal;
  } else if (!command.has_ended) {
    if (!reaches_command(signal)) forward(signal);
  } else if (ends_the_wait(signal->number)) {
    if (!send_byte((unsigned char)signal->number)) end_node();
  }
}

/* Whether the launcher has sent more. */
static int has_messages(void) {
  struct pollfd more = {launcher, POLLIN, 0};
  struct __kernel_timespec none = {0, 0};
  return CALL(__NR_ppoll, &more, 1, &none, 0, 0) != 0;
}

/*
 * The signal stays pending until the last moment: from there on a SIGCONT removes it. The launcher sends a message
 * before it sends SIGCONT.
 */
static void stop_by(int signal) {
  queue_default(signal);
  if (has_messages()) {
    cancel(signal);
    return;
  }
  deliver(signal);
  /* After a stop a SIGCONT is pending. The kernel stops no orphaned group by another signal than SIGSTOP. */
  send_byte(cancel(SIGCONT) ? CONTINUED : CANNOT_STOP);
}

/* ── The command ─────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The limit of this process, and of Node, which has inherited the hard limit. */
static int has_limited_time(void) {
  struct {
    uint64_t soft, hard;
  } limit = {0, ~0ull};
  return CALL(__NR_prlimit64, 0, RLIMIT_CPU, 0, &limit) == 0 && limit.hard != ~0ull;
}

/*
 * Any process of the user can lower the limits of this one (kernel/sys.c, check_prlimit_permission()). It raises a lowered
 * soft limit again; a lowered hard limit it raises only with CAP_SYS_RESOURCE.
 */
static void restore_file_size(void) {
  struct file_size limit = {file_size.hard, file_size.hard};
  if (CALL(__NR_prlimit64, 0, RLIMIT_FSIZE, &limit, 0) == 0) return;
  if (CALL(__NR_prlimit64, 0, RLIMIT_FSIZE, 0, &limit) < 0) return;
  limit.soft = limit.hard;
  CALL(__NR_prlimit64, 0, RLIMIT_FSIZE, &limit, 0);
}

/* Whether standard error takes text without a wait for its reader, and without a SIGPIPE. */
static int can_print(void) {
  struct pollfd error = {standard_error, POLLOUT, 0};
  struct __kernel_timespec none = {0, 0};
  return CALL(__NR_ppoll, &error, 1, &none, 0, 0) == 1 && error.revents == POLLOUT;
}

/*
 * The command, the kernel (out of memory) or any process of the user can have killed Node, or lowered its limits so that
 * it fails or cannot write. If this process cannot write about it either, the status shows it.
 */
static void report_end_of_node(void) {
  int signal = supervisor.status & 0x7f, status = supervisor.status >> 8 & 0xff;
  int is_own = command.has_ended && command.status == FAILED << 8;
  if (signal == 0) has_failed = status == FAILED && command.is_known && !is_own;
  if (signal != 0 || has_failed) {
    restore_file_size();
    int is_possible = can_print();
    if (is_possible && signal != 0 && through_agent.is_used) {
      print(
          "portcullis: the agent has ended while the command ran: later events are lost, and calls that need the "
          "supervisor fail (ENOSYS)\n");
    } else if (is_possible && signal != 0) {
      print("portcullis: Node was ended by signal ");
      print_number(signal);
      if (signal == SIGKILL && has_limited_time()) print(" (its processor time is limited, ulimit -t)");
      print(" while the command ran: later events are lost, and calls that need the supervisor fail (ENOSYS)\n");
    } else if (is_possible) {
      print(through_agent.is_used
                ? "portcullis: the agent could not record all calls, or not all events could be written"
                : "portcullis: Node failed, or could not record all calls, or could not write all "
                  "events and messages");
      print(
          " (the disk is full, or the size of files is limited: ulimit -f, prlimit): the exit status is 125 instead of "
          "the command's\n");
    }
    if (!is_possible || printing_error() != 0) has_failed = 1;
    /* The command shall not get the signal of a write that the limit refused. */
    cancel(SIGXFSZ);
  }
  if (standard_error >= 0) CALL(__NR_close, standard_error);
  close_output();
}

static void handle_start(int signals) {
  is_starting = 0;
  command.pid = cloned.pid;
  command.is_tied = cloned.is_tied;
  command.pidfd = cloned.pidfd;
  const int output = output_to_poll();
  int open[] = {launcher, command.pidfd, signals, polling, children, standard_error, agent.socket, output};
  close_all_except(open, sizeof open / sizeof *open);
  /* The launcher has already delivered the signals that were pending when it was forked. */
  for (uint32_t i = node.launch.inheritance->pending_count; i < own->pending_count; i++) forward(&own->pending[i]);
  if (!has_supervisor()) report_end_of_node();
}

static void read_launcher(int signals) {
  struct message message;
  int descriptor;
  if (receive_message(launcher, &message, &descriptor) < 0) {
    CALL(__NR_close, launcher);
    launcher = -1;
    /* If the launcher was killed before its STARTED, the command may run, and Node cannot end it. */
    const int is_unknown = is_starting && cloned.pid != 0;
    if (is_unknown) handle_start(signals);
    /* An agent signals no process that is not known to be under its listener. */
    if (is_unknown || (through_agent.is_used && command.pid != 0 && !command.has_ended))
      CALL(__NR_pidfd_send_signal, command.pidfd, SIGKILL, 0, 0);
    is_starting = 0;
    return;
  }
  switch ((enum message_kind)message.kind) {
    case READY:
      /* Without the answer the launcher would wait for ever. */
      is_starting = send_byte(0);
      if (!is_starting) {
        CALL(__NR_close, launcher);
        launcher = -1;
      }
      break;
    case CLONED:
      cloned.pid = message.pid;
      cloned.pidfd = descriptor;
      cloned.is_tied = (message.detail & TIED) != 0;
      break;
    case CANCELLED:
      is_starting = 0;
      if (cloned.pid != 0 && cloned.pidfd >= 0) CALL(__NR_close, cloned.pidfd);
      cloned.pid = 0;
      break;
    case STARTED:
      command.is_known = 1;
      handle_start(signals);
      break;
    case ENDED:
      command.has_ended = 1;
      command.status = message.value;
      break;
    case TREE_ENDED:
      command.is_tied = 0;
      break;
    case STOPPED:
      send_byte(IS_STOPPED);
      break;
    case STOP:
      stop_by(message.value);
      break;
    case REPLACED:
      launcher_pid = message.value;
      is_replaced = read_orders(launcher, &orders) == 0;
      break;
    default:
      break;
  }
}

/* What Node or the agent may have received: that the command runs, and its status. */
static void read_launcher_to_end(int signals) {
  while (launcher >= 0 && has_messages()) read_launcher(signals);
}

/* Reaps Node, and the processes that a killed launcher leaves to this subreaper. True while there are children. */
static int reap(int signals) {
  while (command.pid != 0 || supervisor.pid != 0) {
    int status = 0;
    /* The front may become the command, which can wait for its former children. */
    long pid = CALL(__NR_wait4, command.pid == 0 ? supervisor.pid : -1, &status, WNOHANG | __WALL, 0);
    if (pid == -EINTR) continue;
    if (pid <= 0) return pid == 0;
    include_again((int)pid);
    if (pid == supervisor.pid) {
      read_launcher_to_end(signals);
      supervisor.pid = 0;
      supervisor.status = status;
      if (command.pid != 0) report_end_of_node();
    } else if (command.pid != 0 && pid == command.pid && !command.has_ended) {
      command.has_ended = 1;
      command.status = status;
    }
  }
  return 0;
}

/* ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * A program that has started this one sees the same end as without portcullis. A shell needs it: after Ctrl-C it ends a
 * loop or a script only if the program was ended by SIGINT. It takes an exit status of 130 for a program that has
 * handled the signal (bash 5.2, jobs.c, wait_for(); dash 0.5.12, jobs.c, waitforjob()).
 */
static void end_like(int status) __attribute__((noreturn));
static void end_like(int status) {
  int signal = status & 0x7f;
  if (signal != 0) end_by(signal);
  exit_process(status >> 8 & 0xff);
}

static void replace(char **words, uint32_t count, char **environment) __attribute__((noreturn));
static void replace(char **words, uint32_t count, char **environment) {
  /* Node has ended, so the launcher is our child. */
  while (CALL(__NR_wait4, launcher_pid, 0, __WALL, 0) == -EINTR) {
  }
  CALL(__NR_prctl, PR_SET_CHILD_SUBREAPER, own->is_subreaper, 0, 0, 0);
  become(words + (count - orders.header.words), environment, own, &orders);
}

static void die_without_node(void) __attribute__((noreturn));
static void die_without_node(void) {
  print("portcullis: Node was ended by signal ");
  print_number(supervisor.status & 0x7f);
  if ((supervisor.status & 0x7f) == SIGKILL && has_limited_time()) {
    print(" before the command was started\n  help: its processor time is limited: ulimit -t unlimited\n");
    exit_process(FAILED);
  }
  print(
      " before the command was started\n  help: it needs memory and address space (ulimit -v unlimited, ulimit -d "
      "unlimited), some of it executable; "
      "`portcullis doctor` says more\n");
  exit_process(FAILED);
}

/* Exits when nothing is left to wait for, otherwise returns. */
static void exit_when_done(int signals, char **words, uint32_t count, char **environment) {
  int has_children = reap(signals);
  if (has_supervisor()) return;
  if (is_replaced) replace(words, count, environment);
  if (command.pid == 0) {
    /* Node may have started the command just before it ended: read the launcher's messages first. */
    if (launcher >= 0) return;
    if ((supervisor.status & 0x7f) != 0) die_without_node();
    int status = supervisor.status >> 8 & 0xff;
    /* Node has other statuses for its own errors (1 to 13), such as an exception that nothing catches. */
    exit_process(status == 0 || status == CANNOT_RUN || status == NOT_FOUND ? status : FAILED);
  }
  /* A killed launcher leaves its children to this process. Children from before its execve of portcullis do not count. */
  int has_tree = has_children && has_other_children();
  if (launcher < 0 && command.is_tied && has_tree) return;
  if (command.has_ended && has_failed) exit_process(FAILED);
  if (command.has_ended) end_like(command.status);
  if (launcher < 0 && !has_tree) exit_process(FAILED);
}

/* ── The beginning ───────────────────────────────────────────────────────────────────────────────────────────────── */

/* Checks conditions on which Node fails without a clear message. */
static void check_environment(void) {
  static char folder[PATH_MAX];
  if (CALL(__NR_getcwd, folder, sizeof folder) == -ENOENT)
    die(FAILED, NULL, "the working directory was deleted", "change to another directory");
  if (CALL(__NR_prctl, GET_MDWE, 0, 0, 0, 0) > 0)
    die(FAILED, NULL, "no memory may become executable here (PR_SET_MDWE), and Node compiles code",
        "remove MemoryDenyWriteExecute= from the systemd unit, or run a bundle by the launcher (docs/bundle.md)");
  struct {
    uint64_t soft, hard;
  } limit = {0, 0};
  if (CALL(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) == 0 && limit.hard < MIN_DESCRIPTORS)
    die(FAILED, NULL, "the limit of open files is too low (ulimit -n): portcullis needs 64", "ulimit -n 1024");
}

/* Prepares a launcher whose supervisor has the other end of `socket`. Returns the launcher's socket to this process. */
static int prepare_launch(char **words, uint32_t count, char **environment, int socket) {
  int between_us[2];
  const long result = make_sockets(between_us);
  if (result == -EMFILE)
    die(FAILED, NULL, "too many open file descriptors for the limit (ulimit -n)", "raise it, or close some");
  if (result < 0) die(FAILED, NULL, "a socket cannot be created", NULL);
  static struct inheritance given;
  given = *own;
  launcher = node.front = between_us[0];
  node.launch = (struct launch){words, count, environment, &given, socket, between_us[1], 0, 0};
  return between_us[1];
}

static void start_with_node(char **words, uint32_t count, char **environment) {
  int between_node[2];
  long result = make_sockets(between_node);
  if (result == -EMFILE)
    die(FAILED, NULL, "too many open file descriptors for the limit (ulimit -n)", "raise it, or close some");
  if (result < 0) die(FAILED, NULL, "a socket cannot be created", NULL);
  const int launchers = prepare_launch(words, count, environment, between_node[1]);
  node.argv = words;
  node.socket = between_node[0];
  result = start_node(&node);
  if (result < 0) die(FAILED, NULL, "a process cannot be created", help_without_process(result));
  supervisor.pid = (int)result;
  for (int i = 0; i < 2; i++) CALL(__NR_close, between_node[i]);
  CALL(__NR_close, launchers);
}

/* ── Through an agent ────────────────────────────────────────────────────────────────────────────────────────────── */

static int64_t now(void) {
  struct __kernel_timespec time = {0, 0};
  CALL(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int wants_agent(char **words, uint32_t count) {
  if (!strings_equal(words[2], "run")) return 0;
  /* Also as a word of the command, which costs only time. */
  for (uint32_t i = 3; i < count; i++)
    if (strings_equal(words[i], "--no-agent")) return 0;
  return 1;
}

/* No agent serves this start: nothing was started. */
static void start_with_node_instead(char **words, uint32_t count, char **environment) {
  leave_agent();
  through_agent.is_used = 0;
  close_output();
  if (launcher >= 0) CALL(__NR_close, launcher);
  /* It exits without a front. Unreaped, it would be a child of the process that the front may become. */
  while (CALL(__NR_wait4, through_agent.launcher, 0, __WALL, 0) == -EINTR) {
  }
  start_with_node(words, count, environment);
}

/* Returns 0 if no agent runs. The launcher starts while the agent reads the request. */
static int start_with_agent(char **words, uint32_t count, char **environment) {
  if (count < 3 || !wants_agent(words, count)) return 0;
  ask_agent(&agent, words + 1, count - 1, environment);
  if (agent.socket < 0) return 0;
  through_agent.is_used = 1;
  open_output(standard_error >= 0);
  const int launchers = prepare_launch(words, count, environment, agent.launcher);
  node.launch.agent = agent.pid;
  node.socket = agent.socket;
  const long result = start_launcher(&node);
  if (result < 0) die(FAILED, NULL, "a process cannot be created", help_without_process(result));
  through_agent.launcher = (int)result;
  CALL(__NR_close, launchers);
  CALL(__NR_close, agent.launcher);
  if (!is_accepted(&agent)) start_with_node_instead(words, count, environment);
  return 1;
}

static void read_agent(int signals) {
  uint32_t value = 0;
  const int heard = hear_agent(&agent, &value);
  if (heard == 0) return;
  read_launcher_to_end(signals);
  leave_agent();
  supervisor.status = heard == END ? (int)(value & 0xff) << 8 : SIGKILL;
  if (output_error() != 0) supervisor.status = FAILED << 8;
  if (command.pid != 0) report_end_of_node();
}

/* Milliseconds until text is lost that waits for standard error; -1: it waits for ever. */
static int64_t text_patience(void) {
  if (!has_text() || launcher >= 0 || !command.has_ended) return -1;
  if (through_agent.drops == 0) through_agent.drops = now() + TEXT_PATIENCE;
  const int64_t left = through_agent.drops - now();
  if (left <= 0) drop_text();
  return left > 0 ? left : 0;
}

void supervise(char **words, uint32_t count, char **environment, struct inheritance *inheritance) {
  own = inheritance;
  standard_error = CALL(__NR_fcntl, 2, F_GETFD, 0) < 0 ? -1 : 2;
  if (count < 2) die(FAILED, NULL, "usage: launcher supervise NODE SCRIPT [WORD...]", NULL);
  check_environment();
  CALL(__NR_prlimit64, 0, RLIMIT_FSIZE, 0, &file_size);
  long result = find_command(words[0], environment, &node.file);
  if (result < 0) die(FAILED, words[0], "command not found", "install Node 20.19 or newer");

  uint64_t all = ~0ull;
  const long signals = CALL(__NR_signalfd4, -1, &all, sizeof all, O_CLOEXEC);
  if (signals == -EMFILE)
    die(FAILED, NULL, "too many open file descriptors for the limit (ulimit -n)", "raise it, or close some");
  if (signals < 0) die(FAILED, NULL, "a descriptor for signals cannot be created", NULL);

  find_pid_variables(environment);
  /* Orphans of Node and the launcher become our children: the launcher itself, and the command with its status. */
  CALL(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  exclude_children();
  if (!start_with_agent(words, count, environment)) start_with_node(words, count, environment);
  polling = prepare_polling();
  children = prepare_tree();

  for (;;) {
    const int64_t patience = text_patience();
    const int is_waiting = has_text();
    struct pollfd sources[4] = {{launcher, POLLIN, 0},
                                {is_starting ? -1 : (int)signals, POLLIN, 0},
                                {is_waiting ? -1 : agent.socket, POLLIN, 0},
                                {is_waiting ? output_to_poll() : -1, POLLOUT, 0}};
    /* The launcher exits when the tree has ended. If it was killed before that, its children are ours. */
    int is_ending = launcher < 0 && command.is_tied;
    if (is_ending) signal_tree(SIGKILL, supervisor.pid);
    const int64_t left = is_ending ? KILL_INTERVAL : patience;
    struct __kernel_timespec pause = {left / 1000, left % 1000 * 1000000};
    wait_readable(sources, 4, left >= 0 ? &pause : 0);
    if (sources[0].revents != 0) read_launcher((int)signals);
    if (agent.socket >= 0 && (sources[2].revents != 0 || is_waiting)) read_agent((int)signals);
    /* Without an agent the launcher, too, gives up, unless it is about to start the command. */
    if (through_agent.is_used && agent.socket < 0 && command.pid == 0 && !is_starting)
      start_with_node_instead(words, count, environment);
    struct signal_information signal;
    while (!is_starting && dequeue_signal(&signal) != 0) handle_signal(&signal);
    if (!is_starting) exit_when_done((int)signals, words, count, environment);
  }
}
