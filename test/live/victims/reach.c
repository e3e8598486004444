// SPDX-License-Identifier: MIT
/*
 *     reach PID ADDRESS
 *
 * Tries, as a confined program of the same user, to get into another process: to signal it, to trace it, to read and
 * write its memory at ADDRESS (hexadecimal), and to take its descriptors; then all of it again from a thread, from a
 * child, and from a child in a new user namespace, where it has all capabilities.
 *
 * Prints "FROM WAY reached" or "FROM WAY ERRNO" for each attempt.
 *
 *     reach target
 *
 * is such a process: it prints its pid and an address in its memory, and waits.
 */
#include "victim.h"
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static pid_t target;
static unsigned long address;
static const char *from;

static void report(const char *way, int is_reached) {
  if (is_reached) printf("%s %s reached\n", from, way);
  else printf("%s %s %s\n", from, way, strerrorname_np(errno));
}

static void open_file(const char *name, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", target, name);
  int file = open(path, flags | O_CLOEXEC);
  report(name, file >= 0);
  if (file >= 0) close(file);
}

static void *attempt(void *unused) {
  (void)unused;
  siginfo_t information = {.si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
  report("kill", kill(target, SIGCONT) == 0);
  report("tgkill", syscall(SYS_tgkill, target, target, SIGCONT) == 0);
  report("rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, target, SIGCONT, &information) == 0);
  int pidfd = (int)syscall(SYS_pidfd_open, target, 0);
  report("pidfd_send_signal", syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0) == 0);
  report("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, 1, 0) >= 0);
  report("ptrace", ptrace(PTRACE_SEIZE, target, NULL, NULL) == 0);
  long word = 0;
  struct iovec here = {&word, sizeof word}, there = {(void *)address, sizeof word};
  report("process_vm_readv", process_vm_readv(target, &here, 1, &there, 1, 0) > 0);
  report("process_vm_writev", process_vm_writev(target, &here, 1, &there, 1, 0) > 0);
  open_file("mem", O_RDONLY);
  open_file("mem", O_RDWR);
  open_file("environ", O_RDONLY);
  open_file("maps", O_RDONLY);
  open_file("fd/1", O_WRONLY);
  open_file("root/proc/self/exe", O_RDONLY);
  fflush(stdout);
  return NULL;
}

static void in_child(const char *name, int namespaces) {
  from = name;
  pid_t child = fork();
  if (child == 0) {
    if (namespaces == 0 || unshare(namespaces) == 0) attempt(NULL);
    else report("unshare", 0);
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

static volatile long memory = 42;

int main(int count, char **words) {
  if (count == 2 && strcmp(words[1], "target") == 0) {
    printf("%d %lx\n", getpid(), (unsigned long)&memory);
    fflush(stdout);
    for (;;) pause();
  }
  if (count != 3) return 2;
  target = atoi(words[1]);
  address = strtoul(words[2], NULL, 16);
  from = "process";
  attempt(NULL);
  from = "thread";
  pthread_t thread;
  pthread_create(&thread, NULL, attempt, NULL);
  pthread_join(thread, NULL);
  in_child("child", 0);
  in_child("namespace", CLONE_NEWUSER);
  return 0;
}
