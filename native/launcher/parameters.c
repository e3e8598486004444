// SPDX-License-Identifier: MIT
/* Parses --set. src/ir/parameters.ts and src/backend/bundle/settings.ts parse the same; test/bundle compares them. */
#include "parameters.h"

#include "kernel.h"

size_t name_length(const char *setting) {
  size_t length = 0;
  while (setting[length] != 0 && setting[length] != '=') length++;
  return length;
}

static int is_named(const struct bundle *bundle, const struct parameter_entry *parameter, const char *name,
                    size_t length) {
  const char *own = string_at(bundle, parameter->name);
  return string_length(own) == length && memcmp(own, name, length) == 0;
}

static int is_possible(const struct parameter_entry *parameter, uint64_t word) {
  uint64_t from = word_of(parameter->from), to = word_of(parameter->to);
  if (parameter->kind == SIGNED_PARAMETER) return (int64_t)word >= (int64_t)from && (int64_t)word <= (int64_t)to;
  return word >= from && word <= to;
}

int are_possible(const struct bundle *bundle, const uint64_t *words, uint32_t count) {
  const struct parameter_entry *parameters = section_of(bundle, PARAMETERS);
  if (count != count_of(bundle, PARAMETERS)) return 0;
  for (uint32_t i = 0; i < count; i++)
    if (!is_possible(parameters + i, words[i])) return 0;
  return 1;
}

const char *fixed_value(const struct bundle *bundle, const char *name, size_t length) {
  const char *line = string_at(bundle, policy_of(bundle)->fixed);
  while (*line != 0) {
    /* A name contains no NUL, so the comparison stops at the end of the string. */
    size_t same = 0;
    while (same < length && line[same] == name[same]) same++;
    if (same == length && line[same] == '=') return line + length + 1;
    while (*line != 0 && *line != '\n') line++;
    line += *line != 0;
  }
  return NULL;
}

enum { MAX_INTEGER_LENGTH = 40 };

static int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

/* Reads decimal, 0x, 0o or 0b, with underscores and a final n as in a policy, into sign and magnitude. */
static int read_integer(const char *text, int *is_negative, uint64_t *magnitude) {
  char plain[MAX_INTEGER_LENGTH + 1];
  size_t length = string_length(text), count = 0;
  if (length > 0 && text[length - 1] == 'n') length--;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '_') continue;
    if (count == MAX_INTEGER_LENGTH) return 0;
    plain[count++] = text[i];
  }
  plain[count] = 0; /* not a digit, so every loop below ends there */
  const char *at = plain;
  *is_negative = *at == '-';
  at += *is_negative;
  int base = 10;
  if (at[0] == '0') {
    char mark = at[1] | 0x20;
    base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
    if (base != 10) at += 2;
  }
  if (digit_of(*at) >= base) return 0;
  for (*magnitude = 0; *at != 0; at++) {
    int digit = digit_of(*at);
    if (digit >= base) return 0;
    if (__builtin_mul_overflow(*magnitude, (uint64_t)base, magnitude) ||
        __builtin_add_overflow(*magnitude, (uint64_t)digit, magnitude))
      return 0;
  }
  return 1;
}

static int read_value(const struct parameter_entry *parameter, const char *text, uint64_t *word) {
  if (parameter->kind == FLAG_PARAMETER) {
    *word = strings_equal(text, "true");
    return *word || strings_equal(text, "false");
  }
  int is_negative;
  uint64_t magnitude;
  if (!read_integer(text, &is_negative, &magnitude)) return 0;
  const uint64_t sign = 1ull << 63;
  if (parameter->kind == SIGNED_PARAMETER) {
    if (magnitude > sign || (magnitude == sign && !is_negative)) return 0;
  } else if (is_negative && magnitude != 0) {
    return 0;
  }
  *word = is_negative ? -magnitude : magnitude;
  return is_possible(parameter, *word);
}

/* The index of the setting for this parameter, or `count`. */
static uint32_t setting_for(const struct bundle *bundle, const struct settings *settings,
                            const struct parameter_entry *parameter) {
  uint32_t i = 0;
  while (i < settings->count && !is_named(bundle, parameter, settings->given[i], name_length(settings->given[i]))) i++;
  return i;
}

/* Checks that each name exists, is open, and is set once. */
static enum setting_fault check_names(const struct bundle *bundle, struct settings *settings) {
  const struct parameter_entry *parameters = section_of(bundle, PARAMETERS);
  for (uint32_t i = 0; i < settings->count; i++) {
    const char *given = settings->given[i];
    size_t length = name_length(given);
    settings->wrong = i;
    if (length == 0 || given[length] == 0) return SETTING_MALFORMED;
    for (uint32_t k = 0; k < i; k++)
      if (name_length(settings->given[k]) == length && memcmp(settings->given[k], given, length) == 0)
        return SETTING_TWICE;
    uint32_t parameter = 0;
    while (parameter < count_of(bundle, PARAMETERS) && !is_named(bundle, parameters + parameter, given, length))
      parameter++;
    if (parameter == count_of(bundle, PARAMETERS))
      return fixed_value(bundle, given, length) != NULL ? SETTING_FIXED : SETTING_UNKNOWN;
  }
  return SETTINGS_GOOD;
}

enum setting_fault read_settings(const struct bundle *bundle, struct settings *settings) {
  const struct parameter_entry *parameters = section_of(bundle, PARAMETERS);
  enum setting_fault fault = check_names(bundle, settings);
  for (uint32_t i = 0; fault == SETTINGS_GOOD && i < count_of(bundle, PARAMETERS); i++) {
    const struct parameter_entry *parameter = parameters + i;
    uint32_t setting = setting_for(bundle, settings, parameter);
    settings->parameter = i;
    settings->wrong = setting;
    if (setting < settings->count) {
      const char *given = settings->given[setting];
      if (!read_value(parameter, given + name_length(given) + 1, settings->words + i)) fault = SETTING_IMPOSSIBLE;
    } else if ((parameter->traits & HAS_DEFAULT) == 0) {
      fault = SETTING_MISSING;
    } else {
      settings->words[i] = word_of(parameter->fallback);
    }
  }
  return fault;
}
