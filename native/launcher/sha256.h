// SPDX-License-Identifier: MIT
/* SHA-256 (FIPS 180-4), for the digest of a bundle, and in the addon for the cache of compiled policies. */
#ifndef PORTCULLIS_SHA256_H
#define PORTCULLIS_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
  uint32_t state[8];
  uint64_t length; /* bytes so far */
  unsigned char block[64];
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t size);
void sha256_finish(struct sha256 *hash, unsigned char digest[32]);

#endif
