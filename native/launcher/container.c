// SPDX-License-Identifier: MIT
/*
 * Gives filters to a container's command, and to those that a runtime executes in the container later.
 *
 * `start` makes the filters in a process of its own, which is born in the container's namespaces, and gives them to the
 * command at the end of its execve, so that no call of the runtime is judged. `exec` takes the filters of the command, with
 * their state, and gives them to the processes of the runtime when they are born: then they are older than those that the
 * runtime installs. They are suspended until the execve of the command.
 *
 * A tracee is killed if this process ends (PTRACE_O_EXITKILL). So each failure is closed: it only needs to exit.
 */
#include "container.h"

#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/wait.h>

#include "confine.h"
#include "in_place.h"
#include "kernel.h"
#include "print.h"
#include "process_status.h"
#include "search.h"
#include "tracee.h"

static const char usage[] =
    "usage: launcher container check BUNDLE\n"
    "       launcher container start BUNDLE RECORD PID RUNTIME [ARGUMENT...]\n"
    "       launcher container exec RECORD PID RUNTIME [ARGUMENT...]\n"
    "\n"
    "check  installs the policy of a bundle in a process that ends: whether this kernel and user can confine a "
    "container\n"
    "start  runs a command that starts the container whose process is PID, and installs the policy in it; RECORD is a\n"
    "       file that it writes for exec\n"
    "exec   runs a command that executes another in this container; that one shares the state of the policy\n"
    "\n"
    "exit status: that of the runtime; 125: portcullis failed, and the container's process or the command was killed\n";

static void fail(const char *what, long error) __attribute__((noreturn));
static void fail(const char *what, long error) {
  print("portcullis: ");
  print(what);
  print(" (");
  print_error(error);
  print(")\n");
  if (error == -EACCES || error == -EPERM)
    print("  help: this requires CAP_SYS_ADMIN in the first user namespace, and no seccomp filter\n");
  if (error == -EIO) print("  help: the kernel must have the series of kernel/README.md\n");
  exit_process(FAILED);
}

static int number_in(const char *text) {
  int number = 0;
  const char *at = text;
  for (; *at >= '0' && *at <= '9' && number < 1 << 24; at++) number = 10 * number + (*at - '0');
  if (*at != 0 || number == 0) die(FAILED, text, "is no process", "launcher container --help");
  return number;
}

static int shares_users(int pid) {
  char path[MAX_PROCESS_PATH];
  struct statx its, own;
  process_path(path, (unsigned)pid, "ns/user");
  long result = CALL(__NR_statx, AT_FDCWD, path, 0, STATX_INO, &its);
  if (result >= 0) result = CALL(__NR_statx, AT_FDCWD, "/proc/self/ns/user", 0, STATX_INO, &own);
  if (result < 0) fail("a user namespace cannot be examined", result);
  return its.stx_ino == own.stx_ino; /* both of nsfs, of which there is one */
}

static long fork_process(void) { return CALL(__NR_clone, SIGCHLD, 0, 0, 0, 0); }

/* A process that executes the runtime's command after it has read a byte from `ready`, unless that is -1. */
static int start_runtime(char **words, char **environment, const struct inheritance *inheritance, int ready) {
  const char *file;
  char byte;
  if (words[0] == NULL) die(FAILED, NULL, "the runtime's command is missing", "launcher container --help");
  long result = find_command(words[0], environment, &file);
  if (result < 0) die(NOT_FOUND, words[0], "cannot be run", NULL);
  const long pid = fork_process();
  if (pid < 0) fail("no process can be made", pid);
  if (pid > 0) return (int)pid;
  restore_inheritance(inheritance);
  /* The runtime passes it on. */
  CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  if (ready >= 0 && read_all(ready, &byte, 1) < 0) exit_process(FAILED);
  CALL(__NR_execve, file, words, environment);
  die(CANNOT_RUN, file, "cannot be run", NULL);
}

static void exit_with(int status) __attribute__((noreturn));
static void exit_with(int status) { exit_process((status & 0x7f) == 0 ? signal_of(status) : 128 + (status & 0x7f)); }

