// SPDX-License-Identifier: MIT
/* The components of a path that the walk takes and puts back, and the last one of a path that an open creates. */
/* Not the old versions of symbols: the sanitizers' functions have none. */
#define OLD_LIBC_H
#define stat_of_descriptor fstat
#include "../../../native/addon/objects/walk.c"

#include "check.h"

static struct failure failure;

/* Takes one component of the path. */
struct taken {
  bool is_taken, is_last, slash, is_too_long;
  char name[NAME_MAX + 1], rest[64];
};

static struct taken take(const char *path) {
  static struct walk walk;
  struct taken taken = {0};
  snprintf(walk.rest, sizeof walk.rest, "%s", path);
  taken.is_taken = next_component(&walk, taken.name, &taken.is_last, &taken.slash, &taken.is_too_long);
  snprintf(taken.rest, sizeof taken.rest, "%.63s", walk.rest);
  return taken;
}

static void takes_components(void) {
  struct taken one = take("//usr///lib/x");
  CHECK(one.is_taken && strcmp(one.name, "usr") == 0 && strcmp(one.rest, "lib/x") == 0);
  CHECK(!one.is_last && one.slash);
  one = take("x");
  CHECK(one.is_taken && strcmp(one.name, "x") == 0 && one.rest[0] == 0 && one.is_last && !one.slash);
  one = take("x//");
  CHECK(one.is_taken && strcmp(one.name, "x") == 0 && one.rest[0] == 0 && one.is_last && one.slash);
  CHECK(!take("").is_taken);
  CHECK(!take("///").is_taken);

  char longest[NAME_MAX + 2];
  memset(longest, 'a', sizeof longest);
  longest[NAME_MAX] = 0;
  one = take(longest);
  CHECK(one.is_taken && !one.is_too_long && strlen(one.name) == NAME_MAX);
  longest[NAME_MAX] = 'a';
  longest[NAME_MAX + 1] = 0;
  one = take(longest);
  CHECK(!one.is_taken && one.is_too_long);
}

static void prepends(void) {
  struct walk *walk = calloc(1, sizeof *walk);
  if (walk == NULL) return;
  walk->failure = &failure;
  CHECK(prepend(walk, "b/c") && strcmp(walk->rest, "b/c") == 0);
  CHECK(prepend(walk, "../a") && strcmp(walk->rest, "../a/b/c") == 0);
  CHECK(prepend(walk, "/") && strcmp(walk->rest, "//../a/b/c") == 0);
  /* A target that just fits, with its slash and the end, and one that does not. */
  for (size_t more = 0; more < 2; more++) {
    strcpy(walk->rest, "x");
    const size_t length = sizeof walk->rest - 3 + more;
    char *text = malloc(length + 1);
    if (text == NULL) break;
    memset(text, 'y', length);
    text[length] = 0;
    failure = (struct failure){0, NO_OBSTACLE};
    CHECK(prepend(walk, text) == (more == 0));
    CHECK(failure.error == (more == 0 ? 0 : ENAMETOOLONG));
    CHECK(strlen(walk->rest) == (more == 0 ? length + 2 : 1));
    free(text);
  }
  free(walk);
}

static bool splits(const char *path, const char *expected_directory, const char *expected_name) {
  char directory[PATH_MAX], name[NAME_MAX + 1];
  return split(path, directory, name, &failure) && strcmp(directory, expected_directory) == 0 &&
         strcmp(name, expected_name) == 0;
}

static void splits_paths(void) {
  CHECK(splits("a", ".", "a"));
  CHECK(splits("/a", "/", "a"));
  CHECK(splits("b//a", "b//", "a"));
  CHECK(splits("/b/../a", "/b/../", "a"));
  char path[NAME_MAX + 3] = "/", directory[PATH_MAX], name[NAME_MAX + 1];
  memset(path + 1, 'a', NAME_MAX);
  CHECK(split(path, directory, name, &failure) && strlen(name) == NAME_MAX);
  path[NAME_MAX + 1] = 'a';
  CHECK(!split(path, directory, name, &failure) && failure.error == ENAMETOOLONG);
}

/* The length without the slashes at the end, or 0 if there is no name before them. */
static size_t length_before_slash(const char *path) {
  size_t length;
  return ends_in_slash(path, &length) ? length : 0;
}

static void finds_slashes(void) {
  CHECK(length_before_slash("a/") == 1);
  CHECK(length_before_slash("/b/a///") == 4);
  CHECK(length_before_slash(".../") == 3);
  CHECK(length_before_slash(".a/") == 2);
  CHECK(length_before_slash("a") == 0);
  CHECK(length_before_slash("/") == 0);
  CHECK(length_before_slash("b/./") == 0);
  CHECK(length_before_slash("b/..//") == 0);
  CHECK(length_before_slash("") == 0);
}

void test_walk(void) {
  takes_components();
  prepends();
  splits_paths();
  finds_slashes();
  CHECK(failure_of(EMFILE).why == NO_DESCRIPTORS && failure_of(ENFILE).why == NO_DESCRIPTORS);
  CHECK(failure_of(ENOMEM).why == NOT_ENOUGH_MEMORY);
  CHECK(failure_of(ENOENT).why == NO_OBSTACLE && failure_of(ENOENT).error == ENOENT);
}
