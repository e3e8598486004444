// SPDX-License-Identifier: MIT
/* The last steps before a command: no_new_privs, the filters, execve, with nothing in between. */
#ifndef PORTCULLIS_CONFINE_H
#define PORTCULLIS_CONFINE_H

#include "extended.h"

struct confinement {
  struct sock_filter *classic;
  uint32_t classic_length;   /* 0: there is none */
  struct extended *extended; /* NULL: the classic program is all */
  uint64_t token[2];         /* what execve carries */
};

/* no_new_privs, then the classic filter, then the extended one. 0, or a negative errno with the stage that failed. */
long confine(const struct confinement *confinement, enum stage *stage);

/* Executes with the token in the registers that execve does not use. Returns only on failure: a negative errno. */
long execute(const char *file, char **argv, char **environment, const uint64_t token[2]);

#endif
