// SPDX-License-Identifier: MIT
/* The last steps before a command runs: no_new_privs, the filters, execve, without other system calls in between. */
#ifndef PORTCULLIS_CONFINE_H
#define PORTCULLIS_CONFINE_H

#include "extended.h"

struct confinement {
  struct sock_filter *classic;
  uint32_t classic_length;   /* 0: no classic filter */
  struct extended *extended; /* NULL: no extended filter */
  uint64_t token[2];         /* passed in execve's unused registers */
};

/*
 * Sets no_new_privs and installs the classic, then the extended filter. Returns 0, or a negative errno and the stage.
 */
long confine(const struct confinement *confinement, enum stage *stage);

/* Executes the command with the token. Returns only on failure: a negative errno. */
long execute(const char *file, char **argv, char **environment, const uint64_t token[2]);

#endif
