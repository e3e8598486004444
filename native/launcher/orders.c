// SPDX-License-Identifier: MIT
/* Reads and writes the launcher's protocol, and passes descriptors over Unix sockets. */
#include "orders.h"

#include <linux/fcntl.h>
#include <linux/net.h>

#include "bundle.h"
#include "kernel.h"
#include "layer_format.h"

enum { UNIX = 1, STREAM = 1, CLOSE_ON_EXEC = 0x40000000 };

/* ── Orders ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

static int is_order(const struct orders_header *header) {
  int is_extended = (header->flags & EXTENDED) != 0;
  if (header->magic != ORDERS_MAGIC) return 0;
  switch (header->kind) {
    case DESCRIPTOR:
    case TRY_MOUNTS:
      return 1;
    case MAKE_NETWORK:
      return header->filter_length > 0 && header->filter_length <= MAX_ENDPOINTS;
    case BECOME:
      if ((header->flags & ~(uint32_t)BEST_EFFORT) != EXTENDED) return 0;
      break;
    case START:
      if (is_extended && (header->flags & WANT_LISTENER) != 0) return 0;
      break;
    default:
      return 0;
  }
  if (header->layers_size > (is_extended ? 0 : (uint32_t)MAX_LAYERS_SIZE) || header->reserved != 0) return 0;
  if (header->variables_size > (header->kind == START ? (uint32_t)MAX_VARIABLES_SIZE : 0)) return 0;
  return header->filter_length > 0 &&
         header->filter_length <= (is_extended ? (uint32_t)MAX_BUNDLE_SIZE : MAX_INSTRUCTIONS) &&
         header->fallback_length <= (is_extended ? (uint32_t)MAX_PARAMETERS : MAX_INSTRUCTIONS);
}

static size_t filters_size(const struct orders_header *header) {
  return ((size_t)header->filter_length + header->fallback_length) * sizeof(struct sock_filter);
}

static long read_variables(int socket, struct orders *orders) {
  const size_t size = orders->header.variables_size;
  if (size == 0) return 0;
  orders->variables = allocate(size);
  if (orders->variables == NULL) return -ENOMEM;
  long result = read_all(socket, orders->variables, size);
  return result == 0 && orders->variables[size - 1] != 0 ? -EPROTO : result;
}

static long read_endpoints(int socket, struct orders *orders) {
  const size_t size = orders->header.filter_length * sizeof(struct endpoint);
  orders->endpoints = allocate(size);
  return orders->endpoints == NULL ? -ENOMEM : read_all(socket, orders->endpoints, size);
}

static long read_payload(int socket, struct orders *orders) {
  struct orders_header *header = &orders->header;
  long result;
  if ((header->flags & EXTENDED) == 0) {
    orders->filters = allocate(filters_size(header));
    orders->layers = allocate(header->layers_size + 1);
    if (orders->filters == NULL || orders->layers == NULL) return -ENOMEM;
    result = read_all(socket, orders->filters, filters_size(header));
    if (result == 0) result = read_all(socket, orders->layers, header->layers_size);
    if (result == 0 && check_layers(orders->layers, header->layers_size) != NULL) result = -EPROTO;
    return result;
  }
  orders->bundle = allocate(header->filter_length + 1);
  if (orders->bundle == NULL) return -ENOMEM;
  result = read_all(socket, orders->bundle, header->filter_length);
  return result < 0 ? result : read_all(socket, orders->parameters, header->fallback_length * sizeof(uint64_t));
}

long read_orders(int socket, struct orders *orders) {
  struct orders_header *header = &orders->header;
  orders->filters = NULL;
  orders->bundle = orders->layers = NULL;
  orders->variables = NULL;
  orders->endpoints = NULL;
  long result = read_all(socket, header, sizeof *header);
  if (result < 0) return result;
  if (!is_order(header)) return -EPROTO;
  if (header->kind == DESCRIPTOR || header->kind == TRY_MOUNTS) return 0;
  if (header->kind == MAKE_NETWORK) return read_endpoints(socket, orders);
  result = read_payload(socket, orders);
  return result < 0 ? result : read_variables(socket, orders);
}

void write_orders(int socket, const struct orders *orders) {
  const struct orders_header *header = &orders->header;
  write_all(socket, header, sizeof *header);
  if (orders->filters != NULL) write_all(socket, orders->filters, filters_size(header));
  if (orders->bundle != NULL) {
    write_all(socket, orders->bundle, header->filter_length);
    write_all(socket, orders->parameters, header->fallback_length * sizeof(uint64_t));
  }
}

/* ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* struct iovec, struct msghdr, and struct cmsghdr with space for descriptors. */
struct vector {
  void *base;
  size_t length;
};
struct envelope {
  void *name;
  size_t name_length;
  struct vector *vector;
  size_t vectors;
  void *control;
  size_t control_length;
  long flags;
};
struct rights {
  size_t length;
  int level, type;
  int descriptors[MAX_DESCRIPTORS];
};
enum { RIGHTS_HEADER = 16, SOCKET_LEVEL = 1, RIGHTS = 1 };

