// SPDX-License-Identifier: MIT
/* Makes the namespaces of a command, by a process that is only there to have been born in them. */
#include "namespaces.h"

#include <linux/fcntl.h>
#include <linux/in6.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/sockios.h>
#include <linux/wait.h>

#include "kernel.h"
#include "orders.h"
#include "poll.h"
#include "print.h"

enum { IPV4 = 2, IPV6 = 10, NETLINK = 16, STREAM = 1, DATAGRAM = 2, RAW = 3, CLOSE_ON_EXEC = O_CLOEXEC };
enum {
  IPV6_LEVEL = 41,
  ONLY_IPV6 = 26,
  FREE_BIND = 78,
  BACKLOG = 128,
  LOOPBACK = 1 /* the index of lo in each namespace */
};
enum { UP = 1 /* IFF_UP */ };
enum { MAP_SHARED = 1, MAP_ANONYMOUS = 0x20, READ_WRITE = 3, MAX_MAP = 4096 };

/* Shared with the process that is born in the namespaces. */
struct work {
  long error;
  const char *what;
  int has_network;
  const struct endpoint *endpoints;
  uint32_t count;
  int ready, parent; /* the sockets by which the two wait for each other */
  int sockets[MAX_ENDPOINTS];
};

/* ── In the namespaces ───────────────────────────────────────────────────────────────────────────────────────────── */

static long raise_loopback(void) {
  long socket = CALL(__NR_socket, IPV4, DATAGRAM | CLOSE_ON_EXEC, 0);
  if (socket < 0) return socket;
  /* struct ifreq; its header includes the C library's. */
  struct {
    char name[16];
    uint16_t flags;
    unsigned char rest[22];
  } request = {.name = "lo", .flags = UP};
  long result = CALL(__NR_ioctl, socket, SIOCSIFFLAGS, &request);
  CALL(__NR_close, socket);
  return result;
}

/* `ip route add local default dev lo`. */
static long make_all_local(unsigned char family) {
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
    struct rtattr attribute;
    uint32_t device;
  } request = {
      .header = {sizeof request, RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, 1, 0},
      .route = {.rtm_family = family,
                .rtm_table = RT_TABLE_LOCAL,
                .rtm_protocol = RTPROT_STATIC,
                .rtm_scope = RT_SCOPE_HOST,
                .rtm_type = RTN_LOCAL},
      .attribute = {sizeof request.attribute + sizeof request.device, RTA_OIF},
      .device = LOOPBACK,
  };
  struct {
    struct nlmsghdr header;
    int error;
    char rest[256];
  } answer = {.error = -EPROTO};
  long socket = CALL(__NR_socket, NETLINK, RAW | CLOSE_ON_EXEC, NETLINK_ROUTE);
  if (socket < 0) return socket;
  long result = CALL(__NR_write, socket, &request, sizeof request);
  if (result >= 0) result = CALL(__NR_read, socket, &answer, sizeof answer);
  CALL(__NR_close, socket);
  if (result < 0) return result;
  return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error : -EPROTO;
}

static uint16_t to_network_order(uint16_t port) { return (uint16_t)(port << 8 | port >> 8); }

static long bind_to(int socket, const struct endpoint *endpoint, int family) {
  if (family == IPV6) {
    struct sockaddr_in6 address = {.sin6_family = IPV6, .sin6_port = to_network_order(endpoint->port)};
    memcpy(&address.sin6_addr, endpoint->address, 16);
    return CALL(__NR_bind, socket, &address, sizeof address);
  }
  struct {
    uint16_t family, port;
    unsigned char address[4], zero[8];
  } address = {.family = IPV4, .port = to_network_order(endpoint->port)};
  memcpy(address.address, endpoint->address + 12, 4);
  return CALL(__NR_bind, socket, &address, sizeof address);
}

static long make_socket(const struct endpoint *endpoint, int family) {
  const int off = 0, on = 1;
  long socket = CALL(__NR_socket, family, (endpoint->is_datagram ? DATAGRAM : STREAM) | CLOSE_ON_EXEC, 0);
  if (socket < 0) return socket;
  long result = family == IPV6 ? CALL(__NR_setsockopt, socket, IPV6_LEVEL, ONLY_IPV6, &off, sizeof off) : 0;
  /* A local route suffices for IPv4 only (inet6_bind(), net/ipv6/af_inet6.c). */
  if (result >= 0 && family == IPV6) result = CALL(__NR_setsockopt, socket, IPV6_LEVEL, FREE_BIND, &on, sizeof on);
  if (result >= 0) result = bind_to((int)socket, endpoint, family);
  if (result >= 0 && !endpoint->is_datagram) result = CALL(__NR_listen, socket, BACKLOG);
  if (result >= 0) return socket;
  CALL(__NR_close, socket);
  return result;
}

