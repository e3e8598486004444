// SPDX-License-Identifier: MIT
/* Stops and continues tracees, and moves filters between them. */
#include "tracee.h"

#include <linux/signal.h>
#include <linux/wait.h>

#include "kernel.h"

/* include/uapi/linux/ptrace.h with kernel/patches; no distribution has it. */
enum { GET_INFO = 0x4232, GET_FILTERS = 0x4236, SET_FILTERS = 0x4237 };

struct filter_info { /* struct ptrace_seccomp_info, as it was first */
  uint64_t offset, number;
  uint32_t flags, ebpf_flags;
  uint64_t pid_namespace, user_namespace;
  uint32_t programs, alive;
  uint64_t states, arguments;
  uint32_t state_count, argument_count, state_size, argument_size;
};
_Static_assert(sizeof(struct filter_info) == 80, "the kernel takes no smaller one");

long trace(long request, int pid, long address, const void *data) {
  return CALL(__NR_ptrace, request, pid, address, data);
}

void resume_tracee(int pid, int status) {
  const int signal = signal_of(status), event = event_of(status);
  const int stays = event == PTRACE_EVENT_STOP && signal != SIGTRAP; /* SIGSTOP and others have stopped its process */
  trace(stays ? PTRACE_LISTEN : PTRACE_CONT, pid, 0, (const void *)(long)(event == 0 ? signal : 0));
}

long stop_tracee(int pid) {
  int status;
  long result = trace(PTRACE_INTERRUPT, pid, 0, NULL);
  while (result >= 0) {
    result = CALL(__NR_wait4, pid, &status, __WALL, 0);
    if (result < 0) break;
    if (!is_stopped(status)) return -ESRCH;
    if (event_of(status) == PTRACE_EVENT_STOP) return 0;
    resume_tracee(pid, status);
  }
  return result;
}

static long number_at(int pid, uint64_t offset, uint64_t *number) {
  struct filter_info info = {.offset = offset};
  const long result = trace(GET_INFO, pid, sizeof info, &info);
  if (result >= 0) *number = info.number;
  return result;
}

long newest_filter(int pid, uint64_t *number) {
  uint64_t count = 0;
  long result;
  while ((result = number_at(pid, count, number)) >= 0) count++;
  return result == -ENOENT && count > 0 ? 0 : result;
}

int has_filter(int pid, uint64_t number) {
  uint64_t other;
  for (uint64_t offset = 0; number_at(pid, offset, &other) >= 0; offset++)
    if (other == number) return 1;
  return 0;
}

long filters_of(int pid) { return trace(GET_FILTERS, pid, 0, NULL); }

long give_filters(int pid, int filters) { return trace(SET_FILTERS, pid, 0, (const void *)(long)filters); }
