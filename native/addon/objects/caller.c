// SPDX-License-Identifier: MIT
/*
 * Compares a caller's rights with our own. We open objects on its behalf with our rights, so a caller that has given up
 * some of them must not get them back from us. Everything is read while the caller waits. Only the caller changes its
 * credentials, so they stay the same meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "objects.h"

enum { STATUS_BYTES = 1 << 16, PATH_BYTES = 64 };

/* For devices and files of /proc all of them must be ours, for other objects the first two. */
static const char *const namespace_names[NAMESPACES] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
enum { USER = 0, MOUNT = 1 };

/* Each security module has its own file. */
static const char *const label_names[LABELS] = {
    [FIRST_MODULE] = "attr/current",
    [APPARMOR] = "attr/apparmor/current",
    [SMACK] = "attr/smack/current",
};

ssize_t read_text(int directory, const char *path, char *into, size_t size) {
  int file = openat(directory, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -errno;
  /* The kernel generates each of these files in one piece (fs/seq_file.c, single_open()), so one read suffices. */
  ssize_t length = read(file, into, size);
  int error = errno;
  close(file);
  if (length < 0) return -error;
  if ((size_t)length == size) return -E2BIG;
  into[length] = 0;
  return length;
}

/* The requested attributes never change, so the kernel need not ask a file server. */
static bool identify_at(int directory, const char *path, struct identity *identity) {
  const int flags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  enum { MOUNT_ID = 0x1000 /* STATX_MNT_ID */, LASTING_MOUNT_ID = 0x4000 /* STATX_MNT_ID_UNIQUE */ };
  struct statx found;
  if (statx(directory, path, flags, STATX_BASIC_STATS | MOUNT_ID | LASTING_MOUNT_ID, &found) != 0) return false;
  *identity = (struct identity){
      .device = makedev(found.stx_dev_major, found.stx_dev_minor),
      .inode = found.stx_ino,
      .mount = found.stx_mnt_id,
      .has_lasting_mount = (found.stx_mask & LASTING_MOUNT_ID) != 0,
      .mode = found.stx_mode,
      .special = makedev(found.stx_rdev_major, found.stx_rdev_minor),
  };
  return true;
}

bool identify(int descriptor, struct identity *identity) { return identify_at(descriptor, "", identity); }

bool is_same(const struct identity *a, const struct identity *b) {
  return a->device == b->device && a->inode == b->inode;
}

/* The line behind "NAME:\t", up to its end. */
static const char *line_of(const char *status, const char *name, size_t *length) {
  const size_t size = strlen(name);
  for (const char *at = status; at != NULL && *at != 0; at = strchr(at, '\n')) {
    if (*at == '\n') at++;
    if (strncmp(at, name, size) != 0 || at[size] != ':') continue;
    at += size + 1;
    *length = strcspn(at, "\n");
    return at;
  }
  return NULL;
}

static const char *const compared[] = {"Uid", "Gid", "Groups", "CapPrm", "CapEff"};

/* False if a line is missing, or if the lines are too long. */
static bool credentials_of(const char *status, char into[CREDENTIAL_BYTES]) {
  size_t at = 0;
  for (size_t i = 0; i < sizeof compared / sizeof *compared; i++) {
    size_t length;
    const char *line = line_of(status, compared[i], &length);
    if (line == NULL || at + length + 2 > CREDENTIAL_BYTES) return false;
    memcpy(into + at, line, length);
    into[at + length] = '\n';
    at += length + 1;
  }
  into[at] = 0;
  return true;
}

static long number_in(const char *status, const char *name, int base) {
  size_t length;
  const char *line = line_of(status, name, &length);
  return line == NULL ? -1 : strtol(line, NULL, base);
}

/* The target of a link to a namespace; empty if it cannot be read. */
static bool link_of(int proc, const char *task, const char *name, char into[LINK_BYTES]) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/ns/%s", task, name);
  ssize_t length = readlinkat(proc, path, into, LINK_BYTES - 1);
  into[length < 0 ? 0 : length] = 0;
  return length >= 0 || errno == ENOENT; /* "time" exists since Linux 5.6, and a kernel can lack any of them */
}

static ssize_t text_of(int proc, const char *task, const char *name, char into[TEXT_BYTES]) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", task, name);
  ssize_t length = read_text(proc, path, into, TEXT_BYTES);
  if (length < 0) snprintf(into, TEXT_BYTES, "%s", length == -E2BIG ? "too long" : "");
  return length;
}

static unsigned setting(int proc, const char *path) {
  char text[16];
  return read_text(proc, path, text, sizeof text) > 0 ? (unsigned)strtoul(text, NULL, 10) : 0;
}

