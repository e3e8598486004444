// SPDX-License-Identifier: MIT
/* Lines of a trace, in a buffer of exactly the bytes that a line may have, and with strings that are not there. */
#include "../../../native/addon/record/lines.c"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static const char texts[] = ",\"call\":\"read\",\"args\":[\"fds\":[]}{";
enum { SHAPE_LENGTH = 23, MEMBERS_LENGTH = 8 };

/* Prints the line into `room` bytes; the text, or NULL if the line does not fit. The caller frees it. */
static char *printed(const uint32_t *line, size_t room) {
  unsigned char *out = malloc(room + 1), *copy = malloc(sizeof texts - 1);
  if (out == NULL || copy == NULL) abort();
  memcpy(copy, texts, sizeof texts - 1);
  struct printer to = {line, copy, sizeof texts - 1, out, out + room};
  const bool is_printed = put_line(&to, line);
  free(copy);
  *to.next = 0;
  if (is_printed) return (char *)out;
  free(out);
  return NULL;
}

/* Whether the printed line is this text, or ends with it. */
static bool prints(const uint32_t *line, const char *expected) {
  char *text = printed(line, 4096);
  const size_t length = text == NULL ? 0 : strlen(text), size = strlen(expected);
  const bool is_equal = length >= size && strcmp(text + length - size, expected) == 0;
  if (text != NULL && !is_equal) printf("printed: %s", text);
  free(text);
  return is_equal;
}

static bool fits(const uint32_t *line, size_t room) {
  char *text = printed(line, room);
  free(text);
  return text != NULL;
}

void test_lines(void) {
  uint32_t line[WORDS] = {[FLAGS] = IS_CALL, [TID] = 7, [SHAPE] = 0, [SHAPE + 1] = SHAPE_LENGTH, [COUNT] = 3};
  line[REGISTERS] = 5;                                       /* below 2^32 */
  line[REGISTERS + 2] = 0xffffffff, line[REGISTERS + 3] = 0; /* the largest that is a number */
  line[REGISTERS + 4] = 0, line[REGISTERS + 5] = 1;          /* the smallest that is a string */
  CHECK(prints(line,
               "{\"v\":1,\"kind\":\"call\",\"tid\":7,\"time\":0,\"call\":\"read\",\"args\":["
               "5,4294967295,\"0x100000000\"]}\n"));

  line[COUNT] = 1, line[TIME] = 1, line[TIME + 1] = 1;
  line[FLAGS] = IS_CALL | HAS_RESULT | HAS_POINTER;
  line[MEMBERS] = SHAPE_LENGTH, line[MEMBERS + 1] = MEMBERS_LENGTH;
  line[RESULT] = (uint32_t)-11, line[RESULT + 1] = 0xffffffff;
  line[POINTER] = 0x55, line[POINTER + 1] = 0x7f;
  CHECK(prints(line,
               "{\"v\":1,\"kind\":\"call\",\"tid\":7,\"time\":4294967297000,\"call\":\"read\",\"args\":[5],"
               "\"instructionPointer\":\"0x7f00000055\",\"fds\":[],\"result\":-11}\n"));
  line[RESULT] = 1u << 31; /* -2^31 */
  CHECK(prints(line, ",\"result\":-2147483648}\n"));
  line[RESULT] = (1u << 31) - 1;
  CHECK(prints(line, ",\"result\":\"0xffffffff7fffffff\"}\n"));

  /* The largest line that can be: it stays within its promise. */
  line[COUNT] = 6, line[TID] = 0xffffffff, line[TIME] = line[TIME + 1] = 0xffffffff;
  for (int i = POINTER; i < SHAPE; i++) line[i] = 0xfffffff0;
  for (int i = REGISTERS; i < WORDS; i++) line[i] = 0xffffffff;
  const size_t most = LONGEST + SHAPE_LENGTH + MEMBERS_LENGTH;
  CHECK(fits(line, most));
  CHECK(!fits(line, most - 1));

  /* Strings that are not in the texts, also by a sum beyond 2^32. */
  line[SHAPE] = sizeof texts - 1, line[SHAPE + 1] = 0;
  CHECK(fits(line, most));
  line[SHAPE + 1] = 1;
  CHECK(!fits(line, 4096));
  line[SHAPE] = 0xffffffff, line[SHAPE + 1] = 2;
  CHECK(!fits(line, 4096));
  line[SHAPE] = line[SHAPE + 1] = 0;
  line[AFTER] = 2, line[AFTER + 1] = sizeof texts - 2;
  CHECK(!fits(line, 4096));
}