/* ── The filters of a new container ──────────────────────────────────────────────────────────────────────────────── */

struct answer {
  long error;
  enum stage stage;
};

static void attach(const struct confinement *confinement, int socket, int users) __attribute__((noreturn));
static void attach(const struct confinement *confinement, int socket, int users) {
  char byte;
  struct answer answer = {0, ATTACH};
  CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (read_all(socket, &byte, 1) < 0) exit_process(FAILED);
  /* Ids of users are those of the container to the policy. */
  if (users >= 0) answer.error = CALL(__NR_setns, users, CLONE_NEWUSER);
  if (answer.error == 0) answer.error = confine(confinement, &answer.stage);
  write_all(socket, &answer, sizeof answer);
  read_all(socket, &byte, 1); /* until it is killed */
  exit_process(0);
}

/*
 * Makes the filters above those of the stopped tracee `pid`, in its namespaces; 0: above none, in ours. Returns a descriptor
 * for all, and the number of the newest.
 */
static int make_filters(const struct confinement *confinement, int pid, uint64_t *number) {
  enum { UNIX = 1, STREAM = 1 };
  int ends[2], pidfd = -1, users = -1;
  long older = -EINVAL, own = -1;
  long result = CALL(__NR_socketpair, UNIX, STREAM | O_CLOEXEC, 0, ends);
  if (result < 0) fail("no socket can be made", result);
  if (pid > 0) {
    older = filters_of(pid);
    if (older < 0 && older != -EINVAL) fail("the container's filters cannot be taken", older);
    own = CALL(__NR_openat, AT_FDCWD, "/proc/self/ns/pid", O_RDONLY | O_CLOEXEC, 0);
    pidfd = (int)CALL(__NR_pidfd_open, pid, 0);
    result = own < 0 ? own : pidfd < 0 ? pidfd : CALL(__NR_setns, pidfd, CLONE_NEWPID);
    if (result < 0) fail("the container's PID namespace cannot be entered", result);
    if (!shares_users(pid)) users = pidfd;
  }
  const long helper = fork_process();
  if (helper < 0) fail("no process can be made in the container", helper);
  if (helper == 0) {
    CALL(__NR_close, ends[0]); /* so that it reads the end if this process ends */
    attach(confinement, ends[1], users);
  }
  if (own >= 0) result = CALL(__NR_setns, own, CLONE_NEWPID);
  if (result < 0) fail("the own PID namespace cannot be entered", result);

  result = trace(PTRACE_SEIZE, (int)helper, 0, (void *)(PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP));
  if (result >= 0 && older >= 0) {
    result = stop_tracee((int)helper);
    if (result >= 0) result = give_filters((int)helper, (int)older);
    if (result >= 0) result = trace(PTRACE_CONT, (int)helper, 0, NULL);
  }
  if (result < 0) fail("the container's filters cannot be given to another process", result);
  struct answer answer;
  result = write_all(ends[0], "", 1);
  if (result >= 0) result = read_all(ends[0], &answer, sizeof answer);
  if (result < 0) fail("the process that attaches the filters has ended", result);
  if (answer.error < 0)
    fail(answer.stage == INSTALL ? "the kernel refuses the classic filter" : "the kernel refuses the extended filter",
         answer.error);
  result = stop_tracee((int)helper);
  if (result >= 0) result = newest_filter((int)helper, number);
  const long filters = result < 0 ? result : filters_of((int)helper);
  if (filters < 0) fail("the filters cannot be taken", filters);
  /* It is a process of the policy's tree until it is reaped. */
  CALL(__NR_kill, helper, SIGKILL);
  CALL(__NR_wait4, helper, 0, __WALL, 0);
  for (int i = 0; i < 2; i++) CALL(__NR_close, ends[i]);
  if (older >= 0) CALL(__NR_close, older);
  if (own >= 0) CALL(__NR_close, own);
  if (pidfd >= 0) CALL(__NR_close, pidfd);
  return (int)filters;
}

static void require_no_new_privileges(int pid) {
  if (confinement_of((unsigned)pid).no_new_privileges != 1)
    die(FAILED, NULL, "the process could gain privileges, by which a policy could be misused",
        "set process.noNewPrivileges in config.json; podman --security-opt no-new-privileges");
}

