// SPDX-License-Identifier: MIT
/*
 * Makes pairs of calls with arguments that are equivalent for the kernel (tools/generate/rewrites.ts), and a third call
 * with another argument, and prints the effect of each. Run it in separate user, mount and network namespaces, in an
 * empty folder.
 *
 *     argument  one  the other  a third  |  outcome  outcome  outcome  |  other registers
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

typedef unsigned long word;

#define CALL(...) result(syscall(__VA_ARGS__))

static long result(long value) { return value == -1 ? -errno : value; }

/* Closes a descriptor and returns 0, or returns the negative errno. */
static long dispose(long fd) {
  if (fd >= 0) close(fd);
  return fd < 0 ? fd : 0;
}

static void try(const char *argument, long (*outcome)(word), word one, word alike, word unlike, const char *others) {
  printf("%s %lx %lx %lx | %ld %ld %ld | %s\n", argument, one, alike, unlike, outcome(one), outcome(alike),
         outcome(unlike), others);
  fflush(stdout);
}

static long domain(word family, int type) {
  int value = 0;
  socklen_t size = sizeof(value);
  long fd = CALL(SYS_socket, family, type, family == AF_INET && type != SOCK_PACKET ? 0 : 0x300);

  if (fd < 0) return fd;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size);
  close(fd);
  return value;
}

static long socket_family(word family) {
  /* The third, for comparison, is a socket of AF_INET. */
  return family >> 32 ? domain(AF_INET, SOCK_DGRAM) : domain(family, SOCK_PACKET);
}

static long socketpair_family(word family) {
  int pair[2];

  return CALL(SYS_socketpair, family, family >> 32 ? SOCK_RDM : SOCK_PACKET, 0x300, pair);
}

/* Identifies the target after the mount by the inode and the type of file system. */
static long mounted(word flags) {
  struct stat before, after;
  struct statfs type;
  long value;

  stat("source", &before);
  value = CALL(SYS_mount, "source", "target", "tmpfs", flags, 0);
  stat("target", &after);
  statfs("target", &type);
  if (value == 0 && umount2("target", MNT_DETACH) != 0) return -9999;
  return value < 0 ? value : before.st_ino == after.st_ino ? 1 : type.f_type == 0x01021994 ? 2 : 3;
}

static long opened(long fd) {
  long flags = fd < 0 ? fd : fcntl(fd, F_GETFL);

  if (fd >= 0) close(fd);
  return flags;
}

static long openat_flags(word flags) { return opened(CALL(SYS_openat, AT_FDCWD, "file", flags, 0600)); }

#ifdef SYS_open
static long open_flags(word flags) { return opened(CALL(SYS_open, "file", flags, 0600)); }
#endif

static long mode_of(const char *path) {
  struct stat status;

  return stat(path, &status) == 0 ? (long)status.st_mode : -errno;
}

static long removed(const char *path, long value) {
  long mode = value < 0 ? value : mode_of(path);

  if (unlink(path) != 0) rmdir(path);
  return mode;
}

static long openat_mode(word mode) {
  return removed("new", dispose(CALL(SYS_openat, AT_FDCWD, "new", O_CREAT | O_WRONLY, mode)));
}

static long mkdirat_mode(word mode) { return removed("new", CALL(SYS_mkdirat, AT_FDCWD, "new", mode)); }

static long mknodat_mode(word mode) { return removed("new", CALL(SYS_mknodat, AT_FDCWD, "new", mode, 0)); }

#ifdef SYS_open
static long open_mode(word mode) { return removed("new", dispose(CALL(SYS_open, "new", O_CREAT | O_WRONLY, mode))); }

static long creat_mode(word mode) { return removed("new", dispose(CALL(SYS_creat, "new", mode))); }

static long mkdir_mode(word mode) { return removed("new", CALL(SYS_mkdir, "new", mode)); }

static long mknod_mode(word mode) { return removed("new", CALL(SYS_mknod, "new", mode, 0)); }

static long chmod_mode(word mode) {
  long value = CALL(SYS_chmod, "file", mode);

  return value < 0 ? value : mode_of("file");
}
#endif

