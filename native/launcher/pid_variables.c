// SPDX-License-Identifier: MIT
/* Rewrites systemd's pid variables for the command. */
#include "pid_variables.h"

#include "kernel.h"

enum { MAX_DIGITS = 20 };

static struct {
  const char *name; /* with its "=" */
  char text[16 + MAX_DIGITS];
  int is_ours;
} variables[] = {{.name = "LISTEN_PID="}, {.name = "WATCHDOG_PID="}};

enum { VARIABLES = sizeof variables / sizeof *variables };

static void write_pid(char *to) {
  char digits[MAX_DIGITS], *at = digits + sizeof digits;
  long pid = CALL(__NR_getpid, 0);
  *--at = 0;
  do *--at = (char)('0' + pid % 10);
  while ((pid /= 10) > 0);
  memcpy(to, at, (size_t)(digits + sizeof digits - at));
}

void find_pid_variables(char **environment) {
  for (char **entry = environment; *entry != NULL; entry++) {
    for (int i = 0; i < VARIABLES; i++) {
      size_t length = string_length(variables[i].name);
      /* getenv(3) returns the first entry of a name. */
      if (variables[i].text[0] != 0 || memcmp(*entry, variables[i].name, length) != 0) continue;
      memcpy(variables[i].text, variables[i].name, length);
      write_pid(variables[i].text + length);
      variables[i].is_ours = strings_equal(*entry, variables[i].text);
      if (variables[i].is_ours) *entry = variables[i].text;
    }
  }
}

void set_pid_variables(void) {
  for (int i = 0; i < VARIABLES; i++)
    if (variables[i].is_ours) write_pid(variables[i].text + string_length(variables[i].name));
}
