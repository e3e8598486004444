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
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
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

static long openat2_flags(word flags) {
  struct open_how how = {.flags = flags};

  return opened(CALL(SYS_openat2, AT_FDCWD, "file", &how, sizeof(how)));
}

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

static long kcmp_idx2(word index) { return CALL(SYS_kcmp, getpid(), getpid(), 0, 1, index); }

/* The backlog that ss(8) shows: a connection queue's limit, by the number of connections that are taken. */
static long listen_backlog(word backlog) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  struct tcp_info information;
  socklen_t size = sizeof(information);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  long value;

  bind(fd, (struct sockaddr *)&address, sizeof(address));
  value = CALL(SYS_listen, fd, backlog);
  /* For a socket that listens, tcpi_sacked is the limit (net/ipv4/tcp.c, tcp_get_info). */
  if (value == 0)
    value = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &information, &size) ? -errno : (long)information.tcpi_sacked;
  close(fd);
  return value;
}

static long type_of(long fd) {
  int value = 0;
  socklen_t size = sizeof(value);

  if (fd < 0) return fd;
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size);
  close(fd);
  return value;
}

static long socket_type(word type) { return type_of(CALL(SYS_socket, AF_UNIX, type, 0)); }

static long socketpair_type(word type) {
  int pair[2];
  long value = CALL(SYS_socketpair, AF_UNIX, type, 0, pair);

  if (value < 0) return value;
  close(pair[1]);
  return type_of(pair[0]);
}

static long packet_protocol(word protocol) {
  struct sockaddr_ll address;
  socklen_t size = sizeof(address);
  long fd = CALL(SYS_socket, AF_PACKET, SOCK_DGRAM, protocol);

  if (fd < 0) return fd;
  getsockname(fd, (struct sockaddr *)&address, &size);
  close(fd);
  return address.sll_protocol;
}

/* The flags of the mount that lies at the target, and which it is. */
static long mounted_how(word flags) {
  struct statvfs status;
  long what = CALL(SYS_mount, "source", "target", "tmpfs", flags, 0);

  if (what < 0) return what;
  statvfs("target", &status);
  what = access("target/witness", F_OK) == 0;
  if (umount2("target", MNT_DETACH) != 0) return -9999;
  return what << 16 | (status.f_flag & (ST_RDONLY | ST_NOSUID | ST_NOEXEC));
}

static long moved_how(word flags) {
  long value;

  if (mount("none", "source", "tmpfs", 0, 0) != 0) return -9998;
  close(open("source/witness", O_CREAT | O_RDWR, 0600));
  value = mounted_how(flags);
  if (!(flags & MS_MOVE)) umount2("source", MNT_DETACH);
  return value;
}

/* In a child, which loses its namespace. */
static long setns_flags(word flags) {
  int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
  long value = CALL(SYS_setns, fd, flags);

  close(fd);
  return value;
}

/* A ring that the task has registered goes by its index where bit 31 of the operation is set. */
static long io_uring_register_opcode(word opcode) {
  struct io_uring_params parameters = {0};
  struct io_uring_rsrc_update update = {.offset = -1U};
  char probe[sizeof(struct io_uring_probe)] = {0};
  long ring = CALL(SYS_io_uring_setup, 1, &parameters);
  long value;

  if (ring < 0) return -ENOSYS;
  update.data = ring;
  value = CALL(SYS_io_uring_register, ring, IORING_REGISTER_RING_FDS, &update, 1);
  if (value == 1) value = CALL(SYS_io_uring_register, opcode >> 31 ? update.offset : ring, opcode, probe, 0);
  update.data = 0;
  syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_RING_FDS, &update, 1);
  close(ring);
  return value;
}

static long fcntl_dupfd(word lowest) {
  long fd = CALL(SYS_fcntl, 1, F_DUPFD, lowest);

  if (fd >= 0) close(fd);
  return fd;
}

static long fcntl_setfd(word flags) {
  int fd = open("file", O_RDONLY);
  long value = CALL(SYS_fcntl, fd, F_SETFD, flags);

  value = value < 0 ? value : fcntl(fd, F_GETFD);
  close(fd);
  return value;
}

static long fcntl_setfl(word flags) {
  int fd = open("file", O_RDWR);
  long value = CALL(SYS_fcntl, fd, F_SETFL, flags);

  value = value < 0 ? value : fcntl(fd, F_GETFL);
  close(fd);
  return value;
}

