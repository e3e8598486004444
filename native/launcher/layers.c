// SPDX-License-Identifier: MIT
/* Makes and enters the Landlock domains of a policy's layers. */
#include "layers.h"

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/prctl.h>
#include <linux/stat.h>

#include "kernel.h"
#include "listing.h"
#include "print.h"
#include "rules.h"

/* include/uapi/linux/landlock.h */
enum { RULE_NET_PORT = 2, ASK_VERSION = 1, LOG_NEW_EXEC_ON = 1 << 1, LOGS_VERSION = 7 };
/* LANDLOCK_ACCESS_FS_…; OF_FILES: rights that a rule can grant to a file that is no directory. */
enum { WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, TRUNCATE = 1 << 14, IOCTL_DEV = 1 << 15 };
enum { OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV | RESOLVE_UNIX };
enum { MAX_IDENTITIES = 4096, MAX_DEPTH = 48 };

/* The rights that the first Landlock (Linux 5.13) lacks, in the order of src/abi/landlock.ts. */
static const struct {
  enum { FILES, PORTS, SCOPE } of;
  uint32_t rights;
  int version;
  const char *missing;
} younger[] = {
    {FILES, REFER, 2, "cannot restrict moves of files (refer), which needs Linux 5.19"},
    {FILES, TRUNCATE, 3, "cannot restrict truncate, which needs Linux 6.2"},
    {FILES, IOCTL_DEV, 5, "cannot restrict ioctl, which needs Linux 6.10"},
    {FILES, RESOLVE_UNIX, 9, "cannot restrict connections to Unix sockets, which needs Linux 7.1"},
    {PORTS, 1 << 0 | 1 << 1, 4, "cannot restrict TCP ports, which needs Linux 6.7"},
    {PORTS, 1 << 2 | 1 << 3, 10, "cannot restrict UDP ports, which needs Linux 7.2"},
    {SCOPE, 1 << 0, 6, "cannot restrict abstract Unix sockets, which needs Linux 6.12"},
    {SCOPE, 1 << 1, 6, "cannot restrict signals, which needs Linux 6.12"},
};

/* ── Exceptions ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The files of one layer's exceptions, and the directories above them. Without an exception there is no memory for them, because
   a caller can have a small limit of data. */
static struct identities {
  int count;
  struct identity *each;
} excluded, way;

static int contains(const struct identities *identities, const struct identity *identity) {
  for (int i = 0; i < identities->count; i++)
    if (is_same(&identities->each[i], identity)) return 1;
  return 0;
}

static long add(struct identities *identities, const struct identity *identity) {
  if (contains(identities, identity)) return 0;
  if (identities->count == MAX_IDENTITIES) return -ENOSPC;
  if (identities->each == NULL) identities->each = allocate(MAX_IDENTITIES * sizeof *identities->each);
  if (identities->each == NULL) return -ENOMEM;
  identities->each[identities->count++] = *identity;
  return 0;
}

static long open_path(const char *path, long flags) {
  return CALL(__NR_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC | flags, 0);
}

/* Whether `above` is the directory itself: then that is the root. A directory that is mounted on its own entry is in another mount. */
static long is_root(long directory, long above) {
  struct statx one, other;
  const unsigned flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC, mask = STATX_INO | STATX_MNT_ID;
  long result = CALL(__NR_statx, directory, "", flags, mask, &one);
  if (result == 0) result = CALL(__NR_statx, above, "", flags, mask, &other);
  if (result < 0) return result;
  return one.stx_ino == other.stx_ino && one.stx_dev_major == other.stx_dev_major &&
         one.stx_dev_minor == other.stx_dev_minor && one.stx_mnt_id == other.stx_mnt_id;
}

