// SPDX-License-Identifier: MIT
/*
 * The parts of pinning that depend on the architecture: registers as ptrace(2) gives them, and the window's stubs.
 *
 * A stub makes one call, and restores the caller's argument registers, stack pointer and flags. On x86-64 the caller loses
 * nothing (rcx and r11 end as `syscall` leaves them). On arm64 no register is free for the return address, so the caller
 * loses x17, which linkers use in veneers. A stub ends with a jump, because the shadow stack has no entry for a return.
 *
 * REPORTS_END makes a second call after the first, and saves the first's result meanwhile. A signal that arrives before
 * the supervisor has received the second call can end it (EINTR); the stub then makes it again.
 *
 * The stubs of calls that make children are for clone3, which has two arguments: the kernel ignores the other four
 * argument registers. The child begins at the instruction at which its parent continues, with the same registers except
 * the stack pointer and the result. A child on the same stack, or a copy of it, takes its stack pointer from the frame.
 */
#define _GNU_SOURCE
#include "../pin/pin.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* include/linux/errno.h: the kernel restarts the call, always or if the program permits that. */
enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513 };

#if defined(__x86_64__)

/* Reads the registers of a frame at the stack pointer, and the address to return to into rcx. */
#define REGISTERS_AT_STACK \
  "  mov 0(%rsp), %rdi\n"  \
  "  mov 8(%rsp), %rsi\n"  \
  "  mov 16(%rsp), %rdx\n" \
  "  mov 24(%rsp), %r10\n" \
  "  mov 32(%rsp), %r8\n"  \
  "  mov 40(%rsp), %r9\n"  \
  "  mov 48(%rsp), %rcx\n"

/* LEA, NOT and JRCXZ leave the flags alone. */
__asm__(
    ".pushsection .rodata\n"
    ".globl pin_stubs, pin_stubs_end\n"
    ".hidden pin_stubs, pin_stubs_end\n"
    "pin_stubs:\n" /* FRAME_AT_STACK */
    "  syscall\n"
    "  lea 4094(%rax), %rcx\n" /* AGAIN */
    "  jrcxz 1f\n" REGISTERS_AT_STACK
    "  lea 192(%rsp), %rsp\n" /* FRAME_SIZE */
    "  notrack jmp *%rcx\n"
    "1:\n" REGISTERS_AT_STACK
    "  mov 56(%rsp), %rax\n"
    "  lea 192(%rsp), %rsp\n"
    "  lea -2(%rcx), %rcx\n" /* CALL_INSTRUCTION */
    "  notrack jmp *%rcx\n"
    ".org pin_stubs + 128\n" /* FRAME_IN_REGISTER: r9 */
    "  syscall\n"
    "  lea 4094(%rax), %rcx\n"
    "  jrcxz 1f\n"
    "  mov 0(%r9), %rdi\n"
    "  mov %r9, %rcx\n"
    "  not %rcx\n"
    "  lea 1(%rsp, %rcx), %rcx\n" /* 0: the stack pointer is as it was set for the call */
    "  jrcxz 2f\n"
    "  mov 48(%r9), %rcx\n"
    "  mov 40(%r9), %r9\n"
    "  notrack jmp *%rcx\n"
    "2:\n"
    "  mov 48(%r9), %rcx\n"
    "  mov 40(%r9), %r9\n"
    "  lea 192(%rsp), %rsp\n"
    "  notrack jmp *%rcx\n"
    "1:\n"
    "  mov 0(%r9), %rdi\n"
    "  mov 48(%r9), %rcx\n"
    "  mov 56(%r9), %rax\n"
    "  mov 40(%r9), %r9\n"
    "  lea 192(%rsp), %rsp\n"
    "  lea -2(%rcx), %rcx\n"
    "  notrack jmp *%rcx\n"
    ".org pin_stubs + 256\n" /* SLOT: in front of what rdi points at */
    "  syscall\n"
    "  lea 4094(%rax), %rcx\n"
    "  jrcxz 1f\n"
    "  mov -8(%rdi), %rcx\n"
    "  mov -24(%rdi), %rdi\n"
    "  notrack jmp *%rcx\n"
    "1:\n"
    "  mov -8(%rdi), %rcx\n"
    "  mov -24(%rdi), %rdi\n"
    "  mov $435, %eax\n" /* clone3 */
    "  lea -2(%rcx), %rcx\n"
    "  notrack jmp *%rcx\n"
    ".org pin_stubs + 384\n" /* REPORTS_END */
    "  syscall\n"
    "  lea 4094(%rax), %rcx\n"
    "  jrcxz 1f\n"
    "  mov %rax, 56(%rsp)\n"               /* in place of the number */
    "  movabs $0x70636c65ffffffff, %rdi\n" /* END_MARK */
    "2:\n"
    "  mov $3, %eax\n" /* close */
    "  syscall\n"
    ".globl pin_stub_end_reported\n"
    ".hidden pin_stub_end_reported\n"
    "pin_stub_end_reported:\n"
    "  lea 4(%rax), %rcx\n" /* EINTR: a signal came before the supervisor received it */
    "  jrcxz 2b\n" REGISTERS_AT_STACK
    "  mov 56(%rsp), %rax\n"
    "  lea 192(%rsp), %rsp\n"
    "  notrack jmp *%rcx\n"
    "1:\n" REGISTERS_AT_STACK
    "  mov 56(%rsp), %rax\n"
    "  lea 192(%rsp), %rsp\n"
    "  lea -2(%rcx), %rcx\n"
    "  notrack jmp *%rcx\n"
    "pin_stubs_end:\n"
    ".popsection\n");
