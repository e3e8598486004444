// SPDX-License-Identifier: MIT
/* What a bundle leaves open until it is started: values from the command line become words of the launch map. */
#ifndef PORTCULLIS_PARAMETERS_H
#define PORTCULLIS_PARAMETERS_H

#include "bundle.h"

enum setting_fault {
  SETTINGS_GOOD,
  SETTING_MALFORMED, /* no NAME=VALUE */
  SETTING_TWICE,
  SETTING_UNKNOWN,
  SETTING_FIXED,      /* a constant of this bundle */
  SETTING_IMPOSSIBLE, /* no value of the parameter's */
  SETTING_MISSING,    /* no default, and not given */
};

struct settings {
  char **given; /* "NAME=VALUE" each */
  uint32_t count;
  uint64_t words[MOST_PARAMETERS]; /* in the order of the bundle's parameters */
  /* Where it went wrong: which of `given`, and which parameter, where there is one. */
  uint32_t wrong, parameter;
};

/* Makes the words of a checked bundle's open parameters of what is given, and of their defaults. */
enum setting_fault read_settings(const struct bundle *bundle, struct settings *settings);

/* Whether so many words are what a checked bundle's open parameters can be. */
int are_possible(const struct bundle *bundle, const uint64_t *words, uint32_t count);

/* The value under which a checked bundle has this parameter as a constant, up to a newline or the end; NULL: it has not. */
const char *fixed_value(const struct bundle *bundle, const char *name, size_t length);

/* How many bytes of a setting are its name. */
size_t name_length(const char *setting);

#endif
