// SPDX-License-Identifier: MIT
/* Reads the files of a process in /proc. */
#include "process_status.h"

#include <linux/fcntl.h>

#include "kernel.h"

enum { MAX_STATUS = 1 << 14 };

char *write_number(char *to, unsigned number) {
  to = append_number(to, number);
  *to = 0;
  return to;
}

void process_path(char path[MAX_PROCESS_PATH], unsigned pid, const char *name) {
  memcpy(path, "/proc/self/", 11);
  path += 11;
  if (pid != 0) {
    path = write_number(path - 5, pid);
    *path++ = '/';
  }
  memcpy(path, name, string_length(name) + 1);
}

/* The number behind a name with its colon and tabulator in a text of /proc/PID/status; -1 without it. */
static int number_behind(const char *text, const char *name) {
  const size_t length = string_length(name);
  for (; *text != 0; text++) {
    if (!starts_with(text, name, length)) continue;
    int number = 0;
    for (text += length; *text >= '0' && *text <= '9'; text++) number = 10 * number + (*text - '0');
    return number;
  }
  return -1;
}

struct confinement_status confinement_of(unsigned pid) {
  char text[MAX_STATUS], path[MAX_PROCESS_PATH];
  struct confinement_status found = {-1, -1};
  process_path(path, pid, "status");
  const long file = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return found;
  size_t length = 0;
  for (long count; length < sizeof text - 1; length += (size_t)count) {
    count = CALL(__NR_read, file, text + length, sizeof text - 1 - length);
    if (count <= 0) break;
  }
  CALL(__NR_close, file);
  text[length] = 0;
  found.filters = number_behind(text, "\nSeccomp_filters:\t");
  found.no_new_privileges = number_behind(text, "\nNoNewPrivs:\t");
  return found;
}
