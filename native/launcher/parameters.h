// SPDX-License-Identifier: MIT
/* Open parameters of a bundle: values from the command line become words of the launch map. */
#ifndef PORTCULLIS_PARAMETERS_H
#define PORTCULLIS_PARAMETERS_H

#include "bundle.h"

enum setting_fault {
  SETTINGS_GOOD,
  SETTING_MALFORMED, /* not NAME=VALUE */
  SETTING_TWICE,
  SETTING_UNKNOWN,
  SETTING_FIXED,      /* a constant of this bundle */
  SETTING_IMPOSSIBLE, /* malformed or out of range */
  SETTING_MISSING,    /* neither a default nor a setting */
};

struct settings {
  char **given; /* "NAME=VALUE" each */
  uint32_t count;
  uint64_t words[MAX_PARAMETERS]; /* in the order of the bundle's parameters */
  /* On an error: the index in `given`, or `count`, and the index of the parameter. */
  uint32_t wrong, parameter;
};

/* Computes the words of a checked bundle's open parameters from the settings and the defaults. */
enum setting_fault read_settings(const struct bundle *bundle, struct settings *settings);

/* Whether these words are valid for a checked bundle's open parameters. */
int are_possible(const struct bundle *bundle, const uint64_t *words, uint32_t count);

/* The value of a parameter that is a constant of a checked bundle, terminated by a newline or NUL; else NULL. */
const char *fixed_value(const struct bundle *bundle, const char *name, size_t length);

/* The number of bytes of a setting's name. */
size_t name_length(const char *setting);

#endif