/* Adds a directory and those above it to the way. Closes the directory. */
static long add_way(long directory) {
  for (int depth = 0; depth < PATH_MAX; depth++) {
    struct identity identity;
    unsigned mode;
    long result = identify(directory, &identity, &mode);
    if (result == 0) result = add(&way, &identity);
    const long above = result < 0 ? result : CALL(__NR_openat, directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    const long ends = above < 0 ? above : is_root(directory, above);
    CALL(__NR_close, directory);
    if (ends != 0) {
      if (above >= 0) CALL(__NR_close, above);
      return ends < 0 ? ends : 0;
    }
    directory = above;
  }
  CALL(__NR_close, directory);
  return -ELOOP;
}

/* Removes the last component; the path is absolute. */
static void cut(char *path) {
  size_t length = string_length(path);
  while (length > 1 && path[length - 1] != '/') length--;
  while (length > 1 && path[length - 1] == '/') length--;
  path[length] = 0;
}

/* The directory of an open file that is no directory, links followed. */
static long open_directory_of(long file) {
  static const char before[] = "/proc/self/fd/";
  char path[PATH_MAX], link[sizeof before + 20], digits[20], *digit = digits + sizeof digits;
  *--digit = 0;
  do *--digit = (char)('0' + file % 10);
  while ((file /= 10) > 0);
  memcpy(link, before, sizeof before);
  memcpy(link + sizeof before - 1, digit, (size_t)(digits + sizeof digits - digit));
  const long length = CALL(__NR_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (length < 0) return length;
  path[length] = 0;
  if (path[0] != '/') return -ENOENT;
  cut(path);
  return open_path(path, O_DIRECTORY);
}

/* An exception may be missing: then no entry of this name is permitted, because its directory is on the way. */
static long add_exception(const char *path) {
  char existing[PATH_MAX];
  struct identity identity;
  unsigned mode;
  long file = open_path(path, 0);
  if (file < 0) {
    memcpy(existing, path, string_length(path) + 1);
    while (file == -ENOENT || file == -ENOTDIR) {
      if (existing[1] == 0) return file;
      cut(existing);
      file = open_path(existing, O_DIRECTORY);
    }
    return file < 0 ? file : add_way(file);
  }
  long result = identify(file, &identity, &mode);
  if (result == 0) result = add(&excluded, &identity);
  long directory = result < 0        ? result
                   : mode == S_IFDIR ? CALL(__NR_openat, file, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0)
                                     : open_directory_of(file);
  CALL(__NR_close, file);
  return directory < 0 ? directory : add_way(directory);
}

/* ── Rules ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static long grant(long ruleset, long file, uint64_t access, unsigned mode) {
  if (mode != S_IFDIR) access &= OF_FILES;
  return access == 0 ? 0 : add_rule_beneath(ruleset, file, access);
}

static long grant_entries(long ruleset, long directory, uint64_t access, int depth);

/* Closes the file. */
static long grant_entry(long ruleset, long file, uint64_t access, int depth) {
  struct identity identity;
  unsigned mode;
  long result = identify(file, &identity, &mode);
  if (result == 0 && mode != S_IFLNK && !contains(&excluded, &identity))
    result = mode == S_IFDIR && contains(&way, &identity) ? grant_entries(ruleset, file, access, depth + 1)
                                                          : grant(ruleset, file, access, mode);
  CALL(__NR_close, file);
  return result;
}

/* The entries of a directory on the way to an exception. `path_only` was opened with O_PATH. */
static long grant_entries(long ruleset, long path_only, uint64_t access, int depth) {
  struct listing listing;
  if (depth == MAX_DEPTH) return -ELOOP;
  long directory = CALL(__NR_openat, path_only, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) return directory;
  long result = 0;
  begin_listing(&listing, directory);
  for (const char *entry; result == 0 && (entry = next_name(&listing, &result)) != NULL;) {
    long file = CALL(__NR_openat, directory, entry, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (file == -EMFILE || file == -ENFILE || file == -ENOMEM) result = file;
    /* An entry that has gone, or that the user cannot reach now, gets no rule. */
    if (file >= 0) result = grant_entry(ruleset, file, access, depth);
  }
  CALL(__NR_close, directory);
  return result;
}

static long grant_beneath(long ruleset, const struct layer_rule *rule, uint64_t access, const char **what) {
  const char *path = path_of(rule);
  long file = open_path(path, 0);
  if ((file == -ENOENT || file == -ENOTDIR) && (rule->value & MAY_BE_MISSING) != 0) return 0;
  *what = about(
      "`", path,
      file == -ENOENT ? "`, which the policy lists, does not exist" : "`, which the policy lists, cannot be opened");
  if (file < 0) return file;
  struct identity identity;
  unsigned mode;
  long result = identify(file, &identity, &mode);
  const int expands = result == 0 && mode == S_IFDIR && (rule->value & IS_WHOLE) == 0 && contains(&way, &identity);
  *what = about("the entries of `", path,
                expands ? "` beside an exception cannot be listed and permitted" : "`: Landlock refuses a rule");
  if (result == 0) result = expands ? grant_entries(ruleset, file, access, 0) : grant(ruleset, file, access, mode);
  CALL(__NR_close, file);
  return result;
}

/*
 * The files of the command's standard streams can be opened again by /proc/self/fd, with the rights that the stream has. A
 * directory would be more than that.
 */
static long grant_streams(long ruleset, uint64_t access) {
  for (long stream = 0; stream <= 2; stream++) {
    struct identity identity;
    unsigned mode;
    const long flags = CALL(__NR_fcntl, stream, F_GETFL);
    if (flags < 0 || (flags & O_PATH) != 0 || identify(stream, &identity, &mode) < 0 || mode == S_IFDIR) continue;
    uint64_t rights = IOCTL_DEV;
    if ((flags & O_ACCMODE) != O_WRONLY) rights |= READ_FILE;
    if ((flags & O_ACCMODE) != O_RDONLY) rights |= WRITE_FILE | TRUNCATE;
    long result = grant(ruleset, stream, access & rights, mode);
    if (result < 0) return result;
  }
  return 0;
}

static long grant_port(long ruleset, uint64_t port, uint64_t access) {
  const struct {
    uint64_t access, port;
  } rule = {access, port};
  return CALL(__NR_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0);
}

/* ── Layers ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Removes the rights that this kernel lacks. Returns 0, or without `best_effort` the errno of the first one. */
static long take_known(struct layer_header *rights, int best_effort, const char **what) {
  const long version = CALL(__NR_landlock_create_ruleset, 0, 0, ASK_VERSION);
  *what = "Landlock is missing or off";
  if (version < 1) {
    if (!best_effort) return -EOPNOTSUPP;
    print_best_effort("the policy's files, ports and scopes are not restricted", *what, version);
    *rights = (struct layer_header){0};
    return 0;
  }
  for (unsigned i = 0; i < sizeof younger / sizeof *younger; i++) {
    uint32_t *restricted = younger[i].of == FILES   ? &rights->files
                           : younger[i].of == PORTS ? &rights->ports
                                                    : &rights->scopes;
    if (version >= younger[i].version || (*restricted & younger[i].rights) == 0) continue;
    *what = about("this kernel's Landlock ", younger[i].missing, "");
    if (!best_effort) return -EOPNOTSUPP;
    print_best_effort("a part of the policy's objects is not restricted", *what, -EOPNOTSUPP);
    *restricted &= ~younger[i].rights;
  }
  return 0;
}

static long add_rule(long ruleset, const struct layer_header *rights, const struct layer_rule *rule,
                     const char **what) {
  const uint64_t access = rule->access & (rule->kind == FOR_PORT ? rights->ports : rights->files);
  *what = "Landlock refuses a rule";
  if (access == 0) return 0;
  switch ((enum rule_kind)rule->kind) {
    case BENEATH:
      return grant_beneath(ruleset, rule, access, what);
    case FOR_STREAMS:
      return grant_streams(ruleset, access);
    case FOR_PORT:
      return grant_port(ruleset, rule->value, access);
    case EXCEPT:
    case PROTECT:
    case ABOVE_PROTECTED:
    case PRIVATE:
    case SHOWN:
    case PROCESSES:
    case PRIVATE_SIZE:
      break;
  }
  return 0;
}

/* Makes the ruleset of a layer. Returns it, -ENODATA if it restricts nothing (with `best_effort`: nothing that this kernel can), or a negative errno. */
static long make_layer(const struct layer_header *layer, int best_effort, const char **what) {
  struct layer_header rights = *layer;
  if ((rights.files | rights.ports | rights.scopes) == 0) return -ENODATA;
  long result = take_known(&rights, best_effort, what);
  if (result < 0) return result;
  if ((rights.files | rights.ports | rights.scopes) == 0) return -ENODATA;
  const struct {
    uint64_t files, ports, scopes;
  } attributes = {rights.files, rights.ports, rights.scopes};
  /* A kernel that is older than a field accepts a larger structure if the field is 0. */
  *what = "Landlock makes no ruleset";
  const long ruleset = CALL(__NR_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (ruleset < 0) return ruleset;
  const struct layer_rule *first = first_rule(layer), *end = end_of_rules(layer);
  excluded.count = way.count = 0;
  for (const struct layer_rule *rule = first; result == 0 && rule < end; rule = next_rule(rule)) {
    if (rule->kind != EXCEPT) continue;
    result = add_exception(path_of(rule));
    if (result < 0) *what = about("the exception `", path_of(rule), "` cannot be examined");
  }
  for (const struct layer_rule *rule = first; result == 0 && rule < end; rule = next_rule(rule))
    result = add_rule(ruleset, &rights, rule, what);
  if (result == 0) return ruleset;
  CALL(__NR_close, ruleset);
  return result;
}

long make_layers(struct layers *layers, const unsigned char *bytes, size_t size, int best_effort, const char **what) {
  const struct layer_header *layer = (const struct layer_header *)bytes, *end = (const void *)(bytes + size);
  layers->count = 0;
  for (int position = 0; layer < end; layer = next_layer(layer), position++) {
    const long ruleset = make_layer(layer, best_effort, what);
    if (ruleset == -ENODATA) continue;
    if (ruleset < 0) return ruleset;
    layers->positions[layers->count] = position;
    layers->rulesets[layers->count++] = ruleset;
  }
  return 0;
}

void release_layers(struct layers *layers) {
  for (int i = 0; i < layers->count; i++)
    if (layers->rulesets[i] > 2) CALL(__NR_close, layers->rulesets[i]);
  layers->count = 0;
}

static void set_label(uint32_t label, int position) {
  static const char digits[] = "0123456789abcdef";
  char name[16] = "pcl-........-.";
  for (int i = 0; i < 8; i++) name[4 + i] = digits[label >> (28 - 4 * i) & 15];
  name[13] = digits[position];
  CALL(__NR_prctl, PR_SET_NAME, name, 0, 0, 0);
}

long enter_layers(const struct layers *layers, uint32_t label, const char **what) {
  const long version = layers->count == 0 ? 0 : CALL(__NR_landlock_create_ruleset, 0, 0, ASK_VERSION);
  const long flags = version >= LOGS_VERSION ? LOG_NEW_EXEC_ON : 0;
  for (int i = 0; i < layers->count; i++) {
    if (label != 0 && flags != 0) set_label(label, layers->positions[i]);
    const long result = CALL(__NR_landlock_restrict_self, layers->rulesets[i], flags);
    *what = result == -E2BIG ? "this process is in 16 Landlock domains already" : "Landlock refuses the domain";
    if (result < 0) return result;
  }
  return 0;
}
