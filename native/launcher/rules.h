// SPDX-License-Identifier: MIT
/* Rules of Landlock rulesets about files, and the identities of files for which they are made. */
#ifndef PORTCULLIS_RULES_H
#define PORTCULLIS_RULES_H

#include <stdint.h>

struct identity {
  uint32_t major, minor;
  uint64_t inode;
};

/* The identity of an open file, and its type (S_IFMT of the mode). Returns 0, or a negative errno. */
long identify(long file, struct identity *identity, unsigned *type);
int is_same(const struct identity *one, const struct identity *other);

/*
 * Grants rights on an open file, or on a directory and everything below it. For a file that is no directory they must be
 * rights of files. Returns 0, or a negative errno.
 */
long add_rule_beneath(long ruleset, long file, uint64_t access);

/* A sentence about a path, for messages. The next call overwrites it. */
const char *about(const char *before, const char *path, const char *after);

#endif
