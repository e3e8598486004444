// SPDX-License-Identifier: MIT
/* Room in a window's data, the lines of /proc/PID/maps in pieces of any size, and what stands in the window's range. */
/* Not the old versions of symbols: the sanitizers' functions have none. */
#define OLD_LIBC_H
#define stat_of_descriptor fstat
#include "../../../native/addon/pin/window.c"

#include "check.h"

static void gives_room(void) {
  struct window *window = calloc(1, sizeof *window);
  if (window == NULL) return;
  CHECK(take_room(window, 0) == 0);
  CHECK(take_room(window, GRANULE) == GRANULE);
  CHECK(take_room(window, GRANULE + 1) == 2 * GRANULE);
  CHECK(take_room(window, 1) == 4 * GRANULE);
  CHECK(window->taken_pins == 4);
  /* A gap that is too small is passed over, and used by a smaller one. */
  give_room(window, GRANULE, GRANULE);
  CHECK(take_room(window, 2 * GRANULE) == 5 * GRANULE);
  CHECK(take_room(window, GRANULE) == GRANULE);
  CHECK(take_room(window, DATA_SIZE) == -1);
  CHECK(take_room(window, (size_t)DATA_SIZE + 1) == -1);
  CHECK(take_room(window, DATA_SIZE - 7 * GRANULE) == 7 * GRANULE);
  CHECK(take_room(window, 0) == -1);
  give_room(window, 0, 0);
  CHECK(take_room(window, 1) == 0);
  CHECK(window->taken_pins == 6);
  free(window);
}

static void reads_lines(void) {
  static const char short_line[] = "1000-2000 r-xs 00003000 fe:01 77 /a b";
  char name[12000];
  memset(name, 'x', sizeof name);
  int ends[2];
  for (size_t piece = 1; piece <= 4096; piece = piece * 3 + 1) {
    if (pipe(ends) != 0) return;
    dprintf(ends[1], "%s\n3000-4000 rw-p 00000000 00:00 0 %.*s\n%s\n", short_line, (int)sizeof name, name, short_line);
    close(ends[1]);
    struct lines *from = calloc(1, sizeof *from);
    if (from == NULL) return;
    from->descriptor = ends[0];
    from->piece = piece;
    const char *line = next_line(from);
    CHECK(line != NULL && strcmp(line, short_line) == 0);
    line = next_line(from);
    struct mapping mapping;
    CHECK(line != NULL && is_mapping(line, &mapping) && mapping.start == 0x3000);
    line = next_line(from);
    CHECK(line != NULL && strcmp(line, short_line) == 0);
    CHECK(next_line(from) == NULL);
    free(from);
    close(ends[0]);
  }
}

static void reads_mappings(void) {
  struct mapping one;
  CHECK(is_mapping("7f0000000000-7f0000001000 r--s 0000f000 fe:1f 123456789 /memfd:x (deleted)", &one));
  CHECK(one.start == 0x7f0000000000 && one.end == 0x7f0000001000 && one.offset == 0xf000 && one.inode == 123456789);
  CHECK(is_of(&one, makedev(0xfe, 0x1f), 123456789, "r--s", 0xf000));
  CHECK(!is_of(&one, makedev(0xfe, 0x1f), 123456789, "r--p", 0xf000));
  CHECK(!is_of(&one, makedev(0xfe, 0x1e), 123456789, "r--s", 0xf000));
  CHECK(!is_of(&one, makedev(0xfe, 0x1f), 123456789, "r--s", 0));
  CHECK(!is_mapping("7f0000000000-7f0000001000 r--s", &one));
}

/* A window whose data begin at `at`, in the range that starts at WINDOW_START. */
static struct survey surveyed(const struct mapping *all, size_t count) {
  static struct window window = {.device = 5, .inode = 6};
  static struct windows self = {.code_device = 5, .code_inode = 3, .first = &window};
  struct survey seen = {.reached = WINDOW_START};
  for (size_t i = 0; i < count; i++) survey_mapping(&self, &seen, &all[i]);
  return seen;
}

static void surveys(void) {
  const struct mapping code = {WINDOW_START, WINDOW_DATA, 0, "r-xs", 0, 5, 3};
  const struct mapping data = {WINDOW_DATA, WINDOW_END, 0, "r--s", 0, 5, 6};
  const struct mapping before = {WINDOW_START - 4096, WINDOW_START, 0, "rw-p", 0, 0, 0};
  struct survey seen = surveyed((const struct mapping[]){before, code, data}, 3);
  CHECK(!seen.is_foreign && seen.window != NULL && seen.reached == WINDOW_END);

  seen = surveyed(&code, 1);
  CHECK(!seen.is_foreign && seen.window == NULL && seen.reached == WINDOW_DATA);

  /* The kernel has split the data. */
  struct mapping first = data, second = data;
  first.end = second.start = WINDOW_DATA + 4096;
  second.offset = 4096;
  seen = surveyed((const struct mapping[]){code, first, second}, 3);
  CHECK(!seen.is_foreign && seen.window != NULL);
  second.offset = 0;
  CHECK(surveyed((const struct mapping[]){code, first, second}, 3).is_foreign);

  struct mapping writable = code;
  memcpy(writable.permissions, "rwxs", 5);
  CHECK(surveyed(&writable, 1).is_foreign);
  struct mapping across = before;
  across.end = WINDOW_START + 4096;
  CHECK(surveyed(&across, 1).is_foreign);
  CHECK(surveyed(&data, 1).is_foreign); /* without the code before it */
}

void test_window(void) {
  gives_room();
  reads_lines();
  reads_mappings();
  surveys();
}
