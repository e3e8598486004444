// SPDX-License-Identifier: MIT
/* Changes the command's environment. */
#include "variables.h"

#include "kernel.h"

static size_t name_length(const char *entry) {
  size_t length = 0;
  while (entry[length] != 0 && entry[length] != '=') length++;
  return length;
}

static int is_changed(const char *entry, const char *changes, size_t size) {
  const size_t length = name_length(entry);
  for (const char *at = changes; at < changes + size; at += string_length(at) + 1)
    if (name_length(at) == length && memcmp(at, entry, length) == 0) return 1;
  return 0;
}

char **with_variables(char **environment, char *changes, size_t size) {
  size_t count = 1;
  for (char **entry = environment; *entry != NULL; entry++) count++;
  for (size_t i = 0; i < size; i++) count += changes[i] == 0;
  char **copy = allocate(count * sizeof *copy), **into = copy;
  if (copy == NULL) return NULL;
  for (char **entry = environment; *entry != NULL; entry++)
    if (!is_changed(*entry, changes, size)) *into++ = *entry;
  for (char *at = changes; at < changes + size; at += string_length(at) + 1)
    if (at[name_length(at)] == '=') *into++ = at;
  *into = NULL;
  return copy;
}
