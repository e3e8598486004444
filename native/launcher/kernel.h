// SPDX-License-Identifier: MIT
/*
 * System calls without a C library, for x86-64 and arm64. They return the kernel's result: a negative errno on failure.
 */
#ifndef PORTCULLIS_KERNEL_H
#define PORTCULLIS_KERNEL_H

#include <asm/unistd.h>
#include <linux/errno.h>
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
#error "portcullis supports x86-64 and arm64"
#endif
}

#define CALL(number, ...) CALL_(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, f, ...) \
  call6((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/*
 * clone(2) of a child that runs `function(argument)` on the given stack and never returns from it. (On a shared stack,
 * the child's frames would overwrite its parent's return addresses.)
 */
long clone_child(unsigned long flags, void *stack_top, int *pidfd, void (*function)(void *), void *argument);
/* Bytes of a child's stack. */
enum { CHILD_STACK = 16384 };

/* The compiler may call memset and memcpy for structure assignments. */
void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);
int memcmp(const void *one, const void *other, size_t size);
size_t string_length(const char *string);
/* Writes the decimal digits, without a NUL, and returns their end. */
char *append_number(char *to, uint64_t number);
int strings_equal(const char *one, const char *other);
/* Whether `text` begins with the first `length` bytes of `start`. */
int starts_with(const char *text, const char *start, size_t length);

void exit_process(int status) __attribute__((noreturn));

/* Writes until all bytes are written or an error occurs. Returns 0, or a negative errno. */
long write_all(int descriptor, const void *bytes, size_t size);
/* Waits for exactly `size` bytes. Returns 0, or a negative errno: EPROTO at an early end. */
long read_all(int descriptor, void *into, size_t size);
/* Maps `size` bytes of zeros, or returns NULL. */
void *allocate(size_t size);

#endif
