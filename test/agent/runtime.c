// A container runtime without containers: starts a command under a filter that notifies, and hands the listener to an agent.
//
//     runtime SOCKET STATE WHAT COMMAND [ARGUMENT...]
//
// STATE is the text of the message; each @ in it becomes the id of the command's process. WHAT:
//   listener   the message with the listener, as runtimes send it
//   null       with /dev/null instead
//   two        with the listener and /dev/null
//   nothing    without a descriptor
//   silent     a connection without a message
//   bytes      the message a byte at a time, the listener with the first
//   confined   the process that connects is under the filter
//   signals    as `listener`, and signals interrupt the first call of the command's process, as Go's scheduler does
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(125);
}

#define NOTIFY(number) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

static int install(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __NR_mkdir
      NOTIFY(__NR_mkdir),
#endif
      NOTIFY(__NR_mkdirat),
      NOTIFY(__NR_execve),
      NOTIFY(__NR_execveat),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("no_new_privs");
  int listener = (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) fail("seccomp");
  return listener;
}

static int connected(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (connect(connection, (struct sockaddr *)&address, sizeof address)) fail("connect");
  return connection;
}

static void deliver(int connection, const char *text, size_t length, const int *descriptors, size_t count) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {0};
  struct iovec vector = {(char *)text, length};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = (struct cmsghdr *)control;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
  }
  // The agent may have refused the process that connected.
  if (sendmsg(connection, &message, MSG_NOSIGNAL) < 0 && errno != EPIPE) fail("sendmsg");
}

static void nothing(int signal) { (void)signal; }

/// With a handler a signal interrupts a call that waits for the agent, and the kernel then makes the call again.
static void interruptible(void) {
  struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};

  if (sigaction(SIGURG, &action, NULL)) fail("sigaction");
}

/// The command ignores the signals: execve(2) resets the handler, and SIGURG is ignored without one.
static void interrupt(pid_t child) {
  for (int count = 0; count < 400; count++) {
    kill(child, SIGURG);
    usleep(100);
  }
}

static char *named(const char *state) {
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  if (!out) fail("memory");
  for (; *state; state++)
    if (*state == '@') fprintf(out, "%d", getpid());
    else fputc(*state, out);
  fclose(out);
  return text;
}

int main(int count, char **words) {
  if (count < 5) return 125;
  const char *what = words[3];
  int confined = !strcmp(what, "confined");
  int connection = confined ? -1 : connected(words[1]);
  if (!strcmp(what, "signals")) interruptible();
  pid_t child = fork();

  if (child < 0) fail("fork");
  if (child > 0) {
    int status;
    char end;
    if (!strcmp(what, "signals")) interrupt(child);
    // The agent examines this process, until it closes the connection.
    if (connection >= 0) (void)!read(connection, &end, 1);
    close(connection);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  char *text = named(words[2]);
  int sent[2] = {install(), open("/dev/null", O_RDONLY | O_CLOEXEC)};
  if (confined) connection = connected(words[1]);
  if (!strcmp(what, "null")) deliver(connection, text, strlen(text), sent + 1, 1);
  else if (!strcmp(what, "two")) deliver(connection, text, strlen(text), sent, 2);
  else if (!strcmp(what, "nothing")) deliver(connection, text, strlen(text), NULL, 0);
  else if (!strcmp(what, "bytes")) {
    deliver(connection, text, 1, sent, 1);
    for (char *at = text + 1; *at; at++) deliver(connection, at, 1, NULL, 0);
  } else if (strcmp(what, "silent")) deliver(connection, text, strlen(text), sent, 1);
  else shutdown(connection, SHUT_WR);
  close(sent[0]);
  close(connection);
  execvp(words[4], words + 4);
  fprintf(stderr, "not started: %s\n", strerror(errno));
  return 126;
}
