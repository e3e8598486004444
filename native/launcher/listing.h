// SPDX-License-Identifier: MIT
/* The names in a directory. */
#ifndef PORTCULLIS_LISTING_H
#define PORTCULLIS_LISTING_H

/* Room for several names of 255 bytes. Some users recurse, and each level has a listing on the stack. */
enum { LISTING_BYTES = 1024 };

struct listing {
  long directory, at, count;
  char entries[LISTING_BYTES] __attribute__((aligned(8)));
};

/* Begins to list an open directory, which stays open until the caller closes it. */
void begin_listing(struct listing *listing, long directory);
/*
 * The next name, without "." and "..", valid until the next call. NULL at the end; *error is then 0, or a negative errno.
 */
const char *next_name(struct listing *listing, long *error);

#endif
