// SPDX-License-Identifier: MIT
/* Writes text, numbers and errno names to standard error without a C library. */
#include "print.h"

#include "kernel.h"

static long first_error;

static void write_error(const char *text, size_t size) {
  long error = write_all(2, text, size);
  if (first_error == 0) first_error = error;
}

long printing_error(void) { return first_error; }

void print(const char *text) { write_error(text, string_length(text)); }

/* The length of the UTF-8 sequence at `text` that every terminal shows as a character, or 0. */
static size_t shown_length(const unsigned char *text, size_t size) {
  if (text[0] < 0x80) return text[0] >= ' ' && text[0] != 0x7f;
  size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
  if (text[0] < 0xc2 || text[0] > 0xf4 || length > size) return 0;
  for (size_t i = 1; i < length; i++)
    if ((text[i] & 0xc0) != 0x80) return 0;
  unsigned character = text[0] & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) character = character << 6 | (text[i] & 0x3f);
  /* A longer sequence than the character needs is not UTF-8. */
  if ((length == 3 && character < 0x800) || (length == 4 && (character < 0x10000 || character > 0x10ffff))) return 0;
  /* The ranges of src/diagnostics/width.ts: C1, direction, separators of lines, surrogates, invisible characters. */
  static const unsigned hidden[][2] = {{0, 0x9f},        {0x61c, 0x61c},   {0x200e, 0x200f},
                                       {0x2028, 0x202e}, {0x2066, 0x2069}, {0xd800, 0xdfff},
                                       {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
    if (character >= hidden[i][0] && character <= hidden[i][1]) return 0;
  return length;
}

void print_bytes(const char *text, size_t size) {
  static const char replacement[] = "\xef\xbf\xbd";
  for (size_t from = 0, at = 0; at < size;) {
    size_t length = shown_length((const unsigned char *)text + at, size - at);
    at += length;
    if (length > 0 && at < size) continue;
    write_error(text + from, at - from);
    if (length == 0) {
      write_error(replacement, sizeof replacement - 1);
      at++;
    }
    from = at;
  }
}

void print_text(const char *text) { print_bytes(text, string_length(text)); }

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
  } known[] = {{EPERM, "EPERM"},           {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"},   {E2BIG, "E2BIG"},
               {ENOEXEC, "ENOEXEC"},       {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"}, {EBUSY, "EBUSY"},
               {EINVAL, "EINVAL"},         {EAGAIN, "EAGAIN"}, {ENOSYS, "ENOSYS"}, {ENOTDIR, "ENOTDIR"},
               {EOPNOTSUPP, "EOPNOTSUPP"}, {ENOSPC, "ENOSPC"}};
  for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].number != -error) continue;
    print(known[i].name);
    return;
  }
  print("errno ");
  print_number(-error);
}

void print_best_effort(const char *missing, const char *what, long error) {
  print("portcullis: BEST EFFORT: ");
  print(missing);
  print(": ");
  print_text(what);
  print(" (");
  print_error(error);
  print(")\n");
}

void die(int status, const char *about, const char *what, const char *help) {
  print("portcullis: ");
  if (about != NULL) {
    print_text(about);
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
