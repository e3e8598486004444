// SPDX-License-Identifier: MIT
/* The registers of a stopped tracee, as ptrace(2) gives them for each architecture. */
#define _GNU_SOURCE
#include "tracee.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* include/linux/errno.h: the kernel restarts the call, always or if the program permits that. */
enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513 };

#if defined(__x86_64__)

bool get_registers(pid_t tid, registers *into) { return ptrace(PTRACE_GETREGS, tid, NULL, into) == 0; }
bool set_registers(pid_t tid, const registers *from) { return change_tracee(PTRACE_SETREGS, tid, NULL, from); }

static bool has_arguments(const registers *at, const uint64_t arguments[6]) {
  return at->rdi == arguments[0] && at->rsi == arguments[1] && at->rdx == arguments[2] && at->r10 == arguments[3] &&
         at->r8 == arguments[4] && at->r9 == arguments[5];
}

bool is_in_call(const registers *at, const struct seccomp_data *call) {
  int64_t result = (int64_t)at->rax;
  uint64_t arguments[6];
  memcpy(arguments, call->args, sizeof arguments);
  return at->rip == call->instruction_pointer && (int)at->orig_rax == call->nr && has_arguments(at, arguments) &&
         (result == -ERESTARTSYS || result == -ERESTARTNOINTR);
}

void enter_call(registers *at, uint64_t instruction, long number, const uint64_t arguments[6]) {
  at->rip = instruction;
  at->rax = (uint64_t)number;
  at->orig_rax = (uint64_t)-1; /* no call is in progress: nothing to restart */
  at->rdi = arguments[0];
  at->rsi = arguments[1];
  at->rdx = arguments[2];
  at->r10 = arguments[3];
  at->r8 = arguments[4];
  at->r9 = arguments[5];
}

bool is_entering(const registers *at, long number, const uint64_t arguments[6]) {
  return (long)at->orig_rax == number && has_arguments(at, arguments);
}

bool is_interrupted(const registers *at, pid_t tid, struct seccomp_data *call) {
  enum { CODE_SEGMENT = 0x33 }; /* of 64 bits: other calls are not those of this architecture */
  (void)tid;
  if (at->cs != CODE_SEGMENT || (int64_t)at->orig_rax < 0 || (int64_t)at->rax != -ERESTARTSYS) return false;
  *call = (struct seccomp_data){.nr = (int)at->orig_rax,
                                .arch = AUDIT_ARCH_X86_64,
                                .instruction_pointer = at->rip,
                                .args = {at->rdi, at->rsi, at->rdx, at->r10, at->r8, at->r9}};
  return true;
}

bool restart_always(registers *at, pid_t tid) {
  (void)tid;
  at->rax = (uint64_t)-ERESTARTNOINTR;
  return true;
}

int64_t result_of(const registers *at) { return (int64_t)at->rax; }

void return_from_call(registers *at, int64_t result) {
  at->rax = (uint64_t)result;
  at->orig_rax = (uint64_t)-1;
}

uint64_t stack_of(const registers *at) { return at->rsp; }
void set_stack(registers *at, uint64_t address) { at->rsp = address; }

#elif defined(__aarch64__)

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

bool get_registers(pid_t tid, registers *into) {
  struct iovec user = {&into->user, sizeof into->user}, number = {&into->number, sizeof into->number};
  return ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &user) == 0 &&
         ptrace(PTRACE_GETREGSET, tid, NT_ARM_SYSTEM_CALL, &number) == 0;
}

bool set_registers(pid_t tid, const registers *from) {
  struct iovec user = {(void *)(uintptr_t)&from->user, sizeof from->user};
  struct iovec number = {(void *)(uintptr_t)&from->number, sizeof from->number};
  return change_tracee(PTRACE_SETREGSET, tid, (void *)NT_ARM_SYSTEM_CALL, &number) &&
         change_tracee(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &user);
}

static bool has_arguments(const registers *at, const uint64_t arguments[6]) {
  for (int i = 0; i < 6; i++)
    if (at->user.regs[i] != arguments[i]) return false;
  return true;
}

