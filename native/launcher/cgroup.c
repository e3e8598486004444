// SPDX-License-Identifier: MIT
/* Finds this process's cgroup by /proc/self/mountinfo, and creates, fills, kills and removes one below it. */
#include "cgroup.h"

#include <linux/fcntl.h>
#include <linux/limits.h>

#include "kernel.h"

enum { BUFFER = 1 << 20, DIRECTORY_MODE = 0755 };

static long read_text(const char *path, char *text, size_t size) {
  long file = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return file;
  size_t length = 0;
  for (;;) {
    long count = CALL(__NR_read, file, text + length, size - 1 - length);
    if (count == -EINTR) continue;
    if (count <= 0) break;
    length += (size_t)count;
  }
  CALL(__NR_close, file);
  text[length] = 0;
  return (long)length;
}

/* The next line, or NULL. */
static char *next_line(char *line) {
  while (*line != 0 && *line != '\n') line++;
  return *line == 0 || line[1] == 0 ? NULL : line + 1;
}

/* Ends the line with a NUL. */
static void cut_line(char *line) {
  while (*line != 0 && *line != '\n') line++;
  *line = 0;
}

/* The field after this number of spaces, or the end of the line. */
static char *field(char *line, int spaces) {
  while (*line != 0 && *line != '\n' && spaces > 0) spaces -= *line++ == ' ';
  return line;
}

static size_t field_length(const char *text) {
  size_t length = 0;
  while (text[length] != 0 && text[length] != ' ' && text[length] != '\n') length++;
  return length;
}

/* mountinfo writes spaces, tabs, newlines and backslashes as \ooo (fs/proc_namespace.c, mangle). */
static size_t unescape(char *to, const char *from, size_t length, size_t size) {
  size_t at = 0;
  for (size_t i = 0; i < length && at + 1 < size; i++) {
    if (from[i] == '\\' && i + 3 < length) {
      to[at++] = (char)((from[i + 1] - '0') << 6 | (from[i + 2] - '0') << 3 | (from[i + 3] - '0'));
      i += 3;
    } else {
      to[at++] = from[i];
    }
  }
  to[at] = 0;
  return at;
}

/* Opens the directory of this process's cgroup. Returns the descriptor, or a negative errno. */
static long open_current(char *buffer) {
  static char current[PATH_MAX], path[2 * PATH_MAX], root[PATH_MAX];
  long result = read_text("/proc/self/cgroup", buffer, BUFFER);
  if (result < 0) return result;
  char *line = buffer;
  while (line != NULL && !starts_with(line, "0::", 3)) line = next_line(line);
  if (line == NULL) return -ENOENT;
  cut_line(line);
  size_t current_length = string_length(line + 3);
  if (current_length >= sizeof current) return -ENAMETOOLONG;
  memcpy(current, line + 3, current_length + 1);

  result = read_text("/proc/self/mountinfo", buffer, BUFFER);
  if (result < 0) return result;
  for (line = buffer; line != NULL; line = next_line(line)) {
    /* 36 35 98:0 /root /mount/point options optional… - type source options */
    char *type = field(line, 6);
    while (*type != 0 && *type != '\n' && !starts_with(type, "- ", 2)) type = field(type, 1);
    if (!starts_with(type, "- cgroup2 ", 10)) continue;
    const char *root_field = field(line, 3), *point = field(line, 4);
    size_t root_length = unescape(root, root_field, field_length(root_field), sizeof root);
    if (root_length == 1) root_length = 0;
    /* Skip a mount of a part of the hierarchy that does not contain this process. */
    if (!starts_with(current, root, root_length)) continue;
    if (current[root_length] != 0 && current[root_length] != '/') continue;
    size_t length = unescape(path, point, field_length(point), PATH_MAX);
    size_t below = current_length - root_length;
    memcpy(path + length, current + root_length, below + 1);
    result = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (result >= 0) return result;
  }
  return result < 0 ? result : -ENOENT;
}

static long write_file(int directory, const char *name, const char *text) {
  long file = CALL(__NR_openat, directory, name, O_WRONLY | O_CLOEXEC, 0);
  if (file < 0) return file;
  long result = CALL(__NR_write, file, text, string_length(text));
  CALL(__NR_close, file);
  return result < 0 ? result : 0;
}

/* "portcullis-" and 16 random digits. */
static long choose_name(char *name) {
  static const char prefix[] = "portcullis-";
  unsigned char random[8];
  if (CALL(__NR_getrandom, random, sizeof random, 0) != sizeof random) return -EAGAIN;
  memcpy(name, prefix, sizeof prefix - 1);
  for (unsigned i = 0; i < 2 * sizeof random; i++)
    name[sizeof prefix - 1 + i] = "0123456789abcdef"[random[i / 2] >> 4 * (i % 2) & 15];
  name[sizeof prefix - 1 + 2 * sizeof random] = 0;
  return 0;
}

long make_cgroup(struct cgroup *cgroup, const char **what) {
  cgroup->parent = cgroup->directory = -1;
  char *buffer = allocate(BUFFER);
  if (buffer == NULL) return -ENOMEM;
  *what = "no mounted cgroup2 hierarchy contains this process";
  long result = open_current(buffer);
  CALL(__NR_munmap, buffer, BUFFER);
  if (result < 0) return result;
  cgroup->parent = (int)result;
  *what = "a cgroup cannot be created below the current one";
  result = choose_name(cgroup->name);
  if (result == 0) result = CALL(__NR_mkdirat, cgroup->parent, cgroup->name, DIRECTORY_MODE);
  if (result < 0) return result;
  result = CALL(__NR_openat, cgroup->parent, cgroup->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (result >= 0) {
    cgroup->directory = (int)result;
    *what = "the kernel has no cgroup.kill (Linux 5.14)";
    result = CALL(__NR_faccessat, cgroup->directory, "cgroup.kill", 2 /* W_OK */);
    if (result == -ENOENT) result = -EOPNOTSUPP;
  }
  if (result < 0) remove_cgroup(cgroup);
  return result < 0 ? result : 0;
}

long enter_cgroup(const struct cgroup *cgroup) { return write_file(cgroup->directory, "cgroup.procs", "0"); }

long kill_cgroup(const struct cgroup *cgroup) { return write_file(cgroup->directory, "cgroup.kill", "1"); }

long remove_cgroup(const struct cgroup *cgroup) {
  return CALL(__NR_unlinkat, cgroup->parent, cgroup->name, AT_REMOVEDIR);
}
