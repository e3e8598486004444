// SPDX-License-Identifier: MIT
/* The entry point, clone, and the C library functions that the freestanding launcher needs. */
#include "kernel.h"

#include <linux/mman.h>

#if defined(__x86_64__)
__asm__(
    ".text\n"
    ".globl clone_child\n"
    ".type clone_child, @function\n"
    "clone_child:\n"
    /* rdi flags, rsi stack, rdx pidfd, rcx function, r8 argument; the child pops the last two from its stack. */
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

int memcmp(const void *one, const void *other, size_t size) {
  const unsigned char *p = one, *q = other;
  for (; size > 0; size--, p++, q++)
    if (*p != *q) return *p - *q;
  return 0;
}

size_t string_length(const char *string) {
  size_t length = 0;
  while (string[length] != 0) length++;
  return length;
}

char *append_number(char *to, uint64_t number) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  while (count > 0) *to++ = digits[--count];
  return to;
}

int starts_with(const char *text, const char *start, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (text[i] != start[i]) return 0; /* also at the end of `text` */
  return 1;
}

int strings_equal(const char *one, const char *other) {
  size_t length = string_length(other);
  return string_length(one) == length && memcmp(one, other, length) == 0;
}

void exit_process(int status) {
  for (;;) CALL(__NR_exit_group, status);
}

long write_all(int descriptor, const void *bytes, size_t size) {
  const unsigned char *from = bytes;
  while (size > 0) {
    long count = CALL(__NR_write, descriptor, from, size);
    if (count == -EINTR) continue;
    if (count <= 0) return count < 0 ? count : -EIO;
    from += count;
    size -= (size_t)count;
  }
  return 0;
}

long read_all(int descriptor, void *into, size_t size) {
  unsigned char *to = into;
  while (size > 0) {
    long count = CALL(__NR_read, descriptor, to, size);
    if (count == -EINTR) continue;
    if (count <= 0) return count < 0 ? count : -EPROTO;
    to += count;
    size -= (size_t)count;
  }
  return 0;
}

void *allocate(size_t size) {
  long address = CALL(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address < 0 && address > -4096 ? NULL : (void *)address;
}
