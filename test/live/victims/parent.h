/* SPDX-License-Identifier: MIT */
/* The parent of any process, and the launcher above one, from /proc. */
#ifndef PARENT_H
#define PARENT_H

#include "victim.h"

/* A field of /proc/PID/status. */
static inline void read_status(pid_t pid, const char *format, void *value) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, format, value) == 1) break;
  if (file != NULL) fclose(file);
}

static inline pid_t parent_of(pid_t pid) {
  int parent = 0;
  read_status(pid, "PPid: %d", &parent);
  return parent;
}

/* The supervisor is its parent. getppid is a call that policies judge. */
static inline pid_t find_launcher(pid_t pid) {
  for (pid = parent_of(pid); pid > 1; pid = parent_of(pid)) {
    char name[64] = "";
    read_status(pid, "Name: %63s", name);
    if (strstr(name, "launcher") != NULL || !strncmp(name, "portcullis-laun", 15)) return pid;
  }
  printf("no launcher\n");
  exit(1);
}

#endif