/* ── start ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void write_record(const char *path, uint64_t number) {
  const long file = CALL(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  const long result = file < 0 ? file : write_all((int)file, &number, sizeof number);
  if (result < 0) fail("the record of the container cannot be written", result);
  CALL(__NR_close, file);
}

static void confine_command(const struct confinement *confinement, const char *record, int pid) {
  uint64_t number = 0;
  require_no_new_privileges(pid);
  const int filters = make_filters(confinement, pid, &number);
  write_record(record, number);
  const long result = give_filters(pid, filters);
  if (result < 0) fail("the filters cannot be given to the container's command", result);
  CALL(__NR_close, filters);
}

static void start_container(const struct confinement *confinement, const char *record, int pid, char **words,
                            char **environment, const struct inheritance *inheritance) __attribute__((noreturn));
static void start_container(const struct confinement *confinement, const char *record, int pid, char **words,
                            char **environment, const struct inheritance *inheritance) {
  /*
   * From here on the number cannot be another process's: the kernel keeps it until the tracee is reaped. If it already is
   * another's, the runtime finds that its process has gone, and fails.
   */
  long result = trace(PTRACE_SEIZE, pid, 0, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC));
  if (result < 0) fail("the container's process cannot be traced", result);
  const int runtime = start_runtime(words, environment, inheritance, -1);
  int status, its_status = 0, runs = 1, waits = 1; /* the runtime runs; the command is waited for */
  while (runs || waits) {
    const long which = CALL(__NR_wait4, -1, &status, __WALL, 0);
    if (which == -EINTR) continue;
    if (which < 0) fail("the container's process cannot be waited for", which);
    if (which == runtime) {
      runs = 0;
      its_status = status;
      /* The process is not confined, and not started: it is let go of. */
      if (waits && status != 0) trace(PTRACE_INTERRUPT, pid, 0, NULL);
    } else if (which == pid && !is_stopped(status)) {
      waits = 0;
    } else if (which == pid && event_of(status) == PTRACE_EVENT_EXEC) {
      confine_command(confinement, record, pid);
      trace(PTRACE_DETACH, pid, 0, NULL);
      waits = 0;
    } else if (which == pid && !runs && its_status != 0 && event_of(status) == PTRACE_EVENT_STOP) {
      trace(PTRACE_DETACH, pid, 0, NULL);
      waits = 0;
    } else if (which == pid) {
      resume_tracee(pid, status);
    }
  }
  exit_with(its_status);
}

/* ── exec ────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static uint64_t read_record(const char *path) {
  uint64_t number = 0;
  const long file = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
  const long result = file < 0 ? file : read_all((int)file, &number, sizeof number);
  if (result < 0) fail("the container has no record: it was not started by this program", result);
  CALL(__NR_close, file);
  return number;
}

/* The filters of a container's process: those of the record, and no others above. */
static int take_filters(int pid, uint64_t number) {
  uint64_t newest = 0;
  long result = trace(PTRACE_SEIZE, pid, 0, 0);
  if (result >= 0) result = stop_tracee(pid);
  if (result >= 0) result = newest_filter(pid, &newest);
  if (result < 0) fail("the filters of the container's process cannot be examined", result);
  if (newest != number)
    die(FAILED, NULL, "the container's process does not have exactly the filters of its start",
        "one that installs seccomp filters of its own cannot be joined");
  const long filters = filters_of(pid);
  if (filters < 0) fail("the filters of the container's process cannot be taken", filters);
  trace(PTRACE_DETACH, pid, 0, NULL);
  return (int)filters;
}

/* The runtime's processes that have the filters, which are suspended. */
enum { MAX_BORN = 64 };
static int born[MAX_BORN];

static int index_of(int pid) {
  for (int i = 0; i < MAX_BORN; i++)
    if (born[i] == pid) return i;
  return -1;
}

