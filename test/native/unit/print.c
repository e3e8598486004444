// SPDX-License-Identifier: MIT
/* Foreign text in the launcher's messages: what a terminal could obey becomes U+FFFD, and nothing else changes. */
#include "../../../native/launcher/print.c"

#include <stdlib.h>
#include <string.h>

#include "check.h"

/* What would be written to standard error. */
static char written[4096];
static size_t length;

long write_all(int descriptor, const void *bytes, size_t size) {
  if (descriptor != 2 || length + size >= sizeof written) return -EIO;
  memcpy(written + length, bytes, size);
  length += size;
  written[length] = 0;
  return 0;
}

size_t string_length(const char *string) { return strlen(string); }

#define FFFD "\xef\xbf\xbd"

/* The text is in memory of exactly its size. */
static bool shows(const char *text, const char *expected) {
  const size_t size = strlen(text);
  char *exact = malloc(size);
  if (exact == NULL && size > 0) return false;
  if (size > 0) memcpy(exact, text, size);
  length = 0;
  written[0] = 0;
  print_bytes(exact, size);
  free(exact);
  return strcmp(written, expected) == 0;
}

void test_print(void) {
  CHECK(shows("", ""));
  CHECK(
      shows("plain ~ caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80", "plain ~ caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80"));
  CHECK(shows("a\x1b[31m\n\x7f", "a" FFFD "[31m" FFFD FFFD));
  CHECK(shows("\xc2\x9b\x31m", FFFD FFFD "1m"));                        /* U+009B, a terminal's CSI */
  CHECK(shows("a\xe2\x80\xae\x62", "a" FFFD FFFD FFFD "b"));            /* U+202E turns the direction */
  CHECK(shows("\xf3\xa0\x80\x81", FFFD FFFD FFFD FFFD));                /* U+E0001, invisible */
  CHECK(shows("\xef\xbb\xbf", FFFD FFFD FFFD));                         /* U+FEFF */
  CHECK(shows("\xe2\x80\xa7\xe2\x80\xaf", "\xe2\x80\xa7\xe2\x80\xaf")); /* their neighbours U+2027 and U+202F */
  /* Not UTF-8: a part of a sequence, longer ones than necessary, surrogates, and beyond U+10FFFF. */
  CHECK(shows("\xe6\xbc", FFFD FFFD));
  CHECK(shows("\xc3", FFFD));
  CHECK(shows("\xc0\xaf", FFFD FFFD));
  CHECK(shows("\xe0\x80\xaf", FFFD FFFD FFFD));
  CHECK(shows("\xf0\x80\x80\xaf", FFFD FFFD FFFD FFFD));
  CHECK(shows("\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD));
  CHECK(shows("\xed\xa0\x80", FFFD FFFD FFFD));
  CHECK(shows("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"));
  CHECK(shows("\xff\xfe", FFFD FFFD));

  length = 0;
  print_number(0);
  print_number(1234567890123);
  CHECK(strcmp(written, "01234567890123") == 0);
  length = 0;
  print_error(-EACCES);
  print(" ");
  print_error(-EXDEV);
  CHECK(strcmp(written, "EACCES errno 18") == 0);
}