_Static_assert(FRAME_SIZE == 192 && AGAIN == 4094 && CALL_INSTRUCTION == 2 && SYS_clone3 == 435 && SYS_close == 3 &&
                   END_MARK >> 32 == 0x70636c65,
               "the stubs have these numbers");

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

void enter_stub(registers *at, enum stub stub, uint64_t found_at, long number, uint64_t arguments[6]) {
  if (stub == FRAME_IN_REGISTER) arguments[5] = found_at;
  enter_call(at, start_of(stub), number, arguments);
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

/* Not run on an arm64 kernel yet. The result is in x0, which is the first argument's too. */
__asm__(
    ".pushsection .rodata\n"
    ".balign 4\n"
    ".globl pin_stubs, pin_stubs_end\n"
    ".hidden pin_stubs, pin_stubs_end\n"
    "pin_stubs:\n" /* FRAME_AT_STACK */
    "  svc #0\n"
    "  add x17, x0, #4094\n" /* AGAIN: at most 4095, so one instruction */
    "  cbz x17, 1f\n"
    "  ldr x1, [sp, #8]\n"
    "  ldp x2, x3, [sp, #16]\n"
    "  ldp x4, x5, [sp, #32]\n"
    "  ldr x17, [sp, #48]\n"
    "  add sp, sp, #64\n" /* FRAME_SIZE */
    "  ret x17\n"         /* not br: the target need be no landing pad (BTI) */
    "1:\n"
    "  ldp x0, x1, [sp]\n"
    "  ldp x2, x3, [sp, #16]\n"
    "  ldp x4, x5, [sp, #32]\n"
    "  ldp x17, x8, [sp, #48]\n"
    "  sub x17, x17, #4\n" /* CALL_INSTRUCTION */
    "  add sp, sp, #64\n"
    "  ret x17\n"
    ".org pin_stubs + 128\n" /* FRAME_IN_REGISTER: x17 */
    "  svc #0\n"
    "  add x1, x0, #4094\n"
    "  cbz x1, 1f\n"
    "  mov x1, sp\n"
    "  sub x1, x1, x17\n"
    "  cbz x1, 2f\n"
    "  ldr x1, [x17, #8]\n"
    "  ldr x17, [x17, #48]\n"
    "  ret x17\n"
    "2:\n"
    "  ldr x1, [x17, #8]\n"
    "  ldr x17, [x17, #48]\n"
    "  add sp, sp, #64\n"
    "  ret x17\n"
    "1:\n"
    "  ldp x0, x1, [x17]\n"
    "  ldr x17, [x17, #48]\n"
    "  sub x17, x17, #4\n"
    "  add sp, sp, #64\n"
    "  ret x17\n"
    ".org pin_stubs + 256\n" /* SLOT: in front of what x17 points at */
    "  svc #0\n"
    "  add x1, x0, #4094\n"
    "  cbz x1, 1f\n"
    "  ldr x1, [x17, #-16]\n"
    "  ldr x17, [x17, #-8]\n"
    "  ret x17\n"
    "1:\n"
    "  ldp x0, x1, [x17, #-24]\n"
    "  ldr x17, [x17, #-8]\n"
    "  sub x17, x17, #4\n"
    "  ret x17\n"
    ".org pin_stubs + 384\n" /* REPORTS_END: x17 saves the result, because a call leaves x17 unchanged */
    "  svc #0\n"
    "  add x17, x0, #4094\n"
    "  cbz x17, 1f\n"
    "  mov x17, x0\n"
    "  mov x8, #57\n" /* close */
    "2:\n"
    "  mov x0, #0xffffffff\n"
    "  movk x0, #0x6c65, lsl #32\n" /* END_MARK */
    "  movk x0, #0x7063, lsl #48\n"
    "  svc #0\n"
    ".globl pin_stub_end_reported\n"
    ".hidden pin_stub_end_reported\n"
    "pin_stub_end_reported:\n"
    "  add x1, x0, #4\n" /* EINTR: a signal came before the supervisor received it */
    "  cbz x1, 2b\n"
    "  mov x0, x17\n"
    "  ldr x1, [sp, #8]\n"
    "  ldp x2, x3, [sp, #16]\n"
    "  ldp x4, x5, [sp, #32]\n"
    "  ldp x17, x8, [sp, #48]\n"
    "  add sp, sp, #64\n"
    "  ret x17\n"
    "1:\n"
    "  ldp x0, x1, [sp]\n"
    "  ldp x2, x3, [sp, #16]\n"
    "  ldp x4, x5, [sp, #32]\n"
    "  ldp x17, x8, [sp, #48]\n"
    "  sub x17, x17, #4\n"
    "  add sp, sp, #64\n"
    "  ret x17\n"
    "pin_stubs_end:\n"
    ".popsection\n");
_Static_assert(FRAME_SIZE == 64 && AGAIN == 4094 && CALL_INSTRUCTION == 4 && SYS_close == 57 &&
                   END_MARK >> 32 == 0x70636c65,
               "the stubs have these numbers");

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

void enter_stub(registers *at, enum stub stub, uint64_t found_at, long number, uint64_t arguments[6]) {
  if (stub != FRAME_AT_STACK) at->user.regs[17] = found_at;
  enter_call(at, start_of(stub), number, arguments);
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

extern const unsigned char pin_stubs[], pin_stubs_end[], pin_stub_end_reported[];

uint64_t reports_end_at(void) { return WINDOW_START + (uint64_t)(pin_stub_end_reported - pin_stubs); }

void write_stubs(unsigned char *to) { memcpy(to, pin_stubs, (size_t)(pin_stubs_end - pin_stubs)); }
