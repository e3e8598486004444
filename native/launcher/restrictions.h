// SPDX-License-Identifier: MIT
/* The Landlock domains of a command: the one that separates its tree or protects proc file systems, and those of the policy. */
#ifndef PORTCULLIS_RESTRICTIONS_H
#define PORTCULLIS_RESTRICTIONS_H

#include "extended.h"
#include "layers.h"

struct restrictions {
  /* Input: checked layers; the order's flags; whether another event ends the tree; whether it only reads proc file systems. */
  const unsigned char *bytes;
  size_t size;
  uint32_t flags;
  int is_tied, reads_proc;
  /* Output. */
  long domain;             /* domain.h, or -1 */
  int of_domain;           /* enum restriction */
  int restricts_execution; /* a layer does */
  struct layers layers;
};

/* Makes them, for the files that the calling process sees. Returns 0, or -1 with `fault`. */
int make_restrictions(struct restrictions *restrictions, struct fault *fault);
void release_restrictions(struct restrictions *restrictions);

#endif
