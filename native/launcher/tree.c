// SPDX-License-Identifier: MIT
/* Walks /proc/PID/task/TID/children, and falls back to an open file of this thread's children. */
#include "tree.h"

#include <linux/fcntl.h>

#include "kernel.h"
#include "listing.h"

/* Signal 0: none is sent. */
static long counted, most_counted;

/* A frame of the recursion takes less than 4 KiB (TREE_STACK). */
enum { MAX_DEPTH = 48, MAX_EXCLUDED = 4096 };

static size_t add_text(char *to, const char *text) {
  size_t length = string_length(text);
  memcpy(to, text, length);
  return length;
}

static size_t add_number(char *to, long number) {
  char digits[20], *at = digits + sizeof digits;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  memcpy(to, at, (size_t)(digits + sizeof digits - at));
  return (size_t)(digits + sizeof digits - at);
}

/* Opens the directory of a process's threads. */
static long open_threads(long pid) {
  char path[64];
  size_t length = add_text(path, "/proc/");
  length += add_number(path + length, pid);
  length += add_text(path + length, "/task");
  path[length] = 0;
  return CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

/* The parent of a process, or 0: the fourth field of /proc/PID/stat, after a name that may contain any byte. */
static long parent_of(long pid) {
  char path[64], text[512];
  size_t length = add_text(path, "/proc/");
  length += add_number(path + length, pid);
  length += add_text(path + length, "/stat");
  path[length] = 0;
  long file = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return 0;
  long count = CALL(__NR_read, file, text, sizeof text), at = count - 1, parent = 0;
  CALL(__NR_close, file);
  while (at >= 0 && text[at] != ')') at--;
  if (at < 0) return 0;
  for (at += 4; at < count && text[at] >= '0' && text[at] <= '9'; at++) parent = parent * 10 + (text[at] - '0');
  return parent;
}

/* The pidfd prevents reuse of the pid between the check and the signal. */
static void signal_child(long pid, long parent, int signal) {
  long pidfd = CALL(__NR_pidfd_open, pid, 0);
  if (pidfd < 0) return;
  if (parent_of(pid) == parent) CALL(__NR_pidfd_send_signal, pidfd, signal, 0, 0);
  CALL(__NR_close, pidfd);
}

static int excluded[MAX_EXCLUDED], excluded_count, excluded_now;

static int is_excluded(long pid) {
  if (pid == excluded_now) return 1;
  for (int i = 0; i < excluded_count; i++)
    if (excluded[i] == pid) return 1;
  return 0;
}

static void signal_children(long pid, int signal, int depth);

/* /proc/PID/task/TID/children: numbers, each followed by a space. */
static void signal_listed(long pid, long threads, const char *thread, int signal, int depth) {
  char path[64], list[1024];
  size_t length = add_text(path, thread);
  length += add_text(path + length, "/children");
  path[length] = 0;
  long file = CALL(__NR_openat, threads, path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return;
  long child = 0;
  for (;;) {
    long count = CALL(__NR_read, file, list, sizeof list);
    if (count <= 0) break;
    for (long i = 0; i < count; i++) {
      if (list[i] >= '0' && list[i] <= '9') {
        child = child * 10 + (list[i] - '0');
      } else if (child > 0) {
        /* Its descendants first: once it has ended they have another parent. */
        if (!is_excluded(child)) {
          if (depth < MAX_DEPTH) signal_children(child, signal, depth + 1);
          if (signal != 0) signal_child(child, pid, signal);
        }
        child = 0;
      }
    }
  }
  CALL(__NR_close, file);
}

static void signal_children(long pid, int signal, int depth) {
  long threads = open_threads(pid);
  if (threads < 0) return;
  struct listing listing;
  begin_listing(&listing, threads);
  long error;
  for (const char *name; (name = next_name(&listing, &error)) != NULL;) {
    if (name[0] < '0' || name[0] > '9') continue;
    if (depth > 0 && ++counted >= most_counted && signal == 0) break;
    signal_listed(pid, threads, name, signal, depth);
  }
  CALL(__NR_close, threads);
}

long count_tree(long most) {
  counted = 0;
  most_counted = most;
  excluded_now = 0;
  signal_children(CALL(__NR_getpid, 0), 0, 0);
  return counted;
}

static int own_children = -1;

static long open_own_children(void) {
  return CALL(__NR_openat, AT_FDCWD, "/proc/thread-self/children", O_RDONLY | O_CLOEXEC, 0);
}

int prepare_tree(void) {
  own_children = (int)open_own_children();
  return own_children;
}

/* Returns whether it stopped, because `use` returned 0 for a child. */
static int each_own_child(int (*use)(long child)) {
  char list[1024];
  long child = 0;
  for (long from = 0;;) {
    long count = CALL(__NR_pread64, own_children, list, sizeof list, from);
    if (count <= 0) return 0;
    from += count;
    for (long i = 0; i < count; i++) {
      if (list[i] >= '0' && list[i] <= '9') {
        child = child * 10 + (list[i] - '0');
      } else {
        if (child > 0 && !use(child)) return 1;
        child = 0;
      }
    }
  }
}

static int exclude(long child) {
  if (excluded_count == MAX_EXCLUDED) return 0;
  excluded[excluded_count++] = (int)child;
  return 1;
}

void exclude_children(void) {
  long file = open_own_children();
  if (file < 0) return;
  own_children = (int)file;
  each_own_child(exclude);
  CALL(__NR_close, file);
  own_children = -1;
}

void include_again(int pid) {
  for (int i = 0; i < excluded_count; i++)
    if (excluded[i] == pid) excluded[i] = excluded[--excluded_count];
}

int has_other_children(void) { return own_children < 0 || each_own_child(is_excluded); }

/* Our children are not reaped meanwhile, so their pids stay valid. */
static int signal_now;

static int signal_own_child(long child) {
  if (!is_excluded(child)) CALL(__NR_kill, child, signal_now);
  return 1;
}

void signal_tree(int signal, int except) {
  excluded_now = except;
  signal_now = signal;
  long pid = CALL(__NR_getpid, 0), trial = open_threads(pid);
  if (trial < 0) {
    each_own_child(signal_own_child);
    return;
  }
  CALL(__NR_close, trial);
  signal_children(pid, signal, 0);
}
