// SPDX-License-Identifier: MIT
/*
 * A caller without a C library, which makes only the calls written here: opens a file twice and prints the numbers, so
 * that a descriptor of the supervisor shows. With a word it makes that call with the arguments of the supervisor's own.
 */
#include <linux/fcntl.h>
#include <sys/syscall.h>

#include "../../../native/launcher/kernel.h"

enum { WINDOW = 0x10000, DATA = 0x11000, SHARED_NOREPLACE = 0x100001, DONTFORK = 10, MSEAL = 462 };

static long length_of(const char *text) {
  long length = 0;
  while (text[length] != 0) length++;
  return length;
}

static void print(const char *text) { CALL(SYS_write, 1, text, length_of(text)); }

static void print_number(long number) {
  char digits[24];
  char *at = digits + sizeof digits - 1;
  unsigned long rest = number < 0 ? -(unsigned long)number : (unsigned long)number;
  *at = 0;
  do *--at = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (number < 0) *--at = '-';
  print(at);
}

static long open_file(void) { return CALL(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0); }

static long own_call(const char *name) {
  switch (name[0] == 'm' ? name[1] : name[0]) {
    case 'm':
      return CALL(SYS_mmap, DATA, 0x1000, 1, SHARED_NOREPLACE, 3, 0);
    case 'a':
      return CALL(SYS_madvise, DATA, 0x1000, DONTFORK);
    case 's':
      return CALL(MSEAL, WINDOW, 0x1000, 0);
    default:
      return CALL(SYS_close, 0x70637573UL << 32 | 3);
  }
}

__attribute__((used)) static void start(long *stack) {
  print("opened ");
  print_number(open_file());
  print(" next ");
  print_number(open_file());
  print("\n");
  if (stack[0] > 1) {
    print("own call ");
    print_number(own_call((const char *)stack[2]));
    print("\n");
  }
  CALL(SYS_exit_group, 0);
}

__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call start\n");