static void give_at_birth(int pid, int filters) {
  const int place = index_of(0);
  const long result = place < 0 ? -ENOSPC : give_filters(pid, filters);
  if (result < 0) fail("the filters cannot be given to a process of the runtime", result);
  born[place] = pid;
}

struct action { /* the kernel's struct sigaction */
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

/* What the terminal sends reaches the runtime, too, whose status this process then takes. */
static void leave_signals_to_runtime(void) {
  const struct action ignored = {.handler = SIG_IGN};
  CALL(__NR_rt_sigaction, SIGINT, &ignored, 0, sizeof ignored.mask);
  CALL(__NR_rt_sigaction, SIGQUIT, &ignored, 0, sizeof ignored.mask);
}

static void execute_in_container(const char *record, int pid, char **words, char **environment,
                                 const struct inheritance *inheritance) __attribute__((noreturn));
static void execute_in_container(const char *record, int pid, char **words, char **environment,
                                 const struct inheritance *inheritance) {
  const uint64_t number = read_record(record);
  /* The container's process can delay its stop, by vfork(2). */
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &inheritance->mask, 0, sizeof inheritance->mask);
  const int filters = take_filters(pid, number);
  int ends[2];
  long result = CALL(__NR_pipe2, ends, O_CLOEXEC);
  if (result < 0) fail("no pipe can be made", result);
  const int runtime = start_runtime(words, environment, inheritance, ends[0]);
  result = trace(PTRACE_SEIZE, runtime, 0,
                 (void *)(PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                          PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE));
  if (result >= 0) result = write_all(ends[1], "", 1);
  if (result < 0) fail("the runtime cannot be traced", result);
  leave_signals_to_runtime();
  int status, its_status = 0, is_released = 0;
  for (;;) {
    const long which = CALL(__NR_wait4, -1, &status, __WALL, 0);
    if (which == -EINTR) continue;
    if (which == -ECHILD) exit_with(its_status); /* the runtime and all that it has made have ended, or are let go of */
    if (which < 0) fail("the runtime cannot be waited for", which);
    const int child = (int)which;
    if (!is_stopped(status)) {
      if (child == runtime) its_status = status;
      else if (index_of(child) >= 0) born[index_of(child)] = 0;
    } else if (child == runtime) {
      if (is_released && event_of(status) == PTRACE_EVENT_STOP) trace(PTRACE_DETACH, child, 0, NULL);
      else resume_tracee(child, status);
    } else if (index_of(child) < 0) {
      give_at_birth(child, filters);
      resume_tracee(child, status);
    } else if (event_of(status) == PTRACE_EVENT_EXEC) {
      /* In no namespace but for the container's does crun execute anything here. The filters hold from any execve on. */
      require_no_new_privileges(child);
      if (!has_filter(child, number)) die(FAILED, NULL, "the command lacks the container's filters", NULL);
      trace(PTRACE_DETACH, child, 0, NULL);
      born[index_of(child)] = 0;
      is_released = 1;
      trace(PTRACE_INTERRUPT, runtime, 0, NULL);
    } else {
      resume_tracee(child, status);
    }
  }
}

/* ── The verbs ───────────────────────────────────────────────────────────────────────────────────────────────────── */

void confine_container(char **words, char **environment, const struct inheritance *inheritance) {
  struct confinement confinement;
  uint64_t number;
  int count = 0;
  while (words[count] != NULL) count++;
  if (count > 0 && (strings_equal(words[0], "--help") || strings_equal(words[0], "-h"))) {
    write_all(1, usage, sizeof usage - 1);
    exit_process(0);
  }
  if (count == 2 && strings_equal(words[0], "check")) {
    load_bundle(words[1], &confinement);
    make_filters(&confinement, 0, &number);
    exit_process(0);
  }
  if (count > 4 && strings_equal(words[0], "start")) {
    load_bundle(words[1], &confinement);
    start_container(&confinement, words[2], number_in(words[3]), words + 4, environment, inheritance);
  }
  if (count > 3 && strings_equal(words[0], "exec"))
    execute_in_container(words[1], number_in(words[2]), words + 3, environment, inheritance);
  die(FAILED, NULL, "expected check, start or exec with its words", "launcher container --help");
}
