// SPDX-License-Identifier: MIT
/*
 * System calls without a C library, for x86-64 and arm64. Results are the kernel's own: a negative errno is a failure.
 */
#ifndef PORTCULLIS_KERNEL_H
#define PORTCULLIS_KERNEL_H

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

static inline long call6(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
#error "portcullis knows x86-64 and arm64"
#endif
}

#define CALL(number, ...) CALL_(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, f, ...) \
  call6((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/*
 * clone(2) of a child that shares our memory and runs `function(argument)` on a stack of its own, from which it never
 * returns. (With a shared stack, the child's frames would overwrite those that its parent returns through.)
 */
long clone_child(unsigned long flags, void *stack_top, int *pidfd, void (*function)(void *), void *argument);

#if defined(__x86_64__)
__asm__(
    ".text\n"
    ".globl clone_child\n"
    ".type clone_child, @function\n"
    "clone_child:\n"
    /* rdi flags, rsi stack, rdx pidfd, rcx function, r8 argument; the child finds the last two on its stack. */
    "  sub $16, %rsi\n"
    "  mov %rcx, 0(%rsi)\n"
    "  mov %r8, 8(%rsi)\n"
    "  xor %r10d, %r10d\n" /* child_tid */
    "  xor %r8d, %r8d\n"   /* tls */
    "  mov $56, %eax\n"    /* clone(flags, stack, parent_tid, child_tid, tls): CLONE_PIDFD uses parent_tid */
    "  syscall\n"
    "  test %rax, %rax\n"
    "  jnz 1f\n"
    "  xor %ebp, %ebp\n"
    "  pop %rax\n"
    "  pop %rdi\n"
    "  call *%rax\n"
    "  hlt\n"
    "1: ret\n"
    ".size clone_child, . - clone_child\n");
#elif defined(__aarch64__)
__asm__(
    ".text\n"
    ".globl clone_child\n"
    ".type clone_child, %function\n"
    "clone_child:\n"
    "  stp x3, x4, [x1, #-16]!\n"
    "  mov x3, #0\n" /* clone(flags, stack, parent_tid, tls, child_tid): CLONE_PIDFD uses parent_tid */
    "  mov x4, #0\n"
    "  mov x8, #220\n"
    "  svc #0\n"
    "  cbnz x0, 1f\n"
    "  mov x29, #0\n"
    "  ldp x1, x0, [sp], #16\n"
    "  blr x1\n"
    "  brk #0\n"
    "1: ret\n"
    ".size clone_child, . - clone_child\n");
#endif

/* The kernel starts a program with argc, argv, NULL, envp, NULL on its stack. */
void start(long *stack) __attribute__((noreturn, used));
#if defined(__x86_64__)
__asm__(".text\n.globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call start\n  hlt\n");
#elif defined(__aarch64__)
__asm__(".text\n.globl _start\n_start:\n  mov x29, #0\n  mov x0, sp\n  bl start\n  brk #0\n");
#endif

/* The compiler may call these for assignments of structures. */
void *memset(void *to, int byte, size_t size) {
  unsigned char *p = to;
  while (size-- > 0) *p++ = (unsigned char)byte;
  return to;
}
void *memcpy(void *to, const void *from, size_t size) {
  unsigned char *p = to;
  const unsigned char *q = from;
  while (size-- > 0) *p++ = *q++;
  return to;
}

#endif
