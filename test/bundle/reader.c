// SPDX-License-Identifier: MIT
/*
 * Runs the launcher's reader of bundles on frames from standard input: a length (32 bits) and that number of bytes.
 * Prints "ok" or the error for each. Built with the compiler's sanitizers; each bundle is in memory of exactly its
 * size.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../native/launcher/bundle.h"

int main(void) {
  uint32_t length;
  while (fread(&length, sizeof length, 1, stdin) == 1) {
    unsigned char *bytes = malloc(length);
    if (bytes == NULL || fread(bytes, 1, length, stdin) != length) return 1;
    struct bundle bundle;
    const char *wrong = read_bundle(&bundle, bytes, length);
    puts(wrong == NULL ? "ok" : wrong);
    free(bytes);
  }
  return 0;
}