static long mq_open_mode(word mode) {
  struct stat status;
  long fd = CALL(SYS_mq_open, "portcullis-rewrites", O_CREAT | O_RDWR, mode, 0);

  if (fd < 0) return fd;
  fstat(fd, &status);
  close(fd);
  syscall(SYS_mq_unlink, "portcullis-rewrites");
  return status.st_mode;
}

static long fchmod_mode(word mode) {
  int fd = open("file", O_RDONLY);
  long value = CALL(SYS_fchmod, fd, mode);

  close(fd);
  return value < 0 ? value : mode_of("file");
}

static long fchmodat_mode(word mode) {
  long value = CALL(SYS_fchmodat, AT_FDCWD, "file", mode);

  return value < 0 ? value : mode_of("file");
}

static long fchmodat2_mode(word mode) {
  long value = CALL(452, AT_FDCWD, "file", mode, 0);

  return value < 0 ? value : mode_of("file");
}

static long umask_mask(word mask) {
  syscall(SYS_umask, mask);
  return umask(0);
}

static long ioprio_set_ioprio(word ioprio) {
  long value = CALL(SYS_ioprio_set, 1, 0, ioprio);

  return value < 0 ? value : CALL(SYS_ioprio_get, 1, 0);
}

/* Each byte of the file equals its position. */
static long positioned(int call, int writes, word high, long low, long flags) {
  char byte = 0;
  struct iovec part = {&byte, 1};
  int fd = open("bytes", O_RDWR);
  long value;

  if (writes) pread(fd, &byte, 1, low);
  value = CALL(call, fd, &part, 1, low, high, flags);
  close(fd);
  return value < 0 ? value : byte;
}

static long preadv_pos_h(word high) { return positioned(SYS_preadv, 0, high, high == 99 ? 7 : 5, 0); }

static long preadv2_pos_h(word high) { return positioned(SYS_preadv2, 0, high, high == 99 ? 7 : 5, 0); }

static long pwritev_pos_h(word high) { return positioned(SYS_pwritev, 1, high, high == 99 ? 7 : 5, 0); }

static long pwritev2_pos_h(word high) { return positioned(SYS_pwritev2, 1, high, high == 99 ? 7 : 5, 0); }

static long bpf_cmd(word command) { return dispose(CALL(SYS_bpf, command, 0, 0)); }

static long unshare_flags(word flags) {
  struct stat before, after;
  long value;

  stat("/proc/self/ns/mnt", &before);
  value = CALL(SYS_unshare, flags);
  stat("/proc/self/ns/mnt", &after);
  return value < 0 ? value : before.st_ino != after.st_ino;
}

static long mmap_flags(word flags) {
  int fd = open("bytes", O_RDWR);
  unsigned char byte = 0;
  unsigned char *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, flags, fd, 0);

  if (memory == MAP_FAILED) return -errno;
  memory[9] = 42;
  munmap(memory, 4096);
  pread(fd, &byte, 1, 9);
  pwrite(fd, "\t", 1, 9);
  close(fd);
  return byte;
}

/* Prints the file's bytes if it is mapped, and zeros for anonymous memory. */
static long mmap_fd(word fd) {
  unsigned char *memory =
      (unsigned char *)syscall(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | (fd == 1000 ? 0 : MAP_ANONYMOUS), fd, 0);
  int byte;

  if (memory == MAP_FAILED) return -errno;
  byte = memory[9];
  munmap(memory, 4096);
  return byte;
}

static long futex_op(word operation) {
  uint32_t lock[2] = {0, 0};

  /* A wake-up without waiters; a wait returns at once, because the value differs. */
  return CALL(SYS_futex, lock, operation, 1, 0, lock, 0);
}

static long kcmp_idx1(word index) { return CALL(SYS_kcmp, getpid(), getpid(), 0, index, 1); }