static long make_any_socket(const struct endpoint *endpoint) {
  static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}, any[16];
  if (memcmp(endpoint->address, mapped, sizeof mapped) == 0) return make_socket(endpoint, IPV4);
  long socket = make_socket(endpoint, IPV6);
  /* Its last four bytes are those of 0.0.0.0, too. */
  if (socket < 0 && memcmp(endpoint->address, any, sizeof any) == 0) return make_socket(endpoint, IPV4);
  return socket;
}

static long furnish(struct work *work) {
  if (!work->has_network) return 0;
  work->what = "the loopback device cannot be raised";
  long result = raise_loopback();
  if (result < 0) return result;
  work->what = "the loopback device gets no addresses";
  result = make_all_local(IPV4);
  if (result < 0) return result;
  make_all_local(IPV6); /* the kernel may lack IPv6, and then no program uses it */
  work->what = "a socket cannot be made";
  for (uint32_t i = 0; i < work->count; i++) {
    result = make_any_socket(&work->endpoints[i]);
    if (result < 0) return result;
    work->sockets[i] = (int)result;
  }
  work->what = NULL;
  return 0;
}

static void be_born(void *argument) {
  struct work *work = argument;
  unsigned char byte = 0;
  CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  /* The kernel gives the files of a process that is not dumpable to root: its parent could not write the maps. */
  CALL(__NR_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
  write_all(work->ready, &byte, 1);
  if (read_all(work->ready, &byte, 1) == 0) work->error = furnish(work);
  exit_process(0);
}

/* ── Outside ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

static long open_of(int pid, const char *name, int flags) {
  char path[64] = "/proc/", *at = append_number(path + 6, (uint64_t)pid);
  *at++ = '/';
  memcpy(at, name, string_length(name) + 1);
  return CALL(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

/* The kernel takes such a file in one write. */
static long write_of(int pid, const char *name, const char *text, size_t size) {
  long file = open_of(pid, name, O_WRONLY);
  if (file < 0) return file;
  long result = CALL(__NR_write, file, text, size);
  CALL(__NR_close, file);
  return result < 0 ? result : 0;
}

static const char *read_number(const char *at, const char *end, uint64_t *number) {
  while (at < end && (*at < '0' || *at > '9')) at++;
  for (*number = 0; at < end && *at >= '0' && *at <= '9'; at++) *number = 10 * *number + (uint64_t)(*at - '0');
  return at;
}

/* All users of this namespace, each as itself. Needs CAP_SETUID or CAP_SETGID. */
static long map_all(int pid, const char *name) {
  static char from[MAX_MAP], to[MAX_MAP];
  long file = open_of((int)CALL(__NR_getpid, 0), name, O_RDONLY);
  if (file < 0) return file;
  long size = CALL(__NR_read, file, from, sizeof from);
  CALL(__NR_close, file);
  if (size < 0) return size;
  const char *at = from, *end = from + size;
  char *into = to;
  for (;;) {
    uint64_t first, outside, count;
    at = read_number(at, end, &first);
    at = read_number(at, end, &outside);
    at = read_number(at, end, &count);
    if (count == 0 || into - to > MAX_MAP - 64) break;
    into = append_number(into, first);
    *into++ = ' ';
    into = append_number(into, first);
    *into++ = ' ';
    into = append_number(into, count);
    *into++ = '\n';
  }
  return write_of(pid, name, to, (size_t)(into - to));
}

/* The caller's own user or group, as itself. */
static long map_one(int pid, const char *name, uint64_t id) {
  char text[48], *at = append_number(text, id);
  *at++ = ' ';
  at = append_number(at, id);
  memcpy(at, " 1\n", 3);
  return write_of(pid, name, text, (size_t)(at + 3 - text));
}

static long map_users(int pid) {
  if (map_all(pid, "uid_map") == 0 && map_all(pid, "gid_map") == 0) return 0;
  long result = write_of(pid, "setgroups", "deny", 4);
  if (result == 0) result = map_one(pid, "uid_map", (uint64_t)CALL(__NR_geteuid, 0));
  /* The first attempt may have written the one map, and not the other. */
  return result == 0 || result == -EPERM ? map_one(pid, "gid_map", (uint64_t)CALL(__NR_getegid, 0)) : result;
}

/* Until the process in the namespaces has been born, or has ended. */
static int await_birth(int socket, int pidfd) {
  struct pollfd sources[2] = {{socket, POLLIN, 0}, {pidfd, POLLIN, 0}};
  unsigned char byte;
  do wait_readable(sources, 2, 0);
  while (sources[0].revents == 0 && sources[1].revents == 0);
  return sources[0].revents != 0 && read_all(socket, &byte, 1) == 0;
}

/* Opens the namespaces of the process that was born in them. */
static long open_namespaces(struct namespaces *namespaces, int pid, int has_network, const char **what) {
  *what = "the users of a user namespace cannot be set";
  long result = map_users(pid);
  if (result < 0) return result;
  *what = "the namespaces cannot be opened";
  result = open_of(pid, "ns/user", O_RDONLY);
  if (result >= 0) namespaces->user = (int)result;
  if (result >= 0 && has_network) result = open_of(pid, "ns/net", O_RDONLY);
  if (result >= 0 && has_network) namespaces->net = (int)result;
  return result;
}

static long make_all(struct namespaces *namespaces, int has_network, const struct endpoint *endpoints, uint32_t count,
                     int *sockets, const char **what) {
  int pair[2], pidfd = -1;
  *namespaces = (struct namespaces){-1, -1};
  *what = NULL;
  long mapped = CALL(__NR_mmap, 0, sizeof(struct work), READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  unsigned char *stack = allocate(CHILD_STACK);
  if ((mapped < 0 && mapped > -4096) || stack == NULL) return -ENOMEM;
  long result = make_sockets(pair);
  if (result < 0) return result;
  struct work *work = (struct work *)mapped;
  *work = (struct work){.error = -ESRCH,
                        .has_network = has_network,
                        .endpoints = endpoints,
                        .count = count,
                        .ready = pair[1],
                        .parent = pair[0]};
  for (uint32_t i = 0; i < MAX_ENDPOINTS; i++) work->sockets[i] = -1;
  /* With our descriptors, so that the sockets are ours, and with a copy of our memory. Without a signal at its end. */
  const unsigned long flags = CLONE_NEWUSER | (has_network ? CLONE_NEWNET : 0) | CLONE_FILES | CLONE_PIDFD;
  long pid = clone_child(flags, stack + CHILD_STACK, &pidfd, be_born, work);
  result = pid;
  if (pid < 0)
    *what = has_network ? "this user cannot create a user and a network namespace"
                        : "this user cannot create a user namespace";
  if (pid > 0) {
    unsigned char byte = 0;
    result = await_birth(pair[0], pidfd) ? open_namespaces(namespaces, (int)pid, has_network, what) : -ESRCH;
    if (result >= 0) write_all(pair[0], &byte, 1);
    else CALL(__NR_kill, pid, SIGKILL);
    while (CALL(__NR_wait4, pid, 0, __WALL, 0) == -EINTR) continue;
    if (result >= 0) {
      *what = work->what;
      result = work->error;
    }
    CALL(__NR_close, pidfd);
  }
  for (uint32_t i = 0; i < count; i++) {
    if (result >= 0) sockets[i] = work->sockets[i];
    else if (work->sockets[i] >= 0) CALL(__NR_close, work->sockets[i]);
  }
  CALL(__NR_close, pair[0]);
  CALL(__NR_close, pair[1]);
  CALL(__NR_munmap, mapped, sizeof(struct work));
  CALL(__NR_munmap, stack, CHILD_STACK);
  if (result >= 0) return 0;
  if (namespaces->user >= 0) CALL(__NR_close, namespaces->user);
  if (namespaces->net >= 0) CALL(__NR_close, namespaces->net);
  *namespaces = (struct namespaces){-1, -1};
  return result;
}

long make_network(struct namespaces *namespaces, const struct endpoint *endpoints, uint32_t count, int *sockets,
                  const char **what) {
  return make_all(namespaces, 1, endpoints, count, sockets, what);
}

long make_user_namespace(struct namespaces *namespaces, const char **what) {
  return make_all(namespaces, 0, NULL, 0, NULL, what);
}

long enter_namespaces(const struct namespaces *namespaces) {
  long result = CALL(__NR_setns, namespaces->user, CLONE_NEWUSER);
  return result < 0 || namespaces->net < 0 ? result : CALL(__NR_setns, namespaces->net, CLONE_NEWNET);
}