static long ficlone(word source) {
  int fd = open("file", O_RDWR);
  long value = CALL(SYS_ioctl, fd, 0x40049409, source);

  close(fd);
  return value;
}

static long terminal(unsigned int command, word value) {
  int fd = posix_openpt(O_RDWR | O_NOCTTY);
  long got;

  unlockpt(fd);
  got = CALL(SYS_ioctl, fd, command, value);
  close(fd);
  return got;
}

static long peer_flags(word flags) {
  long fd = terminal(TIOCGPTPEER, flags | O_NOCTTY);
  long value = fd < 0 ? fd : fcntl(fd, F_GETFL) & O_ACCMODE;

  dispose(fd);
  return value;
}

static long terminal_signal(word number) { return terminal(TIOCSIG, number); }

/* A machine without /dev/net/tun answers like a kernel without the rewrite. */
static long tunnel(unsigned int command, word value) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  int fd = open("/dev/net/tun", O_RDWR);
  long got = fd < 0 || ioctl(fd, TUNSETIFF, &request) ? -EINVAL : CALL(SYS_ioctl, fd, command, value);

  dispose(fd);
  return got;
}

static long tunnel_owner(word owner) { return tunnel(TUNSETOWNER, owner); }

static long tunnel_group(word group) { return tunnel(TUNSETGROUP, group); }

static long set_semaphore(word value) {
  int id = semget(IPC_PRIVATE, 1, 0600);
  long set = CALL(SYS_semctl, id, 0, SETVAL, value);

  set = set < 0 ? set : semctl(id, 0, GETVAL);
  semctl(id, 0, IPC_RMID);
  return set;
}

static long key = 0;

static long key_id(word ring) { return CALL(SYS_keyctl, KEYCTL_GET_KEYRING_ID, ring, 1L) > 0; }

static long key_link(word ring) { return CALL(SYS_keyctl, KEYCTL_LINK, key, ring); }

static long key_group(word group) { return CALL(SYS_keyctl, KEYCTL_CHOWN, key, -1L, group); }

static long key_search(word destination) {
  return CALL(SYS_keyctl, KEYCTL_SEARCH, (long)KEY_SPEC_PROCESS_KEYRING, "user", "portcullis", destination) == key;
}

static long prctl_memory(word option) {
  unsigned int size = 0;
  long value = CALL(SYS_prctl, PR_SET_MM, option, &size, 0L, 0L);

  return value < 0 ? value : (long)size;
}

static long prctl_tracer(word tracer) { return CALL(SYS_prctl, PR_SET_PTRACER, tracer, 0L, 0L, 0L); }

static long prctl_counter(word mode) {
  long value = CALL(SYS_prctl, PR_SET_TSC, mode, 0L, 0L, 0L);

  prctl(PR_SET_TSC, PR_TSC_ENABLE, 0L, 0L, 0L);
  return value;
}

/* A kernel without core scheduling answers EINVAL, one on a machine whose cores have one thread each ENODEV. */
static long core(word command, word process, word scope) {
  unsigned long cookie;
  long value = CALL(SYS_prctl, PR_SCHED_CORE, command, process, scope, &cookie);

  return value == -ENODEV ? -EINVAL : value;
}

static long core_command(word command) { return core(command, 0, 0); }

static long core_process(word process) { return core(PR_SCHED_CORE_GET, process, 0); }

static long core_scope(word scope) { return core(PR_SCHED_CORE_GET, 0, scope); }

static long prctl_program(word fd) { return CALL(SYS_prctl, PR_SET_MM, PR_SET_MM_EXE_FILE, fd, 0L, 0L); }

