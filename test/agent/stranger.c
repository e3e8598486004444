/*
 * A client of root's agent that is no front: `stranger SOCKET WHAT WORD…`. It asks for a run of these words of portcullis and
 * prints the kind of each answer (enum agent_message_kind), or "closed".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../native/launcher/agent.h"

/* native/launcher/orders.h, which is for programs without a C library */
enum { STARTED = 1 };
struct started {
  uint32_t kind, launcher, pid, detail;
};

static int connected(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  const int one = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(one, (struct sockaddr *)&address, sizeof address) != 0) exit(2);
  return one;
}

static void send_with(int to, const void *bytes, size_t size, const int *descriptors, int count) {
  char control[CMSG_SPACE(64 * sizeof(int))] = {0};
  struct iovec vector = {(void *)(uintptr_t)bytes, size};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL) return;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, (size_t)count * sizeof(int));
  }
  sendmsg(to, &message, MSG_NOSIGNAL);
}

static char strings[4096];

static struct agent_request request_of(char **words, int count) {
  struct agent_request header = {.magic = AGENT_MAGIC, .words = (uint32_t)count + 1};
  char *end = stpcpy(strings, "bin/portcullis.cjs") + 1;
  for (int i = 0; i < count; i++) end = stpcpy(end, words[i]) + 1;
  end = stpcpy(end, "/") + 1;
  header.size = (uint32_t)(end - strings);
  return header;
}

static void say(int from) {
  struct agent_message message;
  struct pollfd source = {from, POLLIN, 0};
  const int ready = poll(&source, 1, 5000);
  const ssize_t count = ready > 0 ? recv(from, &message, sizeof message, 0) : -1;
  if (ready == 0) printf("silent\n");
  else if (count == sizeof message) printf("%u\n", message.kind);
  else printf("closed\n");
  fflush(stdout);
}

/* A listener of a filter on a child, which waits. */
static int listener_of_child(void) {
  int sockets[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
  const pid_t child = fork();
  if (child == 0) {
    struct sock_filter allow = {0x06, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &allow};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const int listener = (int)syscall(SYS_seccomp, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    send_with(sockets[1], "x", 1, &listener, 1);
    pause();
  }
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec vector = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(sockets[0], &message, 0) != 1) exit(3);
  int listener;
  memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof listener);
  return listener;
}

int main(int count, char **words) {
  const char *path = words[1], *what = words[2];
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  const struct agent_request header = request_of(words + 3, count - 3);
  if (strcmp(what, "hold") == 0) {
    for (int i = 0; i < 70; i++) {
      const int one = connected(path);
      socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
      send_with(one, &header, sizeof header, &pair[0], 1);
      send_with(one, strings, header.size, NULL, 0);
      close(pair[0]);
      say(one);
    }
    pause();
  }
  const int agent = connected(path);
  if (strcmp(what, "connected") == 0) return 0;
  if (strcmp(what, "bytes") == 0) {
    for (int i = 0; i < 4096; i++) strings[i] = (char)(i * 7);
    send(agent, strings, sizeof strings, MSG_NOSIGNAL);
    say(agent);
    return 0;
  }
  if (strcmp(what, "file") == 0) pair[0] = open("/etc/hostname", O_RDONLY);
  if (strcmp(what, "many") == 0) {
    int all[32];
    for (int i = 0; i < 32; i++) all[i] = i % 2 == 0 ? pair[0] : open("/etc/passwd", O_RDONLY);
    send_with(agent, &header, sizeof header, all, 32);
  } else {
    send_with(agent, &header, sizeof header, &pair[0], 1);
  }
  if (strcmp(what, "header") == 0) return 0;
  send_with(agent, strings, header.size, NULL, 0);
  if (strcmp(what, "request") == 0) return 0;
  close(pair[0]);
  say(agent);
  if (strcmp(what, "ask") == 0 || strcmp(what, "file") == 0 || strcmp(what, "many") == 0) return 0;
  if (strcmp(what, "flood") == 0) {
    for (int i = 0; i < 100000; i++)
      if (send(agent, strings, sizeof strings, MSG_NOSIGNAL) < 0) break;
    say(agent);
    return 0;
  }
  if (strcmp(what, "setuid") == 0) {
    /* The launcher: its child is a program of root's. */
    int told[2];
    if (pipe(told) != 0) return 4;
    const pid_t launcher = fork();
    if (launcher == 0) {
      const pid_t child = fork();
      if (child == 0) execl(getenv("SETUID_SLEEP"), "sleep", "1000", (char *)NULL);
      sleep(1);
      if (write(told[1], &child, sizeof child) < 0) return 5;
      pause();
    }
    pid_t child;
    if (read(told[0], &child, sizeof child) != sizeof child) return 6;
    const struct started message = {STARTED, (uint32_t)launcher, (uint32_t)child, 0};
    const int given[2] = {(int)syscall(SYS_pidfd_open, child, 0), listener_of_child()};
    send_with(pair[1], &message, sizeof message, given, 2);
    say(agent);
    kill(0, SIGKILL);
  }
  return 0;
}
