// SPDX-License-Identifier: MIT
/* What whoever starts the launcher writes to it (src/engines/launcher.ts). Little-endian, as both architectures are. */
#ifndef PORTCULLIS_LAUNCHER_H
#define PORTCULLIS_LAUNCHER_H

#include <linux/filter.h>
#include <stdint.h>

enum { MAXIMUM_INSTRUCTIONS = 4096 };

struct configuration {
  uint32_t magic;
  uint32_t flags;
  uint32_t filter_length;   /* instructions; with EXTENDED: the bytes of the bundle that follows */
  uint32_t fallback_length; /* instructions, 0: there is none; with EXTENDED: the words of open parameters behind the bundle */
  uint64_t token[2];        /* with EXTENDED: 0, the launcher draws its own */
  struct sock_filter filters[2 * MAXIMUM_INSTRUCTIONS];
};
enum { CONFIGURATION_MAGIC = 0x70637632, HEADER_SIZE = 32 };
enum {
  WANT_LISTENER = 1,   /* else the filter needs no supervisor */
  OWN_THE_TREE = 2,    /* be the tree's reaper, so that all of it can be ended */
  END_TREE = 4,        /* when the command has ended, end the rest of its tree */
  DIE_WITH_PARENT = 8, /* when the supervisor's side is gone, end the tree */
  EXTENDED = 16,       /* a bundle follows instead of classic filters */
};

void leave(int status) __attribute__((noreturn));

#endif
