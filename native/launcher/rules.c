// SPDX-License-Identifier: MIT
/* Identifies files, and adds rules for them. */
#include "rules.h"

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/stat.h>

#include "kernel.h"

enum { RULE_PATH_BENEATH = 1 /* LANDLOCK_RULE_PATH_BENEATH */ };

long identify(long file, struct identity *identity, unsigned *type) {
  struct statx status;
  const long result = CALL(__NR_statx, file, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &status);
  if (result < 0) return result;
  *identity = (struct identity){status.stx_dev_major, status.stx_dev_minor, status.stx_ino};
  *type = status.stx_mode & S_IFMT;
  return 0;
}

int is_same(const struct identity *one, const struct identity *other) {
  return one->inode == other->inode && one->major == other->major && one->minor == other->minor;
}

long add_rule_beneath(long ruleset, long file, uint64_t access) {
  struct __attribute__((packed)) {
    uint64_t access;
    int32_t file;
  } rule = {access, (int32_t)file};
  const long result = CALL(__NR_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
  /* The kernel's own files, such as pipes and namespaces: Landlock never restricts them. */
  return result == -EBADFD ? 0 : result;
}

const char *about(const char *before, const char *path, const char *after) {
  static char message[PATH_MAX + 128];
  size_t length = 0;
  for (const char *const *part = (const char *const[]){before, path, after, NULL}; *part != NULL; part++)
    for (const char *c = *part; *c != 0 && length < sizeof message - 1; c++) message[length++] = *c;
  message[length] = 0;
  return message;
}
