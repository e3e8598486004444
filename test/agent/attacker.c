// A confined process that speaks to an agent's socket.
//
//     attacker SOCKET DESCRIPTOR BYTES [leave]
//
// Connects, sends BYTES (hexadecimal) with a descriptor, and prints the agent's bytes until it closes. DESCRIPTOR:
// nothing, pipe, file, socket, or listener: that of a filter of its own. With leave the process that connects ends
// at once, and another one under the own filter makes a folder.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int own_listener(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mkdirat, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  int listener = (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  // The kernel permits one listener to a tree.
  if (listener < 0) printf("no listener: %s\n", strerror(errno));
  return listener;
}

static int descriptor_of(const char *kind) {
  int pair[2] = {-1, -1};

  if (!strcmp(kind, "listener")) return own_listener();
  if (!strcmp(kind, "file")) return memfd_create("file", 0);
  if (!strcmp(kind, "pipe")) return pipe(pair) == 0 ? pair[0] : -1;
  if (!strcmp(kind, "socket")) return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? pair[0] : -1;
  return -1;
}

int main(int count, char **words) {
  static char bytes[1 << 16];
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct iovec vector = {bytes, 0};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

  if (count < 4) return 125;
  for (const char *at = words[3]; at[0] && at[1] && vector.iov_len < sizeof bytes; at += 2) {
    unsigned one;
    if (sscanf(at, "%2x", &one) != 1) return 125;
    bytes[vector.iov_len++] = (char)one;
  }
  int sent = descriptor_of(words[2]);
  if (sent >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = (struct cmsghdr *)control;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &sent, sizeof sent);
  }
  int leaves = count > 4;
  if (leaves && fork() > 0) {
    close(sent);
    wait(NULL);
    // Waits until the agent has closed the listener, or answers.
    if (mkdirat(AT_FDCWD, "attacker", 0700)) printf("not made: %s\n", strerror(errno));
    else printf("made\n");
    return 0;
  }
  int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  strncpy(address.sun_path, words[1], sizeof address.sun_path - 1);
  if (connect(connection, (struct sockaddr *)&address, sizeof address)) return 125;
  // The agent may have closed the connection already.
  (void)!sendmsg(connection, &message, MSG_NOSIGNAL);
  if (leaves) return 0;
  printf("answer:");
  for (ssize_t got; (got = read(connection, bytes, sizeof bytes)) > 0;)
    for (ssize_t at = 0; at < got; at++) printf(" %02x", (unsigned char)bytes[at]);
  printf("\n");
  return 0;
}