/*
 * The kernel prepares the restart before it looks for signals and stops (do_signal, arch/arm64/kernel/signal.c): the stop
 * shows the call's own instruction, its first argument, and no call.
 */
bool is_in_call(const registers *at, const struct seccomp_data *call) {
  uint64_t arguments[6];
  memcpy(arguments, call->args, sizeof arguments);
  return at->user.pc == call->instruction_pointer - CALL_INSTRUCTION && (int)at->user.regs[8] == call->nr &&
         has_arguments(at, arguments);
}

void enter_call(registers *at, uint64_t instruction, long number, const uint64_t arguments[6]) {
  at->user.pc = instruction;
  at->user.regs[8] = (uint64_t)number;
  at->number = -1;
  for (int i = 0; i < 6; i++) at->user.regs[i] = arguments[i];
}

bool is_entering(const registers *at, long number, const uint64_t arguments[6]) {
  return at->number == number && has_arguments(at, arguments);
}

/* 0 if it cannot be read. */
static uint32_t instruction_at(pid_t tid, uint64_t address) {
  errno = 0;
  const long word = ptrace(PTRACE_PEEKTEXT, tid, (void *)(uintptr_t)(address & ~(uint64_t)7), NULL);
  return errno != 0 ? 0 : (uint32_t)((uint64_t)word >> (8 * (address & 7)));
}

/* The kernel has prepared the restart: see is_in_call. A call that was not interrupted has its number. */
bool is_interrupted(const registers *at, pid_t tid, struct seccomp_data *call) {
  enum { SVC = 0xd4000001 };
  const uint64_t pc = at->user.pc;
  if (at->number != -1 || (pc & 3) != 0 || instruction_at(tid, pc) != SVC) return false;
  *call = (struct seccomp_data){
      .nr = (int)at->user.regs[8], .arch = AUDIT_ARCH_AARCH64, .instruction_pointer = pc + CALL_INSTRUCTION};
  for (int i = 0; i < 6; i++) call->args[i] = at->user.regs[i];
  return true;
}

/*
 * With SA_RESTART missing, the kernel takes the restart back if the program is to continue at the call's instruction
 * (do_signal, arch/arm64/kernel/signal.c, Linux 6.18). So it continues at the instruction before, if a repetition of that one
 * changes nothing: a move to a register that has this value already. C libraries set x8, or copy the last argument.
 */
bool restart_always(registers *at, pid_t tid) {
  const uint32_t before = instruction_at(tid, at->user.pc - CALL_INSTRUCTION);
  const uint64_t *values = (const uint64_t *)at->user.regs;
  const unsigned to = before & 31;
  bool is_repeatable = before == 0xd503201f;           /* nop */
  if ((before & 0x7fe00000) == 0x52800000 && to != 31) /* movz w/x, #immediate, without a shift */
    is_repeatable = values[to] == (before >> 5 & 0xffff);
  else if ((before & 0xffe0ffe0) == 0xaa0003e0 && to != 31 && (before >> 16 & 31) != 31) /* mov x, x */
    is_repeatable = values[to] == values[before >> 16 & 31];
  else if ((before & 0xffe0ffe0) == 0x2a0003e0 && to != 31 && (before >> 16 & 31) != 31) /* mov w, w */
    is_repeatable = values[to] == (uint32_t)values[before >> 16 & 31];
  if (!is_repeatable) return false;
  at->user.pc -= CALL_INSTRUCTION;
  return true;
}

int64_t result_of(const registers *at) { return (int64_t)at->user.regs[0]; }

void return_from_call(registers *at, int64_t result) {
  at->user.regs[0] = (uint64_t)result;
  at->user.pc += CALL_INSTRUCTION; /* the restart was prepared: see is_in_call */
  at->number = -1;
}

uint64_t stack_of(const registers *at) { return at->user.sp; }
void set_stack(registers *at, uint64_t address) { at->user.sp = address; }

#endif
