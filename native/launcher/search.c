// SPDX-License-Identifier: MIT
/* Searches PATH by statx and faccessat. */
#include "search.h"

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/stat.h>

#include "kernel.h"

static const char *in_environment(char **environment, const char *name) {
  size_t length = string_length(name);
  for (; *environment != NULL; environment++)
    if (memcmp(*environment, name, length) == 0 && (*environment)[length] == '=') return *environment + length + 1;
  return NULL;
}

static long check_executable(const char *file) {
  struct statx status;
  long result = CALL(__NR_statx, AT_FDCWD, file, 0, STATX_TYPE, &status);
  if (result < 0) return result;
  if ((status.stx_mode & S_IFMT) == S_IFDIR) return -EISDIR;
  return CALL(__NR_faccessat, AT_FDCWD, file, 1);
}

long find_command(const char *name, char **environment, const char **file) {
  static char path[2 * PATH_MAX];
  size_t length = string_length(name);
  *file = name;
  if (length == 0) return -ENOENT;
  for (const char *c = name; *c != 0; c++)
    if (*c == '/') return check_executable(name);
  if (length >= PATH_MAX) return -ENAMETOOLONG;

  const char *folders = in_environment(environment, "PATH");
  if (folders == NULL) folders = "/bin:/usr/bin";
  long found = -ENOENT;
  for (;;) {
    size_t folder = 0;
    while (folders[folder] != 0 && folders[folder] != ':') folder++;
    if (folder < PATH_MAX) {
      size_t at = folder == 0 ? 1 : folder;
      memcpy(path, folder == 0 ? "." : folders, at);
      path[at] = '/';
      memcpy(path + at + 1, name, length + 1);
      long result = check_executable(path);
      if (result == 0) {
        *file = path;
        return 0;
      }
      /* Skip a directory without search permission; remember a file without execute permission. */
      struct statx status;
      if (result == -EISDIR || (result == -EACCES && CALL(__NR_statx, AT_FDCWD, path, 0, STATX_TYPE, &status) == 0))
        found = -EACCES;
    }
    if (folders[folder] == 0) return found;
    folders += folder + 1;
  }
}