long pass_descriptors(int socket, const void *bytes, size_t size, const int *descriptors, int count) {
  struct rights rights = {RIGHTS_HEADER + (size_t)count * sizeof(int), SOCKET_LEVEL, RIGHTS, {0}};
  for (int i = 0; i < count; i++) rights.descriptors[i] = descriptors[i];
  struct vector vector = {(void *)bytes, size};
  struct envelope envelope = {.vector = &vector, .vectors = 1, .control = &rights};
  envelope.control_length = RIGHTS_HEADER + (((size_t)count * sizeof(int) + 7) & ~7ul);
  long result;
  do result = CALL(__NR_sendmsg, socket, &envelope, MSG_NOSIGNAL);
  while (result == -EINTR);
  return result >= 0 || result == -EPIPE || result == -ECONNRESET ? 0 : result;
}

long send_message(int socket, const struct message *message, const int *descriptors, int count) {
  if (count > 0) return pass_descriptors(socket, message, sizeof *message, descriptors, count);
  write_all(socket, message, sizeof *message);
  return 0;
}

/* A stream takes no descriptors with an empty message (net/unix/af_unix.c). */
long try_passing(int socket) { return pass_descriptors(socket, NULL, 0, &socket, 1); }

long receive_message(int socket, struct message *message, int *descriptor) {
  struct rights rights = {0};
  struct vector vector = {message, sizeof *message};
  struct envelope envelope = {.vector = &vector, .vectors = 1, .control = &rights, .control_length = sizeof rights};
  long count;
  *descriptor = -1;
  do count = CALL(__NR_recvmsg, socket, &envelope, CLOSE_ON_EXEC);
  while (count == -EINTR);
  if (count <= 0) return count < 0 ? count : -EPROTO;
  if (envelope.control_length >= RIGHTS_HEADER + sizeof(int) && rights.level == SOCKET_LEVEL && rights.type == RIGHTS)
    *descriptor = rights.descriptors[0];
  return read_all(socket, (unsigned char *)message + count, sizeof *message - (size_t)count);
}

/* ── Descriptors ─────────────────────────────────────────────────────────────────────────────────────────────────── */

long make_sockets(int sockets[2]) {
  long result = CALL(__NR_socketpair, UNIX, STREAM | O_CLOEXEC, 0, sockets);
  if (result < 0) return result;
  /* A closed standard stream stays closed: output to it must not reach our socket. */
  for (int i = 0; i < 2; i++) {
    if (sockets[i] > 2) continue;
    result = CALL(__NR_fcntl, sockets[i], F_DUPFD_CLOEXEC, 3);
    CALL(__NR_close, sockets[i]);
    if (result < 0) return result;
    sockets[i] = (int)result;
  }
  return 0;
}

void close_all_except(const int *descriptors, int count) {
  for (long from = 0;;) {
    /* The smallest of them that is not below `from`. */
    long next = -1;
    for (int i = 0; i < count; i++)
      if (descriptors[i] >= from && (next < 0 || descriptors[i] < next)) next = descriptors[i];
    if (next != from) CALL(__NR_close_range, from, next < 0 ? 0xffffffffu : next - 1, 0);
    if (next < 0) return;
    from = next + 1;
  }
}
