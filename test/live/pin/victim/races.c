// SPDX-License-Identifier: MIT
/* Races: another thread, or another process, changes what a call's pointers point at while the call is judged. */
#include "pinned.h"

#include <arpa/inet.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* ── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Counts what was opened by what it says: 'o' is allowed, 'n' is forbidden. */
static void count_open(struct tally *tally, long file) {
  if (file < 0) {
    count_result(tally, file);
    return;
  }
  char content = 0;
  if (pread((int)file, &content, 1, 0) == 1 && content == 'o') tally->allowed++;
  else tally->forbidden++;
  close((int)file);
}

static long open_raw(const char *path) { return result_of(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0)); }

static int race_open(volatile char *path, int tries) {
  struct tally tally = {0};
  size_t last = strlen((char *)path);
  begin_flipping((struct flip[]){{path + last - 2, 'o', 'n'}}, 1);
  for (int i = 0; i < tries; i++) count_open(&tally, open_raw((char *)path));
  end_flipping();
  print_tally(&tally);
  return 0;
}

static void make_files(void) {
  make_file("ok", 'o');
  make_file("nk", 'n');
}

static int open_scenario(int tries) {
  static char path[] = "./ok";
  return race_open(path, tries);
}

/* The string ends where the memory ends, and begins on the page before. */
static int boundary_scenario(int tries) {
  unsigned char *memory = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(memory + 2 * 4096, 4096);
  char *path = (char *)memory + 2 * 4096 - 301;
  for (int i = 0; i < 298; i += 2) memcpy(path + i, "./", 2);
  strcpy(path + 298, "ok");
  /* All of one page but the last bytes: from the page before into this one. */
  char *across = (char *)memory + 4096 - 5;
  memcpy(across, "././././ok", 11);
  struct tally tally = {0};
  begin_flipping((struct flip[]){{path + 298, 'o', 'n'}, {across + 8, 'o', 'n'}}, 2);
  for (int i = 0; i < tries; i++) count_open(&tally, open_raw(i & 1 ? path : across));
  end_flipping();
  print_tally(&tally);
  return 0;
}

static int long_scenario(int tries) {
  static char path[4096];
  for (int i = 0; i < 4092; i += 2) memcpy(path + i, "./", 2);
  strcpy(path + 4092, "ok");
  return race_open(path, tries);
}

/* Another process changes it. */
static int shared_scenario(int tries) {
  volatile char *path = shared_page();
  memcpy((char *)path, "./ok", 5);
  pid_t child = fork();
  if (child == 0) {
    for (;;) {
      path[2] = 'n';
      for (volatile int pause = 0; pause < 300; pause++) {
      }
      path[2] = 'o';
      for (volatile int pause = 0; pause < 300; pause++) {
      }
    }
  }
  struct tally tally = {0};
  for (int i = 0; i < tries; i++) count_open(&tally, open_raw((const char *)path));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  print_tally(&tally);
  return 0;
}

/* The page is a file's, which another process writes to with write(2): no store ever touches it. */
static int file_scenario(int tries) {
  int file = memfd_create("path", 0);
  if (file < 0 || ftruncate(file, 4096) != 0 || pwrite(file, "./ok", 5, 0) != 5) return 2;
  const char *path = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
  pid_t child = fork();
  if (child == 0) {
    for (;;)
      if (pwrite(file, "n", 1, 2) != 1 || pwrite(file, "o", 1, 2) != 1) _exit(1);
  }
  struct tally tally = {0};
  for (int i = 0; i < tries; i++) count_open(&tally, open_raw(path));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  print_tally(&tally);
  return 0;
}

/* The page comes and goes. */
static struct {
  char *page;
  atomic_int stop;
} mapping;

