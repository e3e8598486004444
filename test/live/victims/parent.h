/* SPDX-License-Identifier: MIT */
/* The parent of any process, from /proc. */
#ifndef PARENT_H
#define PARENT_H

#include <stdio.h>
#include <sys/types.h>

static inline pid_t parent_of(pid_t pid) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  int parent = 0;
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "PPid: %d", &parent) == 1) break;
  if (file != NULL) fclose(file);
  return parent;
}

#endif
