// SPDX-License-Identifier: MIT
/*
 * The conversation of the launcher with Node (src/engines/launcher.ts), and with the front (front.c): orders in one
 * direction, messages in the other. Little-endian, as both architectures are.
 */
#ifndef PORTCULLIS_ORDERS_H
#define PORTCULLIS_ORDERS_H

#include <linux/filter.h>
#include <stdint.h>

#include "parameters.h"

enum { MAXIMUM_INSTRUCTIONS = 4096 };

struct orders_header {
  uint32_t magic;
  uint32_t kind; /* enum order */
  uint32_t flags;
  uint32_t filter_length;   /* instructions; with EXTENDED: the bytes of the bundle that follows */
  uint32_t fallback_length; /* instructions, 0: none; with EXTENDED: the words of open parameters behind the bundle */
  uint32_t words;           /* how many words the command has: the last ones of the launcher's own */
  int32_t descriptor;       /* of DESCRIPTOR */
  uint32_t time_limit;      /* milliseconds until the command is ended, 0: none */
  uint64_t token[2];        /* with EXTENDED: 0, the launcher draws its own */
};
enum { ORDERS_MAGIC = 0x70637633 };

enum order {
  START = 1,  /* start the command, and wait for it */
  BECOME = 2, /* with EXTENDED: the front becomes the command, after Node has exited */
  /*
   * Send a copy of a descriptor that the launcher was started with. The command does not get one above 2 that was asked
   * for: portcullis uses it.
   */
  DESCRIPTOR = 3,
};
enum {
  WANT_LISTENER = 1,   /* else the filter needs no supervisor */
  END_TREE = 2,        /* when the command has ended, end the rest of its tree */
  DIE_WITH_PARENT = 4, /* when Node or the front is gone, end the tree */
  EXTENDED = 8,        /* a bundle follows instead of classic filters */
  OWN_CGROUP = 16,     /* make a cgroup for the command: cgroup.kill ends all of it at once */
};

/* Whether the command's tree is to end with something else: then it may not reach our processes (shield.h). */
static inline int is_tied(const struct orders_header *header) {
  return (header->flags & (END_TREE | DIE_WITH_PARENT)) != 0 || header->time_limit != 0;
}

struct orders {
  struct orders_header header;
  struct sock_filter *filters; /* with EXTENDED: NULL */
  unsigned char *bundle;       /* else NULL */
  uint64_t parameters[MOST_PARAMETERS];
};

/* Reads one whole order, waiting for it. 0, or a negative errno: EPROTO where it is none. */
long read_orders(int socket, struct orders *orders);
/* Passes the same order on. */
void write_orders(int socket, const struct orders *orders);

struct message {
  uint32_t kind; /* enum message_kind */
  int32_t value;
  int32_t pid;
  uint32_t detail;
};
enum message_kind {
  STARTED = 1,     /* value: the launcher's own pid; pid; detail; the pidfd and more descriptors travel along */
  NOT_STARTED = 2, /* value: errno; detail: enum stage; a text of `pid` bytes follows */
  TIMED_OUT = 3,   /* the time limit was reached: the command is being ended */
  ENDED = 4,       /* value: the status, as wait(2) gives it */
  TREE_ENDED = 5,  /* nothing is left of the tree */
  GIVEN = 6,       /* value: 0, and the descriptor travels along; or errno */
  FRONT_GONE = 7,  /* the front was killed */
  /* To the front only. */
  READY = 8,     /* the command is about to be started: the front answers with a byte, or ends */
  CANCELLED = 9, /* it was not started after all */
  REPLACED = 10, /* the front is to become the command: orders follow */
};
/* `detail` of STARTED. TIED: where the launcher is killed, the front ends the tree. */
enum { WITHOUT_LISTENER = 1, WAITS_KILLABLE = 2, TIED = 4 };

/* Sends a message with so many descriptors, at most 4. What cannot be sent is lost: the other side is gone then. */
void send_message(int socket, const struct message *message, const int *descriptors, int count);
/* Waits for a message and at most one descriptor, -1 where none came. 0, or a negative errno (EPROTO: the end). */
long receive_message(int socket, struct message *message, int *descriptor);

/* A connected pair of Unix sockets, closed on exec, with numbers above 2. 0, or a negative errno. */
long make_sockets(int sockets[2]);
/* Closes all descriptors but these, of which there are `count` (at most 8); -1 is none. */
void close_all_but(const int *kept, int count);

#endif
