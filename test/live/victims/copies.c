// SPDX-License-Identifier: MIT
/*
 * Calls with one text each, which can be copied or not: NULL, empty, at the end of its memory, without an end, too long, not
 * mapped. Each call is made by a child, in a new directory with a file "f". Prints `CALL ARGUMENT TEXT: errno`.
 */
#include "victim.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PAGE = 4096, DIRECTORY = 50 };

#define CALL(name, argument, ...) {#name, SYS_##name, argument, {__VA_ARGS__}}
#define NEWER(name, number, argument, ...) {#name, number, argument, {__VA_ARGS__}}
#define AT AT_FDCWD

static unsigned long how[16], structure[16];
static char space[256];
#define INTO ((long)space)
#define HOW ((long)how)
#define OTHER ((long)"other")

static const struct {
  const char *name;
  long number;
  int argument;
  long arguments[6];
} calls[] = {
#ifdef SYS_open
    CALL(open, 0, 0, O_RDONLY),
    CALL(creat, 0, 0, 0600),
    CALL(access, 0, 0, R_OK),
    CALL(stat, 0, 0, INTO),
    CALL(lstat, 0, 0, INTO),
    CALL(readlink, 0, 0, INTO, 100),
    CALL(mkdir, 0, 0, 0700),
    CALL(rmdir, 0),
    CALL(unlink, 0),
    CALL(rename, 0, 0, OTHER),
    CALL(rename, 1, (long)"f"),
    CALL(link, 0, 0, OTHER),
    CALL(link, 1, (long)"f"),
    CALL(symlink, 0, 0, OTHER),
    CALL(symlink, 1, (long)"f"),
    CALL(chmod, 0, 0, 0600),
    CALL(chown, 0, 0, -1, -1),
    CALL(lchown, 0, 0, -1, -1),
    CALL(utime, 0),
    CALL(utimes, 0),
    CALL(futimesat, 1, AT),
    CALL(mknod, 0, 0, S_IFIFO | 0600),
#endif
    CALL(openat, 1, AT, 0, O_RDONLY),
    CALL(openat2, 1, AT, 0, HOW, 24),
    CALL(faccessat, 1, DIRECTORY, 0, R_OK),
    CALL(faccessat2, 1, AT, 0, R_OK, AT_EMPTY_PATH),
    CALL(newfstatat, 1, AT, 0, INTO),
    CALL(newfstatat, 1, DIRECTORY, 0, INTO, AT_EMPTY_PATH),
    CALL(statx, 1, AT, 0, 0, 0x7ff, INTO),
    CALL(statx, 1, DIRECTORY, 0, AT_EMPTY_PATH, 0x7ff, INTO),
    CALL(readlinkat, 1, DIRECTORY, 0, INTO, 100),
    CALL(mkdirat, 1, DIRECTORY, 0, 0700),
    CALL(unlinkat, 1, AT),
    CALL(renameat, 1, AT, 0, DIRECTORY, OTHER),
    CALL(renameat, 3, AT, (long)"f", DIRECTORY),
    CALL(renameat2, 1, AT, 0, DIRECTORY, OTHER),
    CALL(renameat2, 3, AT, (long)"f", DIRECTORY),
    CALL(linkat, 1, DIRECTORY, 0, AT, OTHER),
    CALL(linkat, 3, AT, (long)"f", AT),
    CALL(symlinkat, 0, 0, AT, OTHER),
    CALL(symlinkat, 2, (long)"f", AT),
    CALL(fchmodat, 1, AT, 0, 0600),
    CALL(fchownat, 1, DIRECTORY, 0, -1, -1, AT_EMPTY_PATH),
    CALL(truncate, 0, 0, 5),
    CALL(utimensat, 1, DIRECTORY),
    CALL(mknodat, 1, AT, 0, S_IFREG | 0600),
    CALL(chdir, 0),
    CALL(chroot, 0),
    CALL(statfs, 0, 0, INTO),
    CALL(getxattr, 0, 0, (long)"user.a", INTO, 10),
    CALL(lgetxattr, 0, 0, (long)"user.a", INTO, 10),
    CALL(setxattr, 0, 0, (long)"user.a", (long)"v", 1),
    CALL(lsetxattr, 0, 0, (long)"user.a", (long)"v", 1),
    CALL(listxattr, 0, 0, INTO, 10),
    CALL(llistxattr, 0, 0, INTO, 10),
    CALL(removexattr, 0, 0, (long)"user.a"),
    CALL(lremovexattr, 0, 0, (long)"user.a"),
    CALL(open_tree, 1, DIRECTORY, 0, AT_EMPTY_PATH),
    CALL(move_mount, 1, AT, 0, AT, OTHER),
    CALL(move_mount, 3, AT, OTHER, AT),
    CALL(mount, 0, 0, OTHER, (long)"tmpfs"),
    CALL(mount, 1, OTHER, 0, (long)"tmpfs"),
    CALL(mount, 2, OTHER, OTHER),
    CALL(umount2, 0),
    CALL(pivot_root, 0, 0, OTHER),
    CALL(pivot_root, 1, OTHER),
    CALL(fspick, 1, AT),
    CALL(fsopen, 0),
    CALL(fsconfig, 2, DIRECTORY, 0),
    CALL(mount_setattr, 1, AT, 0, 0, (long)structure, 32),
    CALL(name_to_handle_at, 1, AT, 0, INTO, (long)(space + 128)),
    CALL(fanotify_mark, 4, DIRECTORY, 1, 1, AT),
    CALL(inotify_add_watch, 1, DIRECTORY, 0, 1),
    CALL(quotactl, 1, (long)0x80000700u, 0, 0, INTO),
    CALL(swapon, 0),
    CALL(swapoff, 0),
    CALL(acct, 0),
    CALL(execve, 0),
    CALL(execveat, 1, AT),
    NEWER(fchmodat2, 452, 1, AT, 0, 0600),
    NEWER(setxattrat, 463, 1, AT, 0, 0, (long)"user.a", (long)structure, 16),
    NEWER(getxattrat, 464, 1, AT, 0, 0, (long)"user.a", (long)structure, 16),
    NEWER(listxattrat, 465, 1, DIRECTORY, 0, AT_EMPTY_PATH, INTO, 10),
    NEWER(removexattrat, 466, 1, AT, 0, 0, (long)"user.a"),
    NEWER(open_tree_attr, 467, 1, DIRECTORY, 0, AT_EMPTY_PATH),
    NEWER(file_getattr, 468, 1, AT, 0, INTO, 24),
    NEWER(file_setattr, 469, 1, AT, 0, (long)structure, 24),
};

