// SPDX-License-Identifier: MIT
/*
 * Requests that change, continue or end a tracee.
 *
 * A stopped leader can be killed at any moment by another thread's execve(2), and its id then means the new program
 * (fs/exec.c, de_thread(), Linux 6.18). ptrace(2) fails for a program that is not our tracee. One that is, because its
 * thread was traced when it made the call, stops for the event before it runs. So every request that changes, continues
 * or kills a tracee goes through `change_tracee`, which refuses such a program. The supervisor stops no leader while a
 * traced thread of its process executes a program (src/engines/notify/waiting-calls.ts), so that the event cannot come
 * between the look and the request either.
 */
#define _GNU_SOURCE
#include "tracee.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

void interrupt(pid_t tid) { ptrace(PTRACE_INTERRUPT, tid, NULL, NULL); }

bool is_execution(int code) { return code == (SIGTRAP | PTRACE_EVENT_EXEC << 8); }

bool is_new_program(pid_t tid) {
  siginfo_t stop;
  return ptrace(PTRACE_GETSIGINFO, tid, NULL, &stop) == 0 && stop.si_signo == SIGTRAP && is_execution(stop.si_code);
}

bool change_tracee(int request, pid_t tid, const void *address, const void *data) {
  return !is_new_program(tid) && ptrace(request, tid, address, data) == 0;
}

int detach_tracee(pid_t tid, int signal) {
  return ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)signal) == 0 ? 0 : errno;
}

void kill_tracee(pid_t tid, pid_t process) {
  /* Both fail for a task that is not our tracee. Before 5.19 PTRACE_KILL does not end one that runs. */
  if (change_tracee(PTRACE_KILL, tid, NULL, NULL) && change_tracee(PTRACE_INTERRUPT, tid, NULL, NULL))
    kill(process, SIGKILL);
}
