// SPDX-License-Identifier: MIT
/* Prints the lines of a trace from the words that src/observe/record/held-lines.ts has collected. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../node/node.h"
#include "recording.h"

/* The words of a line. A length follows each offset, a high half each low half. */
enum {
  FLAGS,
  TID,
  TIME,
  POINTER = 4,
  RESULT = 6,
  SHAPE = 8,
  MEMBERS = 10,
  AFTER = 12,
  COUNT = 14,
  REGISTERS = 16,
  WORDS = 28
};
enum { IS_CALL = 1, HAS_RESULT = 4, HAS_POINTER = 8 };

/* Bytes of a line without its strings: six registers, a pointer, a result, a time, a thread and the punctuation. */
enum { LONGEST = 512 };

struct printer {
  const uint32_t *words;
  const unsigned char *texts;
  size_t texts_length;
  unsigned char *next, *end;
};

static void put(struct printer *to, const void *bytes, size_t length) {
  memcpy(to->next, bytes, length);
  to->next += length;
}

#define PUT(to, text) put(to, text, sizeof text - 1)

static void put_number(struct printer *to, uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  put(to, digits + at, sizeof digits - at);
}

/* A value below 2^32 as a number, a larger one as a hexadecimal string, because JSON's numbers are not exact. */
static void put_register(struct printer *to, const uint32_t *halves) {
  if (halves[1] == 0) {
    put_number(to, halves[0]);
    return;
  }
  uint64_t value = (uint64_t)halves[1] << 32 | halves[0];
  char digits[16];
  size_t at = sizeof digits;
  for (; value != 0; value >>= 4) digits[--at] = "0123456789abcdef"[value & 15];
  PUT(to, "\"0x");
  put(to, digits + at, sizeof digits - at);
  PUT(to, "\"");
}

/* Results from -2^31 on, which include all errors, as numbers. */
static void put_result(struct printer *to, const uint32_t *halves) {
  if (halves[1] == UINT32_MAX && halves[0] >= 1u << 31) {
    PUT(to, "-");
    put_number(to, -halves[0]);
  } else put_register(to, halves);
}

static void put_text(struct printer *to, const uint32_t *place) { put(to, to->texts + place[0], place[1]); }

static bool is_within(const struct printer *to, const uint32_t *place) {
  return place[1] == 0 || (place[0] <= to->texts_length && place[1] <= to->texts_length - place[0]);
}

static void put_call(struct printer *to, const uint32_t *line) {
  PUT(to, "{\"v\":1,\"kind\":\"call\",\"tid\":");
  put_number(to, line[TID]);
  PUT(to, ",\"time\":");
  const uint64_t microseconds = (uint64_t)line[TIME + 1] << 32 | line[TIME];
  put_number(to, microseconds);
  if (microseconds != 0) PUT(to, "000");
  put_text(to, line + SHAPE);
  for (uint32_t i = 0; i < line[COUNT] && i < 6; i++) {
    if (i > 0) PUT(to, ",");
    put_register(to, line + REGISTERS + 2 * i);
  }
  PUT(to, "]");
  if ((line[FLAGS] & HAS_POINTER) != 0) {
    PUT(to, ",\"instructionPointer\":");
    put_register(to, line + POINTER);
  }
  if (line[MEMBERS + 1] != 0) {
    PUT(to, ",");
    put_text(to, line + MEMBERS);
  }
  if ((line[FLAGS] & HAS_RESULT) != 0) {
    PUT(to, ",\"result\":");
    put_result(to, line + RESULT);
  }
}

/* False if the line does not fit, or a string is missing. */
static bool put_line(struct printer *to, const uint32_t *line) {
  if (!is_within(to, line + SHAPE) || !is_within(to, line + MEMBERS) || !is_within(to, line + AFTER)) return false;
  const size_t most = (size_t)LONGEST + line[SHAPE + 1] + line[MEMBERS + 1] + line[AFTER + 1];
  if (most > (size_t)(to->end - to->next)) return false;
  if ((line[FLAGS] & IS_CALL) != 0) put_call(to, line);
  else put_text(to, line + SHAPE);
  PUT(to, "}\n");
  put_text(to, line + AFTER);
  return true;
}

/*
 * printLines(words, first, end, texts, out, progress): prints the lines from `first` to before `end`, as many as fit.
 * Returns the number of bytes; progress[0] becomes the index of the first line that was not printed.
 */
static napi_value print_lines(napi_env env, napi_callback_info info) {
  napi_value arguments[6];
  size_t count = 6, words_length, out_length, progress_length;
  uint32_t first, end;
  unsigned char *words, *texts, *out, *progress;
  struct printer to = {0};
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 6 ||
      !bytes_of(env, arguments[0], &words, &words_length) ||
      napi_get_value_uint32(env, arguments[1], &first) != napi_ok ||
      napi_get_value_uint32(env, arguments[2], &end) != napi_ok ||
      !bytes_of(env, arguments[3], &texts, &to.texts_length) || !bytes_of(env, arguments[4], &out, &out_length) ||
      !bytes_of(env, arguments[5], &progress, &progress_length) || progress_length < sizeof first || first > end ||
      end > words_length / (WORDS * sizeof(uint32_t)))
    return fail(env, "printLines takes (words, first, end, texts, out, progress)");
  to.texts = texts;
  to.next = out;
  to.end = out + out_length;
  const uint32_t *line = (const uint32_t *)(const void *)words + (size_t)WORDS * first;
  for (; first < end && put_line(&to, line); first++) line += WORDS;
  memcpy(progress, &first, sizeof first);
  return number_of(env, to.next - out);
}

void export_lines(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {.utf8name = "printLines", .method = print_lines, .attributes = napi_enumerable},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
