/*
 * The npm worms of 2025: the script of a package downloads a runtime and executes it, reads the user's tokens and sends
 * them away. Here the runtime is a copy of /bin/true, the token is this program's own, and it goes to this machine.
 */
#define _GNU_SOURCE
#include "pattern.h"
#include <arpa/inet.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { harmless = 0, won = 42 };
static char home[] = "/tmp/pattern-XXXXXX";

static void prepare(void) {
  char token[64];
  int file;

  require(mkdtemp(home) != NULL, home);
  snprintf(token, sizeof token, "%s/.npmrc", home);
  file = open(token, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  require(file >= 0 && write(file, "_authToken=none\n", 16) == 16 && close(file) == 0, token);
}

/* Copies a program into the package and executes it. */
static int downloads(void) {
  char runtime[64];
  struct stat found;
  int from, to;

  snprintf(runtime, sizeof runtime, "%s/bun", home);
  from = open("/bin/true", O_RDONLY | O_CLOEXEC);
  to = open(runtime, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
  require(from >= 0 && to >= 0 && fstat(from, &found) == 0, runtime);
  require(sendfile(to, from, NULL, (size_t)found.st_size) == found.st_size && close(to) == 0, runtime);
  execl(runtime, runtime, (char *)NULL);
  return won + 1;
}

static int connects(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  return any >= 0 && connect(any, (struct sockaddr *)&to, sizeof to) == 0 && send(any, "none", 4, 0) == 4;
}

static int steals(void) {
  char token[64], content[32];
  int file;

  snprintf(token, sizeof token, "%s/.npmrc", home);
  file = open(token, O_RDONLY | O_CLOEXEC);
  require(file >= 0 && read(file, content, sizeof content) > 0, token);
  return connects() ? won : harmless;
}

static bool wins(void) {
  static int rounds;

  return rounds++ % 2 == 0 ? in_child(downloads) == 0 : in_child(steals) == won;
}

/* The script of a package that compiles: it runs a program of the system, writes a file, and asks a server. */
static int builds(void) { return execl("/bin/true", "true", (char *)NULL); }

static void legitimate(void) {
  static char output[64];
  int file;

  if (output[0] == 0) {
    require(mkdtemp(home) != NULL, home);
    snprintf(output, sizeof output, "%s/output", home);
  }
  file = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  require(file >= 0 && write(file, "x", 1) == 1 && close(file) == 0, output);
  require(in_child(builds) == 0, "/bin/true");
  require(connects(), "a server");
}
