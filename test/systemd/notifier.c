// A process that is not the service sends messages of sd_notify(3), each with a descriptor.
//
//     notifier SOCKET PID MESSAGE...
//
// PID is the process whose messages they are to be; 0: its own. "\n" in a message ends a line. Prints what became of each.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct control {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

static void add(struct msghdr *message, struct cmsghdr *header, int type, const void *content, size_t size) {
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(header), content, size);
  message->msg_controllen += CMSG_SPACE(size);
}

static void end_lines(char *text) {
  for (char *at; (at = strstr(text, "\\n")) != NULL;) {
    *at = '\n';
    memmove(at + 1, at + 2, strlen(at + 2) + 1);
  }
}

static int send_as(int to, char *text, int descriptor, pid_t pid, const struct sockaddr_un *address) {
  struct control control = {{0}};
  const struct ucred other = {.pid = pid, .uid = getuid(), .gid = getgid()};
  struct iovec vector = {text, strlen(text)};
  struct msghdr message = {
      .msg_name = (void *)address,
      .msg_namelen = sizeof *address,
      .msg_iov = &vector,
      .msg_iovlen = 1,
      .msg_control = control.bytes,
      .msg_controllen = sizeof control.bytes,
  };
  struct cmsghdr *first = CMSG_FIRSTHDR(&message);
  message.msg_controllen = 0;
  add(&message, first, SCM_RIGHTS, &descriptor, sizeof descriptor);
  if (pid != 0)
    add(&message, (struct cmsghdr *)((char *)first + CMSG_SPACE(sizeof descriptor)), SCM_CREDENTIALS, &other,
        sizeof other);
  return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int main(int count, char **words) {
  if (count < 4) return 125;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const pid_t pid = atoi(words[2]);
  int ends[2];
  char byte;

  strncpy(address.sun_path, words[1], sizeof address.sun_path - 1);
  for (int index = 3; index < count; index++) {
    end_lines(words[index]);
    puts(send_as(to, words[index], file, pid, &address) < 0 ? strerror(errno) : "sent");
  }
  // systemd looks for the unit of a process that still runs. It closes the descriptor when it has heeded what precedes.
  char barrier[] = "BARRIER=1";
  if (pid != 0) return 0;
  if (pipe(ends) < 0 || send_as(to, barrier, ends[1], 0, &address) < 0) return 125;
  close(ends[1]);
  return read(ends[0], &byte, 1) == 0 ? 0 : 125;
}
