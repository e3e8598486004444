// SPDX-License-Identifier: MIT
/* The launcher: confines and starts a command by Node's orders, waits for it and its tree, and reports their exit. */
#ifndef PORTCULLIS_LAUNCHER_H
#define PORTCULLIS_LAUNCHER_H

#include "inheritance.h"

struct launch {
  char **words; /* the last ones are the command */
  uint32_t count;
  char **environment; /* the command's */
  struct inheritance *inheritance;
  int node;  /* the socket to Node, or to an agent (agent.h) */
  int front; /* the socket to the front (front.c), or -1 */
  int group; /* the process group of the caller; 0: it has no number here, and the launcher is born in it */
  int agent; /* its pid; 0: Node is this process's parent */
};

/* Runs the launcher until its work is done. Call it in a separate process, with all signals blocked. */
void serve(const struct launch *launch) __attribute__((noreturn));

#endif
