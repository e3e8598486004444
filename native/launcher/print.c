// SPDX-License-Identifier: MIT
/* Writes text, numbers and errno names to standard error without a C library. */
#include "print.h"

#include "kernel.h"

void print(const char *text) { write_all(2, text, string_length(text)); }

void print_number(long number) {
  char digits[24], *at = digits + sizeof digits - 1;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  print(at);
}

void print_error(long error) {
  static const struct {
    int number;
    const char *name;
  } known[] = {{EPERM, "EPERM"},     {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"},    {E2BIG, "E2BIG"},
               {ENOEXEC, "ENOEXEC"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"},  {EBUSY, "EBUSY"},
               {EINVAL, "EINVAL"},   {ENOSYS, "ENOSYS"}, {ENOTDIR, "ENOTDIR"}};
  for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].number != -error) continue;
    print(known[i].name);
    return;
  }
  print("errno ");
  print_number(-error);
}

void die(int status, const char *about, const char *what, const char *help) {
  print("portcullis: ");
  if (about != NULL) {
    print(about);
    print(": ");
  }
  print(what);
  print("\n");
  if (help != NULL) {
    print("  help: ");
    print(help);
    print("\n");
  }
  exit_process(status);
}