/* Requests of registers to a child that stops for its parent. */
static long ptrace_registers(word type) {
  char registers[1024];
  struct iovec part = {registers, sizeof(registers)};
  pid_t child = fork();
  long value;

  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    _exit(0);
  }
  waitpid(child, 0, 0);
  value = CALL(SYS_ptrace, PTRACE_GETREGSET, child, type, &part);
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  return value < 0 ? value : (long)part.iov_len;
}

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
  try("openat2.how.flags", openat2_flags, 04000000, O_SYNC, O_RDONLY, "");
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
  try("kcmp.idx2", kcmp_idx2, 1UL << 40 | 1, 1, 1000, "type=0");
  try("listen.backlog", listen_backlog, 0xffffffff, 0x7fffffff, 3, "");
  try("socket.type", socket_type, SOCK_RAW, SOCK_DGRAM, SOCK_STREAM, "family=1");
  try("socket.type", socket_type, SOCK_RAW | SOCK_CLOEXEC, SOCK_DGRAM | SOCK_CLOEXEC, SOCK_SEQPACKET, "family=1");
  try("socketpair.type", socketpair_type, SOCK_RAW, SOCK_DGRAM, SOCK_STREAM, "family=1");
  try("socket.protocol", packet_protocol, 7 << 16 | 0x300, 0x300, 0x800, "family=17");
  close(open("source/witness", O_CREAT | O_RDWR, 0600));
  try("mount.flags", mounted_how, MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, MS_BIND, MS_RDONLY, "");
  try("mount.flags", moved_how, MS_MOVE | MS_RDONLY | MS_NOEXEC | MS_REC, MS_MOVE, MS_RDONLY, "");
  try("setns.flags", setns_flags, 0, CLONE_NEWUTS, CLONE_NEWIPC, "");
  try("io_uring_register.opcode", io_uring_register_opcode, 1UL << 31 | IORING_REGISTER_PROBE, IORING_REGISTER_PROBE,
      IORING_UNREGISTER_FILES, "newer=38");
  try("fcntl.arg", fcntl_dupfd, 1UL << 32 | 100, 100, 1UL << 31, "cmd=0");
  try("fcntl.arg", fcntl_setfd, 2, 0, 1, "cmd=2");
  try("fcntl.arg", fcntl_setfl, 1UL << 32 | O_WRONLY | O_TRUNC | O_PATH | O_NONBLOCK, O_NONBLOCK, O_APPEND, "cmd=4");
  try("ioctl.arg", ficlone, 1UL << 32 | 1000, 1000, 999, "cmd=1074041865");
  try("ioctl.arg", peer_flags, 1UL << 32 | O_RDWR, O_RDWR, O_RDONLY, "cmd=21569");
  try("ioctl.arg", terminal_signal, 1UL << 32 | SIGINT, SIGINT, SIGKILL, "cmd=1074025526");
  try("ioctl.arg", tunnel_owner, 1UL << 32, 0, 99, "cmd=1074025676 newer=22");
  try("ioctl.arg", tunnel_group, 1UL << 32, 0, 99, "cmd=1074025678 newer=22");
  try("semctl.arg", set_semaphore, 1UL << 32 | 7, 7, 8, "cmd=16");
  key = CALL(SYS_add_key, "user", "portcullis", "x", 1L, (long)KEY_SPEC_PROCESS_KEYRING);
  if (key > 0) {
    try("keyctl.arg2", key_id, 1UL << 32 | (uint32_t)KEY_SPEC_PROCESS_KEYRING, (uint32_t)KEY_SPEC_PROCESS_KEYRING,
        (uint32_t)-99, "option=0");
    try("keyctl.arg3", key_link, 1UL << 32 | (uint32_t)KEY_SPEC_PROCESS_KEYRING, (uint32_t)KEY_SPEC_PROCESS_KEYRING,
        (uint32_t)-99, "option=8");
    try("keyctl.arg4", key_group, 1UL << 32 | 0xffffffff, 0xffffffff, 12345, "option=4");
    try("keyctl.arg5", key_search, 1UL << 32, 0, (uint32_t)-99, "option=10");
  }
  try("ptrace.addr", ptrace_registers, 1UL << 32 | 1, 1, 999, "request=16900");
  try("prctl.arg2", prctl_memory, 1UL << 32 | 15, 15, 99, "option=35 newer=1");
  try("prctl.arg2", prctl_tracer, 0xffffffff, -1UL, 1UL << 22 | 1, "option=1499557217 newer=22");
  try("prctl.arg2", prctl_counter, 1UL << 32 | PR_TSC_ENABLE, PR_TSC_ENABLE, 99, "option=26 newer=22");
  try("prctl.arg2", core_command, 1UL << 32 | PR_SCHED_CORE_GET, PR_SCHED_CORE_GET, 99, "option=62 newer=22");
  try("prctl.arg3", core_process, 1UL << 32, 0, 0x7fffffff, "option=62 newer=22");
  try("prctl.arg4", core_scope, 1UL << 32, 0, 99, "option=62 newer=22");
  try("prctl.arg3", prctl_program, 1UL << 32 | 1000, 1000, 999, "option=35 arg2=13 newer=1");
  try("unshare.flags", unshare_flags, 1 << 20, 1 << 20 | 1 << 17, 0, "newer=22");
  return 0;
}