/* fs/open.c, access_override_creds(): root has its permitted capabilities as effective ones, others have none. */
static bool is_real(const char *status) {
  size_t length;
  const char *users = line_of(status, "Uid", &length), *groups = line_of(status, "Gid", &length);
  const char *permitted = line_of(status, "CapPrm", &length), *effective = line_of(status, "CapEff", &length);
  unsigned user, effective_user, group, effective_group;
  if (users == NULL || groups == NULL || permitted == NULL || effective == NULL) return false;
  if (sscanf(users, "%u %*u %*u %u", &user, &effective_user) != 2) return false;
  if (sscanf(groups, "%u %*u %*u %u", &group, &effective_group) != 2) return false;
  if (user != effective_user || group != effective_group) return false;
  const unsigned long long has = strtoull(effective, NULL, 16);
  return user == 0 ? has == strtoull(permitted, NULL, 16) : has == 0;
}

/* From include/uapi/linux/magic.h, and the numbers of XFS and ZFS. Not overlayfs: a layer can be on a file server. */
bool never_waits(const struct statfs *system) {
  static const unsigned long types[] = {EXT4_SUPER_MAGIC, 0x58465342 /* XFS */, BTRFS_SUPER_MAGIC,
                                        TMPFS_MAGIC,      F2FS_SUPER_MAGIC,     0x2fc12fc1 /* ZFS */};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if ((unsigned long)system->f_type == types[i]) return true;
  return false;
}

static int open_self(struct self *ours) {
  struct statfs system;
  char *status = malloc(STATUS_BYTES);
  if (status == NULL) return -ENOMEM;
  ssize_t length = -EIO;
  ours->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (ours->proc >= 0 && fstatfs(ours->proc, &system) == 0 && system.f_type == PROC_SUPER_MAGIC &&
      identify(ours->proc, &ours->proc_root)) {
    ours->descriptors = openat(ours->proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    ours->tasks = openat(ours->proc, "self/task", O_PATH | O_DIRECTORY | O_CLOEXEC);
    length = read_text(ours->proc, "thread-self/status", status, STATUS_BYTES);
  }
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int result = length < 0                                             ? (int)length
               : ours->descriptors < 0 || ours->tasks < 0 || root < 0 ? -EMFILE
               : !identify(root, &ours->root)                         ? -errno
               : !credentials_of(status, ours->credentials)           ? -E2BIG
                                                                      : 0;
  if (result == 0) ours->umask = (mode_t)number_in(status, "Umask", 8);
  if (result == 0) ours->is_real = is_real(status);
  ours->has_local_root = result == 0 && fstatfs(root, &system) == 0 && never_waits(&system);
  if (root >= 0) close(root);
  free(status);
  return result;
}

int know_self(struct self *ours) {
  *ours = (struct self){.proc = -1, .descriptors = -1, .tasks = -1};
  int result = open_self(ours);
  if (result < 0) {
    forget_self(ours);
    return result;
  }
  for (int i = 0; i < NAMESPACES; i++) link_of(ours->proc, "thread-self", namespace_names[i], ours->namespaces[i]);
  for (int i = 0; i < LABELS; i++) {
    ssize_t length = text_of(ours->proc, "thread-self", label_names[i], ours->labels[i]);
    /* No security module of this kernel has labels in this file, and none can be loaded later. */
    ours->has_label[i] = length != -ENOENT && length != -EINVAL;
  }
  text_of(ours->proc, "thread-self", "cgroup", ours->cgroup);
  ours->protects_links = setting(ours->proc, "sys/fs/protected_symlinks");
  ours->protects_files = setting(ours->proc, "sys/fs/protected_regular");
  ours->protects_fifos = setting(ours->proc, "sys/fs/protected_fifos");
  return 0;
}

void forget_self(struct self *ours) {
  if (ours->proc >= 0) close(ours->proc);
  if (ours->descriptors >= 0) close(ours->descriptors);
  if (ours->tasks >= 0) close(ours->tasks);
}

static bool refuse(struct failure *failure, enum obstacle why) {
  *failure = (struct failure){EACCES, why};
  return false;
}

static bool has_namespace(const struct self *ours, const char *task, int index, bool *is_read) {
  char text[LINK_BYTES];
  *is_read = link_of(ours->proc, task, namespace_names[index], text);
  return strcmp(text, ours->namespaces[index]) == 0;
}

bool has_label(const struct self *ours) {
  for (int i = 0; i < LABELS; i++)
    if (ours->has_label[i]) return true;
  return false;
}

bool has_our_labels(const struct self *ours, pid_t tid) {
  char task[24], label[TEXT_BYTES];
  snprintf(task, sizeof task, "%d", tid);
  for (int i = 0; i < LABELS; i++) {
    if (!ours->has_label[i]) continue;
    text_of(ours->proc, task, label_names[i], label);
    if (label[0] == 0 || strcmp(label, ours->labels[i]) != 0 || strcmp(label, "too long") == 0) return false;
  }
  return true;
}

static bool compare(const struct self *ours, struct caller *caller, char *status, struct failure *failure) {
  char task[24], path[PATH_BYTES], credentials[CREDENTIAL_BYTES];
  snprintf(task, sizeof task, "%d", caller->tid);
  snprintf(path, sizeof path, "%s/status", task);
  if (read_text(ours->proc, path, status, STATUS_BYTES) < 0) return refuse(failure, UNREADABLE_CALLER);
  if (!credentials_of(status, credentials) || strcmp(credentials, ours->credentials) != 0)
    return refuse(failure, OTHER_CREDENTIALS);
  bool is_read;
  if (!has_namespace(ours, task, USER, &is_read))
    return refuse(failure, is_read ? OTHER_USER_NAMESPACE : UNREADABLE_CALLER);
  if (!has_namespace(ours, task, MOUNT, &is_read)) return refuse(failure, is_read ? OTHER_MOUNTS : UNREADABLE_CALLER);
  struct identity root;
  snprintf(path, sizeof path, "%s/root", task);
  if (!identify_at(ours->proc, path, &root)) return refuse(failure, UNREADABLE_CALLER);
  if (!is_same(&root, &ours->root) || root.mount != ours->root.mount) return refuse(failure, OTHER_ROOT);
  if (!has_our_labels(ours, caller->tid)) return refuse(failure, OTHER_LABEL);
  size_t length;
  const char *users = line_of(status, "Uid", &length);
  unsigned user = 0;
  if (users == NULL || sscanf(users, "%*u %*u %*u %u", &user) != 1) return refuse(failure, UNREADABLE_CALLER);
  long mask = number_in(status, "Umask", 8), process = number_in(status, "Tgid", 10);
  if (mask < 0 || process <= 0) return refuse(failure, UNREADABLE_CALLER);
  caller->user = user;
  caller->umask = (mode_t)mask;
  caller->process = (pid_t)process;
  return true;
}

bool know_caller(const struct self *ours, pid_t tid, struct caller *caller, struct failure *failure) {
  char status[STATUS_BYTES];
  *caller = (struct caller){.tid = tid};
  return compare(ours, caller, status, failure);
}

static bool sees_all_users(const struct self *ours) {
  static const char *const maps[] = {"self/uid_map", "self/gid_map"};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
    char text[TEXT_BYTES];
    unsigned inside, outside, count;
    if (read_text(ours->proc, maps[i], text, sizeof text) < 0 ||
        sscanf(text, "%u %u %u", &inside, &outside, &count) != 3 || inside != 0 || outside != 0 || count != UINT32_MAX)
      return false;
  }
  return true;
}

