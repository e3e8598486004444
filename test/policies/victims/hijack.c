/*
 * hijack.so, for LD_PRELOAD: an attacker's code inside a server. On SIGWINCH the server's process binds an address,
 * reads its parent's memory and starts a shell. It writes the results to the file in HIJACK, one per line: "bind
 * ERRNO-NUMBER" or "bind ok", and so on; the shell adds a last line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int out;

static void tell(const char *what, long result) {
  char line[64];
  int length =
      result < 0 ? snprintf(line, sizeof(line), "%s %d\n", what, errno) : snprintf(line, sizeof(line), "%s ok\n", what);

  if (write(out, line, length) != length) _exit(125);
}

static void hijacked(int signal) {
  sa_family_t unnamed = AF_UNIX;
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);

  (void)signal;
  tell("bind", bind(fd, (struct sockaddr *)&unnamed, sizeof(unnamed)));
  tell("listen", listen(fd, 1));
  tell("kcmp", syscall(SYS_kcmp, getppid(), getpid(), KCMP_FILES, 0, 0));
  dup2(out, 9);
  execl("/bin/sh", "sh", "-c", "echo shell >&9", (char *)NULL);
  tell("exec", -1);
  _exit(125);
}

__attribute__((constructor)) static void prepare(void) {
  const char *name = getenv("HIJACK");
  struct sigaction action = {.sa_handler = hijacked};

  if (name == NULL) return;
  out = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (out < 0 || sigaction(SIGWINCH, &action, NULL)) exit(125);
  unsetenv("LD_PRELOAD"); /* not for the shell */
}
