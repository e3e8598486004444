// SPDX-License-Identifier: MIT
/* Starting Node, and the launcher as its child. */
#ifndef PORTCULLIS_NODE_H
#define PORTCULLIS_NODE_H

#include "launcher.h"

struct node {
  const char *file;
  char **argv;
  struct launch launch; /* what the launcher serves; its sockets are the launcher's ends */
  int socket;           /* Node's end */
  int front;            /* the front's end, which neither of them has */
};

/* The pid, or a negative errno. Where Node cannot be executed the child says so and exits with status 125. */
long start_node(struct node *node);

#endif
