/*
 * reach_around PORT WHAT: connects to this port of the loopback before and after it opens, links or renames something in the
 * working directory (secrets.ts has the same in Python), and prints "reached" or the error of each connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void reach(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  puts(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? "reached" : strerror(errno));
  fflush(stdout);
  close(fd);
}

static void must(const char *what, int result) {
  if (result >= 0) return;
  perror(what);
  exit(125);
}

static void opens(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);

  must(path, fd);
  close(fd);
}

static void key(void) { opens("id_rsa"); }
static void key_in_child(void) {
  int status;
  pid_t child = fork();

  if (child == 0) {
    key();
    _exit(0);
  }
  must("fork", child);
  must("wait", waitpid(child, &status, 0));
  if (status != 0) exit(125);
}
static void absolute(void) {
  char path[4096];

  if (getcwd(path, sizeof(path) - 20) == NULL) exit(125);
  opens(strcat(path, "/.aws/../id_rsa"));
}
static void from_directory(void) { must("s", openat(open(".aws", O_RDONLY), "s", O_RDONLY)); }
static void in_directory(void) {
  must(".aws", chdir(".aws"));
  opens("s");
}
static void by_link(void) {
  must("symlink", symlink("id_rsa", "x"));
  opens("x");
}
static void by_hard_link(void) {
  if (link("id_rsa", "x") != 0) perror("link"); /* the attempt counts */
}
static void by_new_name(void) {
  must("rename", rename("id_rsa", "x"));
  opens("x");
}
static void variables(void) {
  char path[64];

  snprintf(path, sizeof(path), "/proc/%d/environ", getpid());
  opens(path);
}
static void harmless(void) { opens("id_rsa.pub"); }

static const struct {
  const char *name;
  void (*does)(void);
} statements[] = {
    {"a key", key},
    {"a key in a child", key_in_child},
    {"a key by an absolute path and dots", absolute},
    {"a file from the directory of secrets", from_directory},
    {"a file in the directory of secrets", in_directory},
    {"a link to it", by_link},
    {"a hard link to it", by_hard_link},
    {"a new name", by_new_name},
    {"the variables of a process", variables},
    {"another file", harmless},
};

int main(int argc, char **argv) {
  if (argc != 3) return 125;
  for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
    if (strcmp(statements[i].name, argv[2]) != 0) continue;
    reach(atoi(argv[1]));
    statements[i].does();
    reach(atoi(argv[1]));
    return 0;
  }
  return 125;
}
