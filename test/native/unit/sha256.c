// SPDX-License-Identifier: MIT
/* The digests of FIPS 180-4's examples, in one piece and in two pieces of each length. */
#include "../../../native/launcher/sha256.c"

#include <stdio.h>
#include <string.h>

#include "check.h"

static bool has_digest(const char *text, size_t first, const char *expected) {
  struct sha256 hash;
  unsigned char digest[32];
  char shown[65];
  sha256_start(&hash);
  sha256_add(&hash, text, first);
  sha256_add(&hash, text + first, strlen(text) - first);
  sha256_finish(&hash, digest);
  for (int i = 0; i < 32; i++) snprintf(shown + 2 * i, 3, "%02x", digest[i]);
  return strcmp(shown, expected) == 0;
}

void test_sha256(void) {
  static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  CHECK(has_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK(has_digest("abc", 0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  for (size_t first = 0; first <= strlen(two_blocks); first++)
    CHECK(has_digest(two_blocks, first, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}
