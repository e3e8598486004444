// SPDX-License-Identifier: MIT
/*
 * Runs the launcher's parser of --set on standard input: the length of a bundle (32 bits) and its bytes, then requests,
 * each a number of settings, every setting with its length. Prints for each request the words of the parameters in
 * hexadecimal, or "fault" and its number. Built with the compiler's sanitizers; each string is in memory of exactly its
 * size.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../native/launcher/parameters.h"

size_t string_length(const char *string) { return strlen(string); }
int strings_equal(const char *one, const char *other) { return strcmp(one, other) == 0; }

static char *read_string(void) {
  uint32_t length;
  if (fread(&length, sizeof length, 1, stdin) != 1) exit(2);
  char *text = malloc(length + 1);
  if (text == NULL || fread(text, 1, length, stdin) != length) exit(2);
  text[length] = 0;
  return text;
}

int main(void) {
  uint32_t size;
  if (fread(&size, sizeof size, 1, stdin) != 1) return 2;
  unsigned char *bytes = malloc(size);
  struct bundle bundle;
  if (bytes == NULL || fread(bytes, 1, size, stdin) != size) return 2;
  if (read_bundle(&bundle, bytes, size) != NULL) return 3;
  uint32_t count;
  while (fread(&count, sizeof count, 1, stdin) == 1) {
    char *given[MAX_PARAMETERS];
    for (uint32_t i = 0; i < count; i++) given[i] = read_string();
    struct settings settings = {.given = given, .count = count};
    enum setting_fault fault = read_settings(&bundle, &settings);
    if (fault != SETTINGS_GOOD) {
      printf("fault %d\n", fault);
    } else {
      if (!are_possible(&bundle, settings.words, count_of(&bundle, PARAMETERS))) return 4;
      for (uint32_t i = 0; i < count_of(&bundle, PARAMETERS); i++) printf("%" PRIx64 " ", settings.words[i]);
      puts("");
    }
    for (uint32_t i = 0; i < count; i++) free(given[i]);
  }
  free(bytes);
  return 0;
}