static void *map_and_unmap(void *unused) {
  (void)unused;
  while (!mapping.stop) {
    mmap(mapping.page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(mapping.page, "./nk");
    for (volatile int pause = 0; pause < 300; pause++) {
    }
    munmap(mapping.page, 4096);
    mmap(mapping.page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(mapping.page, "./ok");
    for (volatile int pause = 0; pause < 300; pause++) {
    }
    mprotect(mapping.page, 4096, PROT_NONE);
  }
  return NULL;
}

static int unmapped_scenario(int tries) {
  mapping.page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_t thread;
  pthread_create(&thread, NULL, map_and_unmap, NULL);
  struct tally tally = {0};
  long faults = 0;
  for (int i = 0; i < tries; i++) {
    long file = open_raw(mapping.page);
    if (file == -EFAULT) faults++;
    else if (file == -ENOENT) tally.denied++; /* the string was not there yet */
    else count_open(&tally, file);
  }
  mapping.stop = 1;
  pthread_join(thread, NULL);
  print_tally(&tally);
  printf("faults: %ld\n", faults);
  return 0;
}

/* Both paths of a rename: only ok_a may move, and only to ok_b. */
static int rename_scenario(int tries) {
  static char from[] = "./ok_a", to[] = "./ok_b";
  struct tally tally = {0};
  make_file("nk_a", 'n');
  begin_flipping((struct flip[]){{from + 2, 'o', 'n'}, {to + 2, 'o', 'n'}}, 2);
  for (int i = 0; i < tries; i++) {
    make_file("ok_a", 'o');
    unlink("ok_b");
    long result = result_of(syscall(SYS_rename, from, to));
    if (result < 0) {
      count_result(&tally, result);
    } else if (access("ok_b", F_OK) == 0 && access("nk_a", F_OK) == 0 && access("nk_b", F_OK) != 0) {
      tally.allowed++;
    } else {
      tally.forbidden++;
      unlink("nk_b");
      make_file("nk_a", 'n');
    }
  }
  end_flipping();
  print_tally(&tally);
  return 0;
}

static int openat2_scenario(int tries) {
  static struct open_how how;
  struct tally tally = {0};
  how.flags = O_RDONLY;
  begin_flipping((struct flip[]){{(volatile char *)&how.flags, O_RDONLY, O_WRONLY}}, 1);
  for (int i = 0; i < tries; i++) {
    long file = result_of(syscall(SYS_openat2, AT_FDCWD, "./ok", &how, sizeof how));
    if (file < 0) {
      count_result(&tally, file);
      continue;
    }
    if ((fcntl((int)file, F_GETFL) & O_ACCMODE) == O_RDONLY) tally.allowed++;
    else tally.forbidden++;
    close((int)file);
  }
  end_flipping();
  print_tally(&tally);
  return 0;
}

/* ── Addresses: 127.0.0.1 is allowed, 127.0.0.2 is forbidden ─────────────────────────────────────────────────────── */

static struct sockaddr_in target;

static int receiver(const char *address) {
  int made = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = target.sin_port};
  inet_pton(AF_INET, address, &own.sin_addr);
  socklen_t size = sizeof own;
  if (made < 0 || bind(made, (struct sockaddr *)&own, size) != 0 ||
      getsockname(made, (struct sockaddr *)&own, &size) != 0) {
    perror(address);
    exit(2);
  }
  target.sin_port = own.sin_port;
  return made;
}

static int connect_scenario(int tries) {
  struct tally tally = {0};
  target.sin_port = htons(9);
  target.sin_family = AF_INET;
  inet_pton(AF_INET, "127.0.0.1", &target.sin_addr);
  begin_flipping((struct flip[]){{(volatile char *)&target.sin_addr + 3, 1, 2}}, 1);
  for (int i = 0; i < tries; i++) {
    int own = socket(AF_INET, SOCK_DGRAM, 0);
    long result = result_of(syscall(SYS_connect, own, &target, sizeof target));
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    if (result < 0) count_result(&tally, result);
    else if (getpeername(own, (struct sockaddr *)&peer, &size) == 0 && ntohl(peer.sin_addr.s_addr) == 0x7f000001)
      tally.allowed++;
    else tally.forbidden++;
    close(own);
  }
  end_flipping();
  print_tally(&tally);
  return 0;
}

static long send_plain(int from) { return result_of(syscall(SYS_sendto, from, "x", 1, 0, &target, sizeof target)); }

static long send_message(int from) {
  struct iovec data = {(void *)(uintptr_t)"x", 1};
  struct msghdr message = {.msg_name = &target, .msg_namelen = sizeof target, .msg_iov = &data, .msg_iovlen = 1};
  return result_of(syscall(SYS_sendmsg, from, &message, 0));
}

/* The pointer to the address changes, not the address. */
static struct msghdr flipped_message;
static long send_flipped_message(int from) { return result_of(syscall(SYS_sendmsg, from, &flipped_message, 0)); }

static long received(int socket) {
  char byte;
  long count = 0;
  while (recv(socket, &byte, 1, MSG_DONTWAIT) > 0) count++;
  return count;
}

static int send_race(int tries, long (*send_one)(int), struct flip *flips, int flip_count) {
  struct tally tally = {0};
  int one = receiver("127.0.0.1"), two = receiver("127.0.0.2"), own = socket(AF_INET, SOCK_DGRAM, 0);
  begin_flipping(flips, flip_count);
  for (int i = 0; i < tries; i++) {
    long result = send_one(own);
    if (result < 0) count_result(&tally, result);
    tally.allowed += received(one);
    tally.forbidden += received(two);
  }
  end_flipping();
  print_tally(&tally);
  return 0;
}

static int send_scenario(int tries, long (*send_one)(int)) {
  target.sin_family = AF_INET;
  inet_pton(AF_INET, "127.0.0.1", &target.sin_addr);
  return send_race(tries, send_one, (struct flip[]){{(volatile char *)&target.sin_addr + 3, 1, 2}}, 1);
}

static int pointer_scenario(int tries) {
  static struct sockaddr_in both[16] __attribute__((aligned(256)));
  static struct iovec data = {(void *)(uintptr_t)"x", 1};
  target.sin_family = AF_INET;
  inet_pton(AF_INET, "127.0.0.1", &target.sin_addr);
  close(receiver("127.0.0.1")); /* finds a free port */
  both[0] = both[1] = target;
  inet_pton(AF_INET, "127.0.0.2", &both[1].sin_addr);
  flipped_message =
      (struct msghdr){.msg_name = &both[0], .msg_namelen = sizeof target, .msg_iov = &data, .msg_iovlen = 1};
  volatile char *low = (volatile char *)&flipped_message.msg_name;
  return send_race(tries, send_flipped_message, (struct flip[]){{low, *low, (char)(*low + (char)sizeof target)}}, 1);
}

/* ── Executions ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The program is this one: its name and its first argument say whether it is allowed. Its environment likewise. */
static int execute_scenario(int tries, const char *self) {
  static char path[] = "./ok_program", word[] = "ok", variable[] = "WHICH=ok";
  if (symlink(self, "ok_program") != 0 || symlink(self, "nk_program") != 0) return 2;
  struct tally tally = {0};
  begin_flipping((struct flip[]){{path + 2, 'o', 'n'}, {word, 'o', 'n'}}, 2);
  for (int i = 0; i < tries; i++) {
    char *words[] = {path, (char *)(uintptr_t)"executed", word, NULL}, *environment[] = {variable, NULL};
    pid_t child = vfork();
    if (child == 0) {
      syscall(SYS_execve, path, words, environment);
      _exit(errno == EACCES ? 50 : 51);
    }
    int status;
    waitpid(child, &status, 0);
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
    if (status == 40) tally.allowed++;
    else if (status == 41) tally.forbidden++;
    else count_result(&tally, status == 50 ? -EACCES : -status);
  }
  end_flipping();
  print_tally(&tally);
  return 0;
}

/* What was executed: by which name, with which argument. */
static int executed(char **words) { return words[0] != NULL && strcmp(words[0], "ok") == 0 ? 40 : 41; }

int race_scenario(const char *name, char **arguments) {
  if (strcmp(name, "executed") == 0) _exit(executed(arguments));
  static char self[4096];
  if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return 2;
  int tries = arguments[0] == NULL ? 0 : atoi(arguments[0]);
  static const struct {
    const char *name;
    int (*run)(int tries);
  } scenarios[] = {
      {"open", open_scenario},       {"boundary", boundary_scenario}, {"long", long_scenario},
      {"shared", shared_scenario},   {"file", file_scenario},         {"unmapped", unmapped_scenario},
      {"rename", rename_scenario},   {"openat2", openat2_scenario},   {"connect", connect_scenario},
      {"pointer", pointer_scenario},
  };
  for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
    if (strcmp(name, scenarios[i].name) != 0) continue;
    make_files();
    confine();
    return scenarios[i].run(tries);
  }
  if (strcmp(name, "sendto") == 0 || strcmp(name, "sendmsg") == 0) {
    confine();
    return send_scenario(tries, name[4] == 't' ? send_plain : send_message);
  }
  if (strcmp(name, "execve") == 0) {
    confine();
    return execute_scenario(tries, self);
  }
  return -1;
}
