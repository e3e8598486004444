// SPDX-License-Identifier: MIT
/*
 * copies [MORE]: calls with one text each, which can be copied or not: NULL, empty, at the end of its memory, without an end,
 * too long, not mapped. Each call is made by a child, in a new directory with a file "f". Prints `CALL ARGUMENT TEXT: errno`.
 * Any word: then also calls with addresses and structures of odd sizes, `CALL DESCRIPTION: errno`.
 */
#include "victim.h"
#include <fcntl.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { PAGE = 4096, DIRECTORY = 50 };

#define CALL(name, argument, ...)                \
  {                                              \
    #name, SYS_##name, argument, { __VA_ARGS__ } \
  }
#define NEWER(name, number, argument, ...)   \
  {                                          \
    #name, number, argument, { __VA_ARGS__ } \
  }
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

/* The call's errno, in a child. */
static int try_call(long number, const long a[6]) {
  const pid_t child = fork();
  if (child == 0) {
    const long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    _exit(result < 0 ? errno : 0);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + status;
}

static void try_addresses(void) {
  static const struct sockaddr_in internet = {.sin_family = AF_INET, .sin_port = 0x0900, .sin_addr = {0x0100007f}};
  static const struct sockaddr_un unnamed = {.sun_family = AF_UNIX},
                                  local = {.sun_family = AF_UNIX, .sun_path = "none"};
  static const struct sockaddr_storage unspecified;
  static const int lengths[] = {-1, 0, 1, 2, 3, 15, 16, 110, 111, 128, 129};
  static const char *const names[] = {"connect", "bind", "sendto", "sendmsg"};
  const struct {
    const char *name;
    const void *address;
  } addresses[] = {{"null", NULL},        {"internet", &internet},       {"local", &local},
                   {"unnamed", &unnamed}, {"unspecified", &unspecified}, {"unmapped", (const void *)0x7000}};
  for (int way = 0; way < 4; way++)
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
      for (size_t j = 0; j < 2 * (sizeof lengths / sizeof *lengths); j++) {
        const int is_local = j % 2 == 1, length = lengths[j / 2];
        const int socket_of = socket(is_local ? AF_UNIX : AF_INET, SOCK_DGRAM, 0);
        char byte = 'x';
        struct iovec data = {&byte, 1};
        struct msghdr message = {.msg_name = (void *)(uintptr_t)addresses[i].address,
                                 .msg_namelen = (socklen_t)length,
                                 .msg_iov = &data,
                                 .msg_iovlen = 1};
        const long address = (long)(uintptr_t)addresses[i].address;
        const long all[4][6] = {{socket_of, address, length},
                                {socket_of, address, length},
                                {socket_of, (long)(uintptr_t)&byte, 1, MSG_NOSIGNAL, address, length},
                                {socket_of, (long)(uintptr_t)&message, MSG_NOSIGNAL}};
        const long numbers[] = {SYS_connect, SYS_bind, SYS_sendto, SYS_sendmsg};
        printf("%s %s %d %d: %d\n", names[way], addresses[i].name, length, is_local, try_call(numbers[way], all[way]));
        close(socket_of);
        unlink("none");
      }
}

static void try_structures(void) {
  static const unsigned sizes[] = {0, 1, 8, 23, 24, 25, 47, 48, 55, 56, 57, 63, 64, 87, 88, 89, 96, 4095, 4096, 4097};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int has_more = 0; has_more < 2; has_more++) {
      char bytes[2 * PAGE] = "";
      /* The last byte is one that no kernel knows. */
      if (sizes[i] > 0) bytes[sizes[i] - 1] = (char)has_more;
      const long at = (long)(uintptr_t)(sizes[i] <= PAGE ? at_end(bytes, sizes[i]) : bytes);
      printf("openat2 size %u %d: %d\n", sizes[i], has_more,
             try_call(SYS_openat2, (const long[6]){AT, (long)"/dev/null", at, sizes[i]}));
      printf("mount_setattr size %u %d: %d\n", sizes[i], has_more,
             try_call(SYS_mount_setattr, (const long[6]){AT, (long)"/", 0, at, sizes[i]}));
      printf("clone3 size %u %d: %d\n", sizes[i], has_more, try_call(SYS_clone3, (const long[6]){at, sizes[i]}));
      if (sizes[i] < 8) continue;
      memcpy((void *)at, &sizes[i], sizeof *sizes);
      printf("sched_setattr size %u %d: %d\n", sizes[i], has_more,
             try_call(SYS_sched_setattr, (const long[6]){0, at, 0}));
    }
  printf("sched_setattr null: %d\n", try_call(SYS_sched_setattr, (const long[6]){0, 0, 0}));
  printf("clone3 null: %d\n", try_call(SYS_clone3, (const long[6]){0, 88}));
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

int main(int count, char **words) {
  (void)words;
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
  if (count > 1) {
    try_addresses();
    try_structures();
  }
  return 0;
}