/* The last byte of its memory is the text's last. */
static char *at_end(const char *text, size_t size) {
  char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(memory + PAGE, PAGE);
  return memcpy(memory + PAGE - size, text, size);
}

static int try(size_t call, long text) {
  char directory[] = "XXXXXX";
  if (mkdtemp(directory) == NULL) return 255;
  const pid_t child = fork();
  if (child == 0) {
    long a[6];
    memcpy(a, calls[call].arguments, sizeof a);
    a[calls[call].argument] = text;
    if (chdir(directory) != 0) _exit(255);
    close((int)syscall(SYS_openat, AT, "f", O_CREAT | O_WRONLY, 0600));
    dup2((int)syscall(SYS_openat, AT, ".", O_RDONLY), DIRECTORY);
    const long result = syscall(calls[call].number, a[0], a[1], a[2], a[3], a[4], a[5]);
    _exit(result < 0 ? errno : 0);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + status;
}

int main(void) {
  if (geteuid() == 0) return 2; /* swapon, acct and others must fail */
  static char longest[PAGE], too_long[PAGE + 1];
  memset(longest, '/', PAGE - 1);
  longest[0] = '.';
  memset(too_long, 'n', PAGE);
  const struct {
    const char *name;
    const void *text;
  } texts[] = {
      {"null", NULL},
      {"empty", at_end("", 1)},
      {"file", "f"},
      {"missing", "missing"},
      {"at end", at_end("f", 2)},
      {"longest", at_end(longest, PAGE)},
      {"endless", at_end("f", 1)},
      {"too long", too_long},
      {"unmapped", (const void *)0x7000},
      {"kernel", (const void *)-PAGE},
  };
  for (size_t call = 0; call < sizeof calls / sizeof *calls; call++)
    for (size_t text = 0; text < sizeof texts / sizeof *texts; text++)
      printf("%s %d %s: %d\n", calls[call].name, calls[call].argument, texts[text].name,
             try(call, (long)(uintptr_t)texts[text].text));
  return 0;
}
