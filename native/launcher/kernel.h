// SPDX-License-Identifier: MIT
/*
 * System calls without a C library, for x86-64 and arm64. Results are the kernel's own: a negative errno is a failure.
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

/* The compiler may call the first two for assignments of structures. */
void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);
int memcmp(const void *one, const void *other, size_t size);
size_t text_length(const char *text);
int is_word(const char *word, const char *expected);

void leave(int status) __attribute__((noreturn));

/* Writes all of it, or as much as can be written. */
void write_all(int descriptor, const void *bytes, size_t size);
/* Reads so many bytes, waiting for them: 0, or a negative errno (EPROTO: there are no more). */
long read_all(int descriptor, void *into, size_t size);
/* So many bytes of zeros from the kernel, or NULL. */
void *allocate(size_t size);

#endif
