// SPDX-License-Identifier: MIT
/* Starts Node, with the launcher as its child; or the launcher alone, for an agent. */
#ifndef PORTCULLIS_NODE_H
#define PORTCULLIS_NODE_H

#include "launcher.h"

struct node {
  const char *file;
  char **argv;
  struct launch launch; /* for the launcher; its sockets are the launcher's ends */
  int socket;           /* Node's end, or the front's connection to the agent; closed in the launcher */
  int front;            /* the front's end, closed in both children */
};

/*
 * Returns the pid, or a negative errno. If Node cannot be executed the child prints an error and exits with status 125.
 */
long start_node(struct node *node);

/* Starts the launcher as a child of this process. Returns its pid, or a negative errno. */
long start_launcher(struct node *node);

/* A remedy for a failed clone(2), or NULL. */
const char *help_without_process(long error);

#endif
