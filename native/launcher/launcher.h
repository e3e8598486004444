// SPDX-License-Identifier: MIT
/* The launcher: confines a command as Node orders it, starts it, waits for it and its tree, and tells what becomes of them. */
#ifndef PORTCULLIS_LAUNCHER_H
#define PORTCULLIS_LAUNCHER_H

#include "inheritance.h"

struct launch {
  char **words; /* the last ones are the command */
  uint32_t count;
  char **environment; /* the command's */
  struct inheritance *inheritance;
  int node;  /* the socket to Node */
  int front; /* the socket to the front (front.c), or -1 */
};

/* Serves until nothing is left to do. To be called in a process of its own, with all signals blocked. */
void serve(const struct launch *launch) __attribute__((noreturn));

#endif
