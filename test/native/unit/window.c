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

/* Our window is in this place. */
static enum window_state surveyed(int window_at, const struct mapping *all, size_t count, int *place) {
  static struct window window = {.device = 5, .inode = 6};
  static struct windows self = {.code_device = 5, .code_inode = 3, .first = &window};
  struct survey seen[PLACES] = {0};
  window.place = window_at;
  for (size_t i = 0; i < count; i++)
    for (int at = 0; at < PLACES; at++)
      if (overlaps(&all[i], at)) survey_place(&self, &seen[at], &all[i], at);
  return choose_place(seen, place);
}

static void has_places(void) {
  CHECK(end_of_place(0) == SECOND_PLACE && end_of_place(PLACES - 1) == WINDOW_END);
  CHECK(place_of(WINDOW_START - 1) < 0 && place_of(WINDOW_END) < 0);
  for (int at = 0; at < PLACES; at++) {
    CHECK(place_of(start_of_place(at)) == at && place_of(end_of_place(at) - 1) == at);
    CHECK(end_of_place(at) - data_of_place(at) <= DATA_SIZE);
  }
  /* A later place has less room. */
  struct window *window = calloc(1, sizeof *window);
  if (window == NULL) return;
  window->place = 1;
  CHECK(take_room(window, LATER_SIZE - CODE_SIZE + 1) == -1);
  CHECK(take_room(window, LATER_SIZE - CODE_SIZE) == 0 && take_room(window, 1) == -1);
  free(window);
}

#define STATE(at, ...)                                                                                                 \
  surveyed(at, (const struct mapping[]){__VA_ARGS__}, sizeof (struct mapping[]){__VA_ARGS__} / sizeof(struct mapping), \
           &place)

static void surveys(void) {
  const struct mapping code = {WINDOW_START, WINDOW_DATA, 0, "r-xs", 0, 5, 3};
  const struct mapping data = {WINDOW_DATA, SECOND_PLACE, 0, "r--s", 0, 5, 6};
  const struct mapping before = {WINDOW_START - 4096, WINDOW_START, 0, "rw-p", 0, 0, 0};
  int place;
  CHECK(STATE(0, before, code, data) == WHOLE && place == 0);
  CHECK(STATE(0, code) == CODE_ONLY && place == 0);
  CHECK(STATE(0, before) == ABSENT && place == 0);

  /* The kernel has split the data. */
  struct mapping first = data, second = data;
  first.end = second.start = WINDOW_DATA + 4096;
  second.offset = 4096;
  CHECK(STATE(0, code, first, second) == WHOLE);
  second.offset = 0;
  CHECK(STATE(0, code, first, second) == ABSENT && place == 1);

  struct mapping writable = code;
  memcpy(writable.permissions, "rwxs", 5);
  CHECK(STATE(0, writable) == ABSENT && place == 1);
  struct mapping across = before;
  across.end = WINDOW_START + 4096;
  CHECK(STATE(0, across) == ABSENT && place == 1);
  CHECK(STATE(0, data) == ABSENT && place == 1); /* without the code before it */
  across.end = SECOND_PLACE + 1;
  CHECK(STATE(0, across) == ABSENT && place == 2);
  across.end = WINDOW_END;
  CHECK(STATE(0, across) == FOREIGN);

  /* In a later place, behind the window of a former supervisor. */
  struct mapping former_code = code, former_data = data, later_code = code, later_data = data;
  former_code.inode = former_data.inode = 9;
  later_code.start = start_of_place(2);
  later_code.end = later_data.start = data_of_place(2);
  later_data.end = end_of_place(2);
  CHECK(STATE(2, former_code, former_data) == ABSENT && place == 1);
  CHECK(STATE(2, former_code, former_data, later_code) == CODE_ONLY && place == 2);
  CHECK(STATE(2, former_code, former_data, later_code, later_data) == WHOLE && place == 2);
  /* The same memory in another place is not the window. */
  CHECK(STATE(3, former_code, former_data, later_code, later_data) == ABSENT && place == 1);
  CHECK(STATE(2, code, data) == ABSENT && place == 1);
}

void test_window(void) {
  gives_room();
  reads_lines();
  reads_mappings();
  has_places();
  surveys();
}
