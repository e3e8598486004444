// SPDX-License-Identifier: MIT
/*
 * The files, ports and scopes to which a policy restricts the command's tree: one Landlock domain for each layer.
 *
 * The bytes of the layers are in a bundle's section `objects` (docs/bundle.md), or after the filters of an order
 * (orders.h); src/compile/landlock/encode.ts writes them.
 */
#ifndef PORTCULLIS_LAYERS_H
#define PORTCULLIS_LAYERS_H

#include <stddef.h>
#include <stdint.h>

struct layer_header {
  uint32_t files, ports,
      scopes;    /* the restricted rights: LANDLOCK_ACCESS_FS_…, LANDLOCK_ACCESS_NET_…, LANDLOCK_SCOPE_… */
  uint32_t size; /* of the rules that follow, in bytes */
};
struct layer_rule {
  uint32_t kind; /* enum rule_kind */
  uint32_t access;
  uint32_t value;  /* FOR_PORT: the port; BENEATH: 0 or MAY_BE_MISSING */
  uint32_t length; /* of the path that follows, with a NUL, and zeros up to a multiple of 4 */
};
enum rule_kind {
  BENEATH = 1,     /* a directory with everything below it, or a file */
  FOR_PORT = 2,    /* a port of TCP or UDP */
  EXCEPT = 3,      /* a path to which no rule above it applies */
  FOR_STREAMS = 4, /* the files of the command's standard streams */
};
enum { MAY_BE_MISSING = 1 };
enum { MAX_LAYERS = 8, MAX_LAYERS_SIZE = 1 << 20 };

struct layers {
  int count;
  long rulesets[MAX_LAYERS];
};

/* Checks every part of the bytes. Returns NULL, or a sentence without a full stop. */
const char *check_layers(const unsigned char *bytes, size_t size);

/* Whether a layer restricts the execution of files. */
int restricts_execution(const unsigned char *bytes, size_t size);

/*
 * Makes a ruleset of each layer, of checked bytes.
 *
 * Landlock has no rule that denies, so a directory on the way to an exception gets no rule itself; its entries get one
 * each, except those on the way. Directories on the way, and the exception, are recognised by device and inode. Symbolic
 * links get no rule, because the kernel looks at the object to which they lead.
 *
 * With `best_effort`, rights that this kernel cannot restrict are left out, and a message on standard error names each.
 *
 * Returns 0, or a negative errno with a sentence without a full stop in `what`, which the next call overwrites. The caller
 * releases the rulesets of a failed attempt, too.
 */
long make_layers(struct layers *layers, const unsigned char *bytes, size_t size, int best_effort, const char **what);
void release_layers(struct layers *layers);

/* Moves the calling process into a domain of each ruleset. It must have no_new_privs set. Returns as make_layers does. */
long enter_layers(const struct layers *layers, const char **what);

#endif
