// SPDX-License-Identifier: MIT
/* Finds an agent that may be trusted, asks it, and passes its text to standard error. */
#include "agent.h"

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/poll.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <linux/un.h>

#include <asm/socket.h>

#include "kernel.h"
#include "orders.h"
#include "output.h"
#include "poll.h"
#include "process_status.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

enum { STREAM = 1, NO_BLOCKING = 00004000, CLOSE_ON_EXEC = 02000000, DONT_WAIT = 0x40 /* MSG_DONTWAIT */ };
enum { PATIENCE = 1 /* second */ };

/* ── Whom to trust ───────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * A confined process of this user can make a socket of the agent's name. What it orders would run outside of its
 * confinement, so an agent may not be more confined than this process. Its id is certain while its pidfd shows that it
 * has not ended.
 */
static int is_trusted(int socket, struct agent *agent) {
  struct {
    int pid;
    unsigned user, group;
  } peer = {0, ~0u, ~0u}; /* struct ucred */
  int size = sizeof peer;
  if (CALL(__NR_getsockopt, socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0) return 0;
  if (peer.user != 0 && peer.user != (unsigned)CALL(__NR_geteuid, 0)) return 0;
  int pidfd = -1;
  size = sizeof pidfd;
  if (CALL(__NR_getsockopt, socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) return 0;
  const struct confinement_status its = confinement_of((unsigned)peer.pid), own = confinement_of(0);
  struct pollfd end = {pidfd, POLLIN, 0};
  struct __kernel_timespec none = {0, 0};
  const int runs = CALL(__NR_ppoll, &end, 1, &none, 0, 0) == 0;
  CALL(__NR_close, pidfd);
  agent->pid = peer.pid;
  agent->is_of_other_user = peer.user != (unsigned)CALL(__NR_geteuid, 0);
  return runs && its.filters >= 0 && its.filters <= own.filters && its.no_new_privileges >= 0 &&
         its.no_new_privileges <= own.no_new_privileges;
}

/* A connection to a trusted agent, or -1. It is not blocking: an agent that is stopped must not hang a start. */
static int connect_to(const char *folder, const char *name, struct agent *agent) {
  struct sockaddr_un address = {.sun_family = 1 /* AF_UNIX */};
  const size_t first = string_length(folder), second = string_length(name);
  if (first + second >= sizeof address.sun_path) return -1;
  memcpy(address.sun_path, folder, first);
  memcpy(address.sun_path + first, name, second);
  int socket = (int)CALL(__NR_socket, 1 /* AF_UNIX */, STREAM | NO_BLOCKING | CLOSE_ON_EXEC, 0);
  if (socket >= 0 && socket <= 2) {
    /* A closed standard stream stays closed. */
    const int low = socket;
    socket = (int)CALL(__NR_fcntl, low, F_DUPFD_CLOEXEC, 3);
    CALL(__NR_close, low);
  }
  if (socket < 0) return -1;
  const long size = (long)(sizeof address.sun_family + first + second + 1);
  if (CALL(__NR_connect, socket, &address, size) == 0 && is_trusted(socket, agent)) return socket;
  CALL(__NR_close, socket);
  return -1;
}

static struct incoming {
  struct agent_message message;
  char text[MAX_TEXT];
  size_t received; /* bytes of both */
  size_t printed;  /* of the text */
  int is_dropped;  /* text that standard error does not take at once */
} *incoming;       /* allocated with the connection */

/* ── The request ─────────────────────────────────────────────────────────────────────────────────────────────────── */

/* What the agent needs of the environment: where the compiled policies are. */
static const char *const wanted[] = {"HOME=", "XDG_CACHE_HOME="};

/* Allocated only where there is an agent, because a caller can limit the data of all its processes. */
static struct request {
  struct agent_request header;
  char strings[MAX_REQUEST_STRINGS];
} *request;

static int add_string(const char *text) {
  const size_t size = string_length(text) + 1;
  if (size > sizeof request->strings - request->header.size) return 0;
  memcpy(request->strings + request->header.size, text, size);
  request->header.size += (uint32_t)size;
  return 1;
}

static int identify(const char *path, struct identity *identity) {
  struct statx status;
  if (CALL(__NR_statx, AT_FDCWD, path, 0, STATX_INO, &status) < 0) return 0;
  *identity = (struct identity){status.stx_dev_major, status.stx_dev_minor, status.stx_ino};
  return 1;
}

static int make_request(char **words, uint32_t count, char **environment) {
  struct agent_request *header = &request->header;
  *header = (struct agent_request){.magic = AGENT_MAGIC, .words = count};
  for (uint32_t i = 0; i < count; i++)
    if (!add_string(words[i])) return 0;
  char directory[PATH_MAX];
  if (CALL(__NR_getcwd, directory, sizeof directory) <= 0 || !add_string(directory)) return 0;
  for (; *environment != NULL; environment++)
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
      if (!starts_with(*environment, wanted[i], string_length(wanted[i]))) continue;
      if (!add_string(*environment)) return 0;
      header->variables++;
    }
  return identify("/proc/self/ns/mnt", &header->mounts) && identify("/proc/self/ns/pid", &header->processes) &&
         identify("/proc/self/ns/user", &header->users) && identify("/", &header->root) &&
         identify(".", &header->directory);
}

/* One write each: the socket's buffer takes the whole request, or the agent reads too slowly. */
static int send_request(int socket, int descriptor) {
  if (pass_descriptors(socket, &request->header, sizeof request->header, &descriptor, 1) < 0) return 0;
  const long size = request->header.size;
  return CALL(__NR_sendto, socket, request->strings, size, MSG_NOSIGNAL, 0, 0) == size;
}

int is_accepted(const struct agent *agent) {
  struct agent_message answer = {0, 0};
  struct pollfd source = {agent->socket, POLLIN, 0};
  struct __kernel_timespec limit = {PATIENCE, 0};
  wait_readable(&source, 1, &limit);
  return CALL(__NR_recvfrom, agent->socket, &answer, sizeof answer, DONT_WAIT, 0, 0) == sizeof answer &&
         answer.kind == ACCEPTED;
}

/*
 * $XDG_RUNTIME_DIR; without it systemd's folder of this user, if it is that: no other user could have made it. Any user
 * can make a folder in /tmp.
 */
static const char *runtime_folder(char **environment) {
  static const char name[] = "XDG_RUNTIME_DIR=";
  for (; *environment != NULL; environment++)
    if (starts_with(*environment, name, sizeof name - 1) && (*environment)[sizeof name - 1] != 0)
      return (*environment)[sizeof name - 1] == '/' ? *environment + sizeof name - 1 : NULL;
  static char own[24] = "/run/user/";
  const unsigned user = (unsigned)CALL(__NR_geteuid, 0);
  write_number(own + string_length(own), user);
  enum { TYPE = 0170000, FOLDER = 0040000, PERMISSIONS = 07777 };
  struct statx found;
  if (CALL(__NR_statx, AT_FDCWD, own, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found) < 0) return NULL;
  const int is_own = found.stx_uid == user && (found.stx_mode & TYPE) == FOLDER;
  return is_own && (found.stx_mode & PERMISSIONS) == 0700 ? own : NULL;
}

static int exists(const char *name, size_t length, const char *ending) {
  char path[PATH_MAX];
  const size_t size = string_length(ending) + 1;
  if (length + size > sizeof path) return 1;
  memcpy(path, name, length);
  memcpy(path + length, ending, size);
  return length > 0 && CALL(__NR_faccessat, AT_FDCWD, path, 0, 0) == 0;
}

/*
 * Another user's agent sees no file of ours, and takes -p NAME for a policy of its own. Here NAME is a file before it is
 * that (src/cli/policy/arguments.ts, policyFile()). Any word can be the name, because the options are not read here.
 */
static int may_name_file(char **words, uint32_t count) {
  static const char *const endings[] = {"", ".ts", ".json", ".pcl"};
  static const char *const options[] = {"", "-p", "--policy="};
  for (uint32_t i = 2; i < count && !strings_equal(words[i], "--"); i++)
    for (unsigned o = 0; o < sizeof options / sizeof *options; o++) {
      const size_t start = string_length(options[o]);
      if (!starts_with(words[i], options[o], start)) continue;
      const char *name = words[i] + start;
      for (unsigned e = 0; e < sizeof endings / sizeof *endings; e++)
        if (exists(name, string_length(name), endings[e])) return 1;
    }
  return 0;
}

/* Whether the request is sent: then `sockets` has the launcher's socket and ours. */
static int send_to(int socket, int sockets[2], char **words, uint32_t count, char **environment) {
  request = allocate(sizeof *request);
  if (request == NULL) return 0;
  int is_sent = 0;
  if (make_request(words, count, environment) && make_sockets(sockets) == 0) {
    is_sent = send_request(socket, sockets[0]);
    CALL(__NR_close, sockets[0]);
    if (!is_sent) CALL(__NR_close, sockets[1]);
  }
  CALL(__NR_munmap, request, sizeof *request);
  return is_sent;
}

void ask_agent(struct agent *agent, char **words, uint32_t count, char **environment) {
  agent->socket = agent->launcher = -1;
  const char *folder = runtime_folder(environment);
  int socket = folder == NULL ? -1 : connect_to(folder, "/portcullis/run.sock", agent);
  if (socket < 0) socket = connect_to("/run/portcullis", "/run.sock", agent);
  if (socket < 0) return;
  if (agent->is_of_other_user && may_name_file(words, count)) {
    CALL(__NR_close, socket);
    return;
  }
  int sockets[2];
  incoming = allocate(sizeof *incoming);
  if (incoming == NULL || !send_to(socket, sockets, words, count, environment)) {
    if (incoming != NULL) CALL(__NR_munmap, incoming, sizeof *incoming);
    incoming = NULL;
    CALL(__NR_close, socket);
    return;
  }
  agent->socket = socket;
  agent->launcher = sockets[1];
}

/* ── After the start ─────────────────────────────────────────────────────────────────────────────────────────────── */

static int is_text(void) {
  return incoming != NULL && incoming->received >= sizeof incoming->message && incoming->message.kind == TEXT;
}

static size_t expected(void) { return sizeof incoming->message + (is_text() ? incoming->message.value : 0); }

int has_text(void) { return is_text() && incoming->received == expected(); }

void drop_text(void) { incoming->is_dropped = 1; }

/* Returns whether nothing is left of the text. */
static int print_text_of_agent(void) {
  while (incoming->printed < incoming->message.value) {
    const long count = write_output(incoming->text + incoming->printed, incoming->message.value - incoming->printed);
    if (count == 0 && !incoming->is_dropped) return 0;
    if (count <= 0) break;
    incoming->printed += (size_t)count;
  }
  incoming->received = incoming->printed = 0;
  return 1;
}

int hear_agent(const struct agent *agent, uint32_t *value) {
  for (;;) {
    if (has_text() && !print_text_of_agent()) return 0;
    unsigned char *at = incoming->received < sizeof incoming->message
                            ? (unsigned char *)&incoming->message + incoming->received
                            : (unsigned char *)incoming->text + (incoming->received - sizeof incoming->message);
    const size_t whole = incoming->received < sizeof incoming->message ? sizeof incoming->message : expected();
    const long count = CALL(__NR_recvfrom, agent->socket, at, whole - incoming->received, DONT_WAIT, 0, 0);
    if (count == -EINTR) continue;
    if (count == -EAGAIN) return 0;
    if (count <= 0) return count < 0 ? (int)count : -EPIPE;
    incoming->received += (size_t)count;
    if (incoming->received < sizeof incoming->message) continue;
    const struct agent_message message = incoming->message;
    if (message.kind == TEXT && message.value > 0 && message.value <= MAX_TEXT) continue;
    incoming->received = 0;
    *value = message.value;
    return message.kind == FALL_BACK || message.kind == END ? (int)message.kind : -EPROTO;
  }
}
