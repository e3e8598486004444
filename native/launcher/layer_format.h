// SPDX-License-Identifier: MIT
/*
 * The layers of a policy as bytes: in a bundle's section `objects` (docs/bundle.md), or after the filters of an order
 * (orders.h). src/backend/landlock/encode.ts writes them.
 */
#ifndef PORTCULLIS_LAYER_FORMAT_H
#define PORTCULLIS_LAYER_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* The restricted rights, and the size of the rules that follow, in bytes. */
struct layer_header {
  uint32_t files;  /* LANDLOCK_ACCESS_FS_… */
  uint32_t ports;  /* LANDLOCK_ACCESS_NET_… */
  uint32_t scopes; /* LANDLOCK_SCOPE_… */
  uint32_t size;
};
struct layer_rule {
  uint32_t kind; /* enum rule_kind */
  uint32_t access;
  uint32_t value;  /* FOR_PORT: the port; BENEATH: MAY_BE_MISSING, IS_WHOLE; of mounts: flags; of limits: the limit */
  uint32_t length; /* of the path that follows, with a NUL, and zeros up to a multiple of 4 */
};
enum rule_kind {
  BENEATH = 1,     /* a directory with everything below it, or a file */
  FOR_PORT = 2,    /* a port of TCP or UDP */
  EXCEPT = 3,      /* a path to which no rule above it applies */
  FOR_STREAMS = 4, /* the files of the command's standard streams */
  /* By mounts (mounts.h). The policy's are all in its first layer, those of a kind in the order in which they are made. */
  PROTECT = 5,         /* a file, or a directory with all below it, which the tree cannot change */
  ABOVE_PROTECTED = 6, /* a directory above one, which the tree cannot rename */
  PRIVATE = 7,         /* a directory that is empty for the tree */
  SHOWN = 8,           /* a path in a private directory that the tree sees nevertheless, if it exists */
  /* Limits. */
  PROCESSES = 9,     /* processes and threads of the tree at once (process_limit.h) */
  PRIVATE_SIZE = 10, /* of what each private directory holds, in KiB */
};
enum {
  MAY_BE_MISSING = 1, /* the rule has no effect then */
  IS_WHOLE = 2,       /* exceptions do not apply to the rule */
  IS_DIRECTORY = 4,   /* make it if it is missing */
  IS_READ_ONLY = 8,   /* it cannot be changed there */
};
enum { MAX_LAYERS = 8, MAX_LAYERS_SIZE = 1 << 20 };
/* Rights of `files` (include/uapi/linux/landlock.h; distributions' headers lack the newer ones). */
enum { EXECUTE = 1 << 0, REFER = 1 << 13, RESOLVE_UNIX = 1 << 16 };

/* Checks every part of the bytes. Returns NULL, or a sentence without a full stop. */
const char *check_layers(const unsigned char *bytes, size_t size);

/* Whether a layer restricts one of these rights of files. */
int restricts_files(const unsigned char *bytes, size_t size, uint32_t rights);

/* The lowest limit of this kind; 0 without one. */
uint32_t limit_of(const unsigned char *layers, size_t size, uint32_t kind);

static inline const struct layer_header *next_layer(const struct layer_header *layer) {
  return (const struct layer_header *)((const unsigned char *)(layer + 1) + layer->size);
}
static inline const struct layer_rule *first_rule(const struct layer_header *layer) {
  return (const struct layer_rule *)(layer + 1);
}
static inline const struct layer_rule *end_of_rules(const struct layer_header *layer) {
  return (const struct layer_rule *)next_layer(layer);
}
static inline const struct layer_rule *next_rule(const struct layer_rule *rule) {
  return (const struct layer_rule *)((const unsigned char *)(rule + 1) + rule->length);
}
static inline const char *path_of(const struct layer_rule *rule) { return (const char *)(rule + 1); }

#endif
