// SPDX-License-Identifier: MIT
/*
 *     evade WAY SIGNAL [fork]
 *
 * Tries, as a confined program of the same user, to outlive a time limit, or the end of the command or of portcullis.
 * It starts a daemon, sends the signal to portcullis's processes by one method, and waits forever. Both processes
 * ignore all signals that can be ignored. Start it in a separate pid namespace, because "all" signals every process.
 *
 * Prints "PID WAY: N reached": the number of attempts that the kernel did not refuse. With `fork` the daemon forks
 * repeatedly.
 *
 *     evade scopes 0
 *
 * prints whether the kernel can keep signals in a Landlock domain.
 */
#include "victim.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "parent.h"

static int wanted;
static int reached;

static void count(long result) { reached += result == 0; }

static void direct(pid_t pid) {
  siginfo_t information = {.si_code = SI_QUEUE};
  information.si_pid = getpid();
  information.si_uid = getuid();
  count(syscall(SYS_kill, pid, wanted));
  count(syscall(SYS_kill, pid | 0x100000000, wanted)); /* the kernel ignores the upper half of the register */
  count(syscall(SYS_tkill, pid, wanted));
  count(syscall(SYS_tgkill, pid, pid, wanted));
  count(syscall(SYS_rt_sigqueueinfo, pid, wanted, &information));
  count(syscall(SYS_rt_tgsigqueueinfo, pid, pid, wanted, &information));
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (pidfd >= 0) count(syscall(SYS_pidfd_send_signal, pidfd, wanted, NULL, 0));
}

static void through_folder(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d", pid);
  int folder = open(path, O_RDONLY | O_DIRECTORY);
  if (folder >= 0) count(syscall(SYS_pidfd_send_signal, folder, wanted, NULL, 0));
}

/* Input at a socket sends its owner any signal. No call fails; the effect shows later. */
static void as_owner(pid_t pid) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return;
  fcntl(pair[0], F_SETOWN, pid);
  fcntl(pair[0], F_SETSIG, wanted);
  fcntl(pair[0], F_SETFL, O_ASYNC);
  if (write(pair[1], "x", 1) != 1) return;
}

static void on_each_thread(pid_t pid, void (*way)(pid_t)) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
    if (atoi(entry->d_name) > 0) way(atoi(entry->d_name));
}

static void one_thread(pid_t tid) {
  count(syscall(SYS_tkill, tid, wanted));
  count(syscall(SYS_kill, tid, wanted));
}
static void every_thread(pid_t pid) { on_each_thread(pid, one_thread); }

static void group(pid_t pid) { count(syscall(SYS_kill, -pid, wanted)); }

static void limit_thread(pid_t pid) {
  struct rlimit none = {0, 0};
  count(syscall(SYS_prlimit64, pid, RLIMIT_CPU, &none, NULL));
  count(syscall(SYS_prlimit64, pid, RLIMIT_FSIZE, &none, NULL));
  count(syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &none, NULL));
  count(syscall(SYS_setpriority, PRIO_PROCESS, pid, 19));
  count(syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, pid, 3 << 13 /* IOPRIO_CLASS_IDLE */));
}
static void limit(pid_t pid) {
  on_each_thread(pid, limit_thread);
  count(syscall(SYS_setpriority, PRIO_USER, 0, 19));
  count(syscall(SYS_ioprio_set, 3 /* IOPRIO_WHO_USER */, getuid(), 3 << 13));
}

static void on_each(void (*way)(pid_t)) {
  /* The launcher, Node, the front. */
  pid_t pid = getppid();
  for (int i = 0; i < 3 && pid > 1; i++, pid = parent_of(pid)) way(pid);
}

static void ignore_signals(void) {
  for (int i = 1; i < 65; i++) signal(i, i == SIGCHLD ? SIG_DFL : SIG_IGN);
}

static void leave_daemon(int forks) {
  int ready[2];
  if (pipe(ready) != 0) exit(2);
  if (fork() == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    if (write(ready[1], "x", 1) != 1) _exit(2);
    for (;;) {
      if (forks && fork() != 0) _exit(0);
      if (!forks) usleep(10000);
    }
  }
  char byte;
  if (read(ready[0], &byte, 1) != 1) exit(2);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc < 3) return 2;
  const char *way = argv[1];
  wanted = atoi(argv[2]);
  if (!strcmp(way, "scopes")) {
    puts(syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */) >= 6 ? "yes" : "no");
    return 0;
  }
  ignore_signals();
  leave_daemon(argc > 3);
  if (!strcmp(way, "direct")) on_each(direct);
  else if (!strcmp(way, "folder")) on_each(through_folder);
  else if (!strcmp(way, "owner")) on_each(as_owner);
  else if (!strcmp(way, "threads")) on_each(every_thread);
  else if (!strcmp(way, "group")) on_each(group);
  else if (!strcmp(way, "limit")) on_each(limit);
  /* Its sender is also in the group, so only the daemon remains. */
  else if (!strcmp(way, "own-group")) syscall(SYS_kill, 0, wanted);
  /* All except its sender. */
  else if (!strcmp(way, "all")) syscall(SYS_kill, -1, wanted);
  else if (!strcmp(way, "exit")) return 3;
  /* "wait": another process ends it. */
  printf("%d %s: %d reached\n", (int)getpid(), way, reached);
  for (;;) pause();
}
