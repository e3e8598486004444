// SPDX-License-Identifier: MIT
#include "say.h"

#include "kernel.h"

void say(const char *text) { write_all(2, text, text_length(text)); }

void say_number(long number) {
  char digits[24], *at = digits + sizeof digits - 1;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  say(at);
}

void say_error(long error) {
  static const struct {
    int number;
    const char *name;
  } known[] = {{EPERM, "EPERM"},     {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"},    {E2BIG, "E2BIG"},
               {ENOEXEC, "ENOEXEC"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"},  {EBUSY, "EBUSY"},
               {EINVAL, "EINVAL"},   {ENOSYS, "ENOSYS"}, {ENOTDIR, "ENOTDIR"}};
  for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].number != -error) continue;
    say(known[i].name);
    return;
  }
  say("errno ");
  say_number(-error);
}

void refuse(int status, const char *about, const char *what, const char *help) {
  say("portcullis: ");
  if (about != NULL) {
    say(about);
    say(": ");
  }
  say(what);
  say("\n");
  if (help != NULL) {
    say("  help: ");
    say(help);
    say("\n");
  }
  leave(status);
}