static bool groups_of(const char *status, struct rights *rights) {
  size_t length;
  const char *line = line_of(status, "Groups", &length);
  if (line == NULL) return false;
  const char *const end = line + length;
  while (line < end) {
    char *next;
    const unsigned long group = strtoul(line, &next, 10);
    if (next == line || next > end) break;
    if (rights->count == MOST_GROUPS) return false;
    rights->groups[rights->count++] = (unsigned)group;
    line = next;
  }
  return true;
}

static bool other_rights(const char *status, struct rights *rights) {
  size_t length;
  const char *users = line_of(status, "Uid", &length), *groups = line_of(status, "Gid", &length),
             *effective = line_of(status, "CapEff", &length);
  if (users == NULL || groups == NULL || effective == NULL) return false;
  rights->capabilities = strtoull(effective, NULL, 16);
  return sscanf(users, "%*u %u %*u %u", &rights->user, &rights->file_user) == 2 &&
         sscanf(groups, "%*u %u %*u %u", &rights->group, &rights->file_group) == 2 && groups_of(status, rights);
}

bool know_other(const struct self *ours, pid_t tid, struct caller *caller, struct rights *rights,
                struct failure *failure) {
  char task[24], path[PATH_BYTES], status[STATUS_BYTES];
  bool is_read;
  *caller = (struct caller){.tid = tid};
  *rights = (struct rights){.root = -1};
  snprintf(task, sizeof task, "%d", tid);
  snprintf(path, sizeof path, "%s/status", task);
  if (read_text(ours->proc, path, status, sizeof status) < 0) return refuse(failure, UNREADABLE_CALLER);
  const long mask = number_in(status, "Umask", 8), process = number_in(status, "Tgid", 10);
  if (mask < 0 || process <= 0) return refuse(failure, UNREADABLE_CALLER);
  if (!other_rights(status, rights)) return refuse(failure, OTHER_CREDENTIALS);
  /* In another than the first namespace, all users that it lacks have one number. */
  if (!sees_all_users(ours)) return refuse(failure, OTHER_USER_NAMESPACE);
  /* Capabilities of another user namespace have no effect in ours. */
  rights->is_of_other_namespace = !has_namespace(ours, task, USER, &is_read);
  if (!is_read) return refuse(failure, UNREADABLE_CALLER);
  rights->effective = rights->is_of_other_namespace ? 0 : rights->capabilities;
  if (!has_our_labels(ours, tid)) return refuse(failure, OTHER_LABEL);
  caller->user = rights->file_user;
  caller->umask = (mode_t)mask;
  caller->process = (pid_t)process;
  snprintf(path, sizeof path, "%s/root", task);
  rights->root = openat(ours->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return rights->root >= 0 || refuse(failure, errno == EMFILE || errno == ENFILE ? NO_DESCRIPTORS : UNREADABLE_CALLER);
}

/* A decimal number of the thread's status, or −1. */
static long number_of_status(const struct self *ours, pid_t tid, const char *name) {
  char path[PATH_BYTES], status[STATUS_BYTES];
  snprintf(path, sizeof path, "%d/status", tid);
  return read_text(ours->proc, path, status, sizeof status) < 0 ? -1 : number_in(status, name, 10);
}

pid_t parent_process(const struct self *ours, pid_t tid) { return (pid_t)number_of_status(ours, tid, "PPid"); }

bool has_free_descriptor(const struct self *ours, pid_t tid) {
  char path[PATH_BYTES];
  struct statx found;
  struct rlimit limit;
  snprintf(path, sizeof path, "%d/fd", tid);
  if (syscall(SYS_prlimit64, tid, RLIMIT_NOFILE, NULL, &limit) != 0) return false;
  if (statx(ours->proc, path, AT_NO_AUTOMOUNT, STATX_SIZE, &found) != 0) return false;
  /* Since Linux 6.2 the size is the number of descriptors. The size of the table is never less than that. */
  const long count = found.stx_size > 0 ? (long)found.stx_size : number_of_status(ours, tid, "FDSize");
  return count >= 0 && (rlim_t)count < limit.rlim_cur;
}

bool has_own_namespaces(const struct self *ours, pid_t tid) {
  char task[24];
  bool is_read;
  snprintf(task, sizeof task, "%d", tid);
  for (int i = 0; i < NAMESPACES; i++)
    if (!has_namespace(ours, task, i, &is_read)) return false;
  return true;
}

bool has_own_cgroup(const struct self *ours, pid_t tid) {
  char task[24], cgroup[TEXT_BYTES];
  snprintf(task, sizeof task, "%d", tid);
  text_of(ours->proc, task, "cgroup", cgroup);
  return strcmp(cgroup, ours->cgroup) == 0 && strcmp(cgroup, "too long") != 0;
}

/* Session and terminal are fields 6 and 7 of /proc/TID/stat. Field 2, the program's name, can contain any character. */
static bool terminal_of(int proc, const char *task, int *session, int *terminal) {
  char path[PATH_BYTES], text[TEXT_BYTES];
  snprintf(path, sizeof path, "%s/stat", task);
  if (read_text(proc, path, text, sizeof text) < 0) return false;
  const char *rest = strrchr(text, ')');
  return rest != NULL && sscanf(rest + 1, " %*c %*d %*d %d %d", session, terminal) == 2;
}

int shares_terminal(const struct self *ours, pid_t tid) {
  char task[24];
  int own_session, own_terminal, session, terminal;
  snprintf(task, sizeof task, "%d", tid);
  if (!terminal_of(ours->proc, task, &session, &terminal)) return -1;
  if (terminal == 0) return 0;
  if (!terminal_of(ours->proc, "thread-self", &own_session, &own_terminal)) return -1;
  return own_terminal == terminal && own_session == session ? 1 : -1;
}

static unsigned long long mask_in(const char *status, const char *name) {
  size_t length;
  const char *line = line_of(status, name, &length);
  return line == NULL ? 0 : strtoull(line, NULL, 16);
}

bool has_signal(const struct self *ours, pid_t tid) {
  char path[PATH_BYTES], *status = malloc(STATUS_BYTES);
  if (status == NULL) return false;
  snprintf(path, sizeof path, "%d/status", tid);
  bool has = false;
  if (read_text(ours->proc, path, status, STATUS_BYTES) > 0) {
    unsigned long long waiting = mask_in(status, "SigPnd");
    /* Another thread may take a signal that is pending for the process. */
    if (number_in(status, "Threads", 10) == 1) waiting |= mask_in(status, "ShdPnd");
    has = (waiting & ~mask_in(status, "SigBlk")) != 0;
  }
  free(status);
  return has;
}