int main(void) {
  unsigned char bytes[128];
  int fd;

  umask(0);
  for (int i = 0; i < 128; i++) bytes[i] = i;
  close(open("file", O_CREAT | O_RDWR, 0600));
  fd = open("bytes", O_CREAT | O_RDWR, 0600);
  if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || mkdir("source", 0700) || mkdir("target", 0700)) return 1;
  dup2(fd, 1000);

  try("socket.family", socket_family, AF_INET, AF_PACKET, 1UL << 32 | AF_INET, "type=10");
  try("socketpair.family", socketpair_family, AF_INET, AF_PACKET, 1UL << 32 | AF_INET, "type=10");
  try("mount.flags", mounted, 0xc0ed0000, 0, MS_PRIVATE, "");
  try("mount.flags", mounted, 0xc0ed0000UL | MS_BIND, MS_BIND, 0, "");
  try("mount.flags", mounted, 7UL << 32 | 0xc0ed0000, 0, MS_PRIVATE, "");
  try("mount.flags", mounted, MS_BIND | MS_PRIVATE, MS_BIND, MS_PRIVATE, "");
  try("mount.flags", mounted, MS_BIND | MS_MOVE | MS_SHARED, MS_BIND, MS_SHARED, "");
  try("openat.flags", openat_flags, O_PATH | O_CREAT | O_EXCL, O_PATH, O_CREAT | O_EXCL, "");
  try("openat.flags", openat_flags, O_PATH | O_RDWR | O_TRUNC | O_APPEND, O_PATH, O_RDWR, "");
  try("openat.flags", openat_flags, 04000000, O_SYNC, O_RDONLY, "");
  try("openat.flags", openat_flags, 04000000 | O_PATH, O_PATH, O_SYNC, "");
#ifdef __x86_64__
  try("openat.flags", openat_flags, 0100000, O_RDONLY, O_WRONLY, "");
  try("open.flags", open_flags, O_PATH | O_CREAT | O_EXCL, O_PATH, O_CREAT | O_EXCL, "");
  try("open.mode", open_mode, 0171640, 01640, 0640, "");
  try("creat.mode", creat_mode, 0171640, 01640, 0640, "");
  try("mkdir.mode", mkdir_mode, 0177750, 01750, 0750, "");
  try("mknod.mode", mknod_mode, 0640, 0100640, 010640, "");
  try("chmod.mode", chmod_mode, 0174640, 04640, 0640, "");
#else
  try("openat.flags", openat_flags, 0400000, O_RDONLY, O_WRONLY, "");
#endif
  try("openat.mode", openat_mode, 0171640, 01640, 0640, "");
  try("mq_open.mode", mq_open_mode, 0171640, 01640, 0640, "");
  try("mkdirat.mode", mkdirat_mode, 0177750, 01750, 0750, "");
  try("mknodat.mode", mknodat_mode, 0640, 0100640, 010640, "");
  try("fchmod.mode", fchmod_mode, 0174640, 04640, 0640, "");
  try("fchmodat.mode", fchmodat_mode, 0174640, 04640, 0640, "");
  try("fchmodat2.mode", fchmodat2_mode, 0174640, 04640, 0640, "");
  try("umask.mask", umask_mask, 07027, 027, 026, "");
  try("ioprio_set.ioprio", ioprio_set_ioprio, 1 << 16 | 2 << 13 | 3, 2 << 13 | 3, 3 << 13, "");
  try("preadv.pos_h", preadv_pos_h, 1, 0, 99, "");
  try("preadv2.pos_h", preadv2_pos_h, 1, 0, 99, "");
  try("pwritev.pos_h", pwritev_pos_h, 1, 0, 99, "");
  try("pwritev2.pos_h", pwritev2_pos_h, 1, 0, 99, "");
  try("bpf.cmd", bpf_cmd, 1 << 16 | 5, 5, 0xff, "newer=22");
  try("mmap.flags", mmap_flags, MAP_SHARED_VALIDATE, MAP_SHARED, MAP_PRIVATE, "");
  try("mmap.fd", mmap_fd, 7, 0xffffffff, 1000, "flags=34");
  try("futex.op", futex_op, FUTEX_WAKE | 512, FUTEX_WAKE, FUTEX_WAIT, "newer=38");
  try("kcmp.idx1", kcmp_idx1, 1UL << 40 | 1, 1, 1000, "");
  try("unshare.flags", unshare_flags, 1 << 20, 1 << 20 | 1 << 17, 0, "newer=22");
  return 0;
}
