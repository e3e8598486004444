/* SPDX-License-Identifier: MIT */
/* Calls that an attacker makes from its window's stub (native/addon/pin/pin.h), on x86-64. */
#ifndef FROM_STUB_H
#define FROM_STUB_H

enum { STUB = 0x10000 };

/* Makes a call from the stub, with a frame of our own: the stub goes on behind this syscall, or at it after AGAIN. */
static long from_stub(long number, long a, long b, long c) {
  long result;
  __asm__ volatile(
      "lea -4096(%%rsp), %%rsp\n"
      "mov %%rdi, 0(%%rsp)\n"
      "mov %%rsi, 8(%%rsp)\n"
      "mov %%rdx, 16(%%rsp)\n"
      "movq $0, 24(%%rsp)\n"
      "movq $0, 32(%%rsp)\n"
      "movq $0, 40(%%rsp)\n"
      "lea 1f(%%rip), %%rcx\n"
      "mov %%rcx, 48(%%rsp)\n"
      "mov %%rax, 56(%%rsp)\n"
      "xor %%r10, %%r10\n"
      "xor %%r8, %%r8\n"
      "xor %%r9, %%r9\n"
      "mov %5, %%rcx\n"
      "jmp *%%rcx\n"
      "syscall\n"
      "1: lea 3904(%%rsp), %%rsp\n"
      : "=a"(result)
      : "a"(number), "D"(a), "S"(b), "d"(c), "i"(STUB)
      : "rcx", "r8", "r9", "r10", "r11", "memory");
  return result;
}

#endif
