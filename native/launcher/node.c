// SPDX-License-Identifier: MIT
/* Clones the process that becomes Node, which first clones the launcher. */
#include "node.h"

#include <linux/fcntl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>

#include "kernel.h"
#include "orders.h"
#include "print.h"
#include "tree.h"

enum { SOCKET = 3 };

/* Gives Node the socket's number. The command's environment does not contain it. */
static char variable[] = "PORTCULLIS_LAUNCHER=3";

static unsigned char stack[CHILD_STACK] __attribute__((aligned(16)));
static char **environment;
static unsigned char *launcher_stack;

/*
 * Variables that change Node, or the dynamic linker, are for the command. In the supervisor they run other code, open a
 * debugger's port that the command can reach (NODE_OPTIONS=--inspect), use its socket for another protocol
 * (NODE_CHANNEL_FD=3), or turn off WebAssembly (--jitless). Node may need LD_LIBRARY_PATH to start.
 */
static int is_for_command(const char *entry) {
  return starts_with(entry, "NODE_", 5) || starts_with(entry, variable, sizeof variable - 2) ||
         (starts_with(entry, "LD_", 3) && !starts_with(entry, "LD_LIBRARY_PATH=", 16));
}

static char **environment_of_node(char **original) {
  size_t count = 0, length = 0;
  while (original[count] != NULL) count++;
  char **result = allocate((count + 2) * sizeof *result);
  if (result == NULL) return NULL;
  for (size_t i = 0; i < count; i++)
    if (!is_for_command(original[i])) result[length++] = original[i];
  result[length++] = variable;
  return result;
}

static void become_launcher(void *argument) {
  const struct node *node = argument;
  CALL(__NR_close, node->socket);
  CALL(__NR_close, node->front);
  serve(&node->launch);
}

static void fail(const char *what, long error, const char *help) __attribute__((noreturn));
static void fail(const char *what, long error, const char *help) {
  print("portcullis: ");
  print(what);
  print(" (");
  print_error(error);
  print(")\n");
  if (help != NULL) {
    print("  help: ");
    print(help);
    print("\n");
  }
  exit_process(FAILED);
}

const char *help_without_process(long error) {
  /* clone(2) has EPERM only for flags that are not ours. A supervisor cannot trace this process, which is not dumpable. */
  if (error == -EPERM)
    return "an outer sandbox refuses it, such as another portcullis whose policy follows new processes "
           "(docs/engines.md)";
  return error == -EAGAIN ? "the limit of processes is reached (ulimit -u, or pids.max of the cgroup)" : NULL;
}

/* Node gets /dev/null as standard input and output, because those belong to the command, and no other descriptors. */
static void arrange_descriptors(int socket) {
  long null = CALL(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
  long high = null < 0 ? null : CALL(__NR_fcntl, null, F_DUPFD_CLOEXEC, 3);
  if (high < 0) fail("/dev/null cannot be opened", high, NULL);
  for (int stream = 0; stream < 2; stream++) CALL(__NR_dup3, high, stream, 0);
  if (CALL(__NR_fcntl, 2, F_GETFD, 0) < 0 || null == 2) CALL(__NR_dup3, high, 2, 0);
  if (socket == SOCKET) CALL(__NR_fcntl, socket, F_SETFD, 0);
  else CALL(__NR_dup3, socket, SOCKET, 0);
  int open[] = {0, 1, 2, SOCKET};
  close_all_except(open, 4);
}

static void reset_signals(void) {
  struct {
    long handler;
    unsigned long flags, restorer;
    uint64_t mask;
  } original = {0};
  for (int signal = 1; signal <= SIGNALS; signal++)
    if (signal != SIGKILL && signal != SIGSTOP) CALL(__NR_rt_sigaction, signal, &original, 0, sizeof original.mask);
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &original.mask, 0, sizeof original.mask);
}

/*
 * Limits that a shell sets for the command (ulimit -S) apply to the supervisor only where it cannot raise them. A V8 that
 * has less stack than it was built for (984 KiB) overflows it: SIGSEGV.
 */
static void raise_limits(void) {
  static const struct {
    int resource;
    uint64_t enough;
  } raised[] = {
      {RLIMIT_CPU, ~0ull}, {RLIMIT_FSIZE, ~0ull}, {RLIMIT_DATA, ~0ull}, {RLIMIT_AS, ~0ull}, {RLIMIT_STACK, 8 << 20}};
  for (unsigned i = 0; i < sizeof raised / sizeof *raised; i++) {
    struct {
      uint64_t soft, hard;
    } limit;
    if (CALL(__NR_prlimit64, 0, raised[i].resource, 0, &limit) < 0 || limit.soft >= raised[i].enough) continue;
    limit.soft = limit.hard < raised[i].enough ? limit.hard : raised[i].enough;
    CALL(__NR_prlimit64, 0, raised[i].resource, &limit, 0);
  }
}

/* Runs in the front's memory, with its own descriptors and signal dispositions. */
static void become_node(void *argument) {
  struct node *node = argument;
  /*
   * Node leaves the process group, so that the terminal's signals to the job go to the command only. It leaves before the
   * launcher exists, because the end of a member whose parent is in another group can orphan the group (launcher.c). But
   * the command cannot join a group of an outer pid namespace, which has no number here: it must be born in the group.
   */
  node->launch.group = (int)CALL(__NR_getpgid, 0);
  if (node->launch.group != 0) CALL(__NR_setpgid, 0, 0);
  long launcher = clone_child(SIGCHLD, launcher_stack + TREE_STACK, NULL, become_launcher, node);
  if (launcher < 0) fail("a process cannot be created", launcher, help_without_process(launcher));
  CALL(__NR_setpgid, 0, 0);
  arrange_descriptors(node->socket);
  reset_signals();
  raise_limits();
  fail("Node cannot be started", CALL(__NR_execve, node->file, node->argv, environment), NULL);
}

long start_launcher(struct node *node) {
  unsigned char *own_stack = allocate(TREE_STACK);
  if (own_stack == NULL) return -ENOMEM;
  node->launch.group = (int)CALL(__NR_getpgid, 0);
  const long pid = clone_child(SIGCHLD, own_stack + TREE_STACK, NULL, become_launcher, node);
  CALL(__NR_munmap, own_stack, TREE_STACK);
  return pid;
}

long start_node(struct node *node) {
  environment = environment_of_node(node->launch.environment);
  launcher_stack = allocate(TREE_STACK);
  if (environment == NULL || launcher_stack == NULL) return -ENOMEM;
  int unused;
  return clone_child(CLONE_VM | CLONE_VFORK | SIGCHLD, stack + CHILD_STACK, &unused, become_node, node);
}
