// SPDX-License-Identifier: MIT
/*
 * The window's stubs, for each architecture.
 *
 * A stub makes one call, and restores the caller's argument registers, stack pointer and flags. On x86-64 the caller loses
 * nothing (rcx and r11 end as `syscall` leaves them). On arm64 no register is free for the return address, so the caller
 * loses x17, which linkers use in veneers. A stub ends with a jump, because the shadow stack has no entry for a return.
 *
 * REPORTS_END makes a second call after the first, and saves the first's result meanwhile. A signal that arrives before
 * the supervisor has received the second call can end it (EINTR); the stub then makes it again.
 *
 * All addresses are relative, because a stub can be in any place of a window.
 *
 * The stubs of calls that make children are for clone3, which has two arguments: the kernel ignores the other four
 * argument registers. The child begins at the instruction at which its parent continues, with the same registers except
 * the stack pointer and the result. A child on the same stack, or a copy of it, takes its stack pointer from the frame.
 */
#define _GNU_SOURCE
#include "pin.h"

#include <string.h>
#include <sys/syscall.h>

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

void enter_stub(registers *at, int place, enum stub stub, uint64_t found_at, long number, uint64_t arguments[6]) {
  if (stub == FRAME_IN_REGISTER) arguments[5] = found_at;
  enter_call(at, start_of(place, stub), number, arguments);
}

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

void enter_stub(registers *at, int place, enum stub stub, uint64_t found_at, long number, uint64_t arguments[6]) {
  if (stub != FRAME_AT_STACK) at->user.regs[17] = found_at;
  enter_call(at, start_of(place, stub), number, arguments);
}

#endif

extern const unsigned char pin_stubs[], pin_stubs_end[], pin_stub_end_reported[];

uint64_t reports_end_at(int place) { return start_of_place(place) + (uint64_t)(pin_stub_end_reported - pin_stubs); }

void write_stubs(unsigned char *to) { memcpy(to, pin_stubs, (size_t)(pin_stubs_end - pin_stubs)); }
