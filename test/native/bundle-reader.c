// SPDX-License-Identifier: MIT
/*
 * Runs the launcher's reader on bundles from standard input, each after its size (32 bits), in memory of exactly that
 * size. Prints "good" or the error for each. Built with the sanitizers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../native/launcher/bundle.h"

int main(void) {
  uint32_t size;
  while (fread(&size, sizeof size, 1, stdin) == 1) {
    unsigned char *bytes = malloc(size == 0 ? 1 : size);
    if (bytes == NULL || fread(bytes, 1, size, stdin) != size) return 2;
    struct bundle bundle;
    const char *wrong = read_bundle(&bundle, bytes, size);
    puts(wrong == NULL ? "good" : wrong);
    free(bytes);
  }
  return 0;
}
