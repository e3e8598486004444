// SPDX-License-Identifier: MIT
/* The search for functions in BTF: their numbers, and BTF that ends early or lies about its lengths. */
#include "../../../native/launcher/functions.c"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static const char strings[] = "\0other\0one\0one_more";
enum { OTHER = 1, ONE = 7, ONE_MORE = 11 };

static struct {
  struct btf_header header;
  struct {
    struct btf_type structure;
    struct btf_member members[2];
    struct btf_type number;
    uint32_t encoding;
    struct btf_type named; /* not a function, with the name of one */
    struct btf_type first, second;
  } types;
  char strings[sizeof strings];
} whole;

#define TYPE(name, kind, count) ((struct btf_type){.name_off = name, .info = (kind) << 24 | (count)})

static void make(void) {
  memset(&whole, 0, sizeof whole);
  whole.header = (struct btf_header){.magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof whole.header};
  whole.header.type_len = sizeof whole.types;
  whole.header.str_off = sizeof whole.types;
  whole.header.str_len = sizeof strings;
  whole.types.structure = TYPE(OTHER, BTF_KIND_STRUCT, 2);
  whole.types.number = TYPE(OTHER, BTF_KIND_INT, 0);
  whole.types.named = TYPE(ONE, BTF_KIND_TYPEDEF, 0);
  whole.types.first = TYPE(ONE_MORE, BTF_KIND_FUNC, 0);
  whole.types.second = TYPE(ONE, BTF_KIND_FUNC, 0);
  memcpy(whole.strings, strings, sizeof strings);
}

/* Searches the first `size` bytes, in memory of exactly this size. */
static long find(size_t size, const char *const *names, uint32_t *ids, uint32_t count) {
  unsigned char *bytes = malloc(size + 1);
  if (bytes == NULL) abort();
  unsigned char *start = bytes + 1; /* nothing is aligned */
  memcpy(start, &whole, size);
  memset(ids, 0, count * sizeof *ids);
  const long result = look_up(start, size, names, ids, count);
  free(bytes);
  return result;
}

void test_functions(void) {
  const char *names[] = {"one", "one_more"}, *absent[] = {"one", "on"};
  uint32_t ids[2];
  make();
  CHECK(find(sizeof whole, names, ids, 2) == 0 && ids[0] == 5 && ids[1] == 4);
  CHECK(find(sizeof whole, absent, ids, 2) == -ESRCH);
  CHECK(find(sizeof whole, names, ids, 0) == 0);
  for (size_t size = 0; size < sizeof whole; size++) CHECK(find(size, names, ids, 2) == -EBADMSG);

  /* The types end within the last one, or before it. */
  for (uint32_t length = 0; length < sizeof whole.types; length++) {
    whole.header.type_len = length;
    const long result = find(sizeof whole, names, ids, 2);
    CHECK(result == -EBADMSG || result == -ESRCH);
  }
  make();
  whole.types.named = whole.types.first = TYPE(ONE, BTF_KIND_FUNC, 0);
  whole.types.second = TYPE(ONE_MORE, BTF_KIND_FUNC, 0);
  CHECK(find(sizeof whole, names, ids, 2) == 0 && ids[0] == 3 && ids[1] == 5);
  make();

  /* The strings begin beyond their length, or end within a name. */
  whole.header.str_len = ONE_MORE + 3;
  CHECK(find(sizeof whole, names, ids, 2) == -ESRCH);
  make();
  whole.types.first.name_off = 0xffffffff;
  CHECK(find(sizeof whole, names, ids, 2) == -ESRCH);
  make();
  whole.types.structure = TYPE(OTHER, BTF_KIND_STRUCT, 0xffff);
  CHECK(find(sizeof whole, names, ids, 2) == -EBADMSG);
  make();
  whole.types.structure = TYPE(OTHER, 31, 0);
  CHECK(find(sizeof whole, names, ids, 2) == -EBADMSG);
  make();
  whole.header.type_off = 0xfffffff0;
  CHECK(find(sizeof whole, names, ids, 2) == -EBADMSG);
  make();
  whole.header.hdr_len = 4;
  CHECK(find(sizeof whole, names, ids, 2) == -EBADMSG);
}
