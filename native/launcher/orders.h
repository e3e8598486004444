// SPDX-License-Identifier: MIT
/*
 * The protocol between the launcher and Node (src/engines/launcher/launcher.ts) or the front (front.c): the launcher receives
 * orders and sends messages. Little-endian, as both architectures are.
 */
#ifndef PORTCULLIS_ORDERS_H
#define PORTCULLIS_ORDERS_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "parameters.h"

enum { MAX_INSTRUCTIONS = 4096, MAX_VARIABLES_SIZE = 1 << 16 };
/* include/linux/socket.h; no header of the kernel's interface has it. */
enum { MSG_NOSIGNAL = 0x4000 };

struct orders_header {
  uint32_t magic;
  uint32_t kind; /* enum order */
  uint32_t flags;
  /* instructions; with EXTENDED: size of the bundle that follows, in bytes; of MAKE_NETWORK: endpoints that follow */
  uint32_t filter_length;
  uint32_t fallback_length; /* instructions, or 0; with EXTENDED: number of parameter words after the bundle */
  uint32_t words;           /* number of the launcher's last arguments that form the command */
  int32_t descriptor;       /* for DESCRIPTOR */
  uint32_t time_limit;      /* milliseconds, or 0 for no limit */
  uint64_t token[2];        /* with EXTENDED: 0, the launcher draws one */
  uint32_t layers_size;     /* of the layers (layer_format.h) after the filters, in bytes; with EXTENDED: 0 */
  uint32_t variables_size;  /* of the changes to the environment at the end (variables.h), in bytes */
  uint32_t label;           /* of the layers' domains (layers.h), or 0 */
  uint32_t reserved;        /* 0 */
};
enum { ORDERS_MAGIC = 0x70637634 };

enum order {
  START = 1,  /* start the command and wait for it */
  BECOME = 2, /* with EXTENDED: the front executes the command itself after Node has exited */
  /* Send a copy of an inherited descriptor. The command does not inherit a requested descriptor above 2. */
  DESCRIPTOR = 3,
  MAKE_NETWORK = 4, /* make a network for the command (namespaces.h), and send its sockets */
  TRY_MOUNTS = 5,   /* try what a policy with mounts needs (mount_trial.h); only the header follows */
};
enum {
  WANT_LISTENER = 1,   /* the filter needs a supervisor */
  END_TREE = 2,        /* end the rest of the tree when the command has ended */
  DIE_WITH_PARENT = 4, /* end the tree when Node or the front has exited */
  EXTENDED = 8,        /* a bundle follows instead of classic filters */
  OWN_CGROUP = 16,     /* create a cgroup for the command: cgroup.kill ends all its processes at once */
  /* Do not set no_new_privs; a filter then needs CAP_SYS_ADMIN. For recordings, which refuse nothing. */
  KEEP_PRIVILEGES = 32,
  SEPARATE = 64, /* start the command in a domain of its own (domain.h), or not at all */
  /* The tree opens files of proc file systems for reading only (domain.h). With EXTENDED the bundle decides. */
  READ_ONLY_PROC = 128,
  BEST_EFFORT = 256, /* without Landlock, start the command without READ_ONLY_PROC and print a message */
  IN_NETWORK = 512,  /* start the command in the network of MAKE_NETWORK */
};

/* Whether another event ends the command's tree; if so, the command may not reach our processes (shield.h). */
static inline int is_tied(const struct orders_header *header) {
  return (header->flags & (END_TREE | DIE_WITH_PARENT)) != 0 || header->time_limit != 0;
}

struct orders {
  struct orders_header header;
  struct sock_filter *filters; /* with EXTENDED: NULL */
  unsigned char *bundle;       /* without EXTENDED: NULL */
  uint64_t parameters[MAX_PARAMETERS];
  unsigned char *layers;      /* `layers_size` checked bytes */
  char *variables;            /* `variables_size` bytes */
  struct endpoint *endpoints; /* of MAKE_NETWORK */
};

/* Waits for a complete order. Returns 0, or a negative errno: EPROTO if it is malformed. */
long read_orders(int socket, struct orders *orders);
/* Forwards the same order. */
void write_orders(int socket, const struct orders *orders);

struct message {
  uint32_t kind; /* enum message_kind */
  int32_t value;
  int32_t pid;
  uint32_t detail;
};
enum message_kind {
  STARTED = 1,            /* value: the launcher's pid; pid; detail; to Node with the pidfd and further descriptors */
  NOT_STARTED = 2,        /* value: errno; detail: enum stage; a string of `pid` bytes follows */
  TIMED_OUT = 3,          /* the time limit is reached: the launcher ends the command */
  ENDED = 4,              /* value: the wait(2) status */
  TREE_ENDED = 5,         /* the whole tree has ended: the front has nothing to kill */
  GIVEN = 6,              /* value: 0 with the descriptor, or errno; pid: of the process that will clone the command */
  FRONT_GONE = 7,         /* the front was killed */
  PROTECTED_AGAIN = 15,   /* value: 1, or a negative errno: protected files had lost their mounts (mount_watch.h) */
  TRIED = 16,             /* of TRY_MOUNTS, which are possible; value: 1 if the kernel limits the processes, or 0 */
  PROCESSES_REACHED = 17, /* value: the limit; the tree has as many processes and threads (limit_watch.h) */
  PRIVATE_FULL = 18,      /* value: the number of a private directory among those of the layers */
  MADE = 14,              /* of MAKE_NETWORK: with its sockets, MAX_DESCRIPTORS in each message but the last */
  /* To the front only. */
  READY = 8,     /* the launcher is about to start the command: the front answers with a byte, or exits */
  CANCELLED = 9, /* the start has failed */
  REPLACED = 10, /* value: the launcher's pid; the front must execute the command: orders follow */
  STOPPED = 11,  /* the command has stopped; the front answers with IS_STOPPED */
  STOP = 12,     /* value: the signal by which the front must stop, because the command is still stopped */
  /* pid; detail: TIED or 0; with the pidfd: the process that will execute the command. STARTED or CANCELLED follows. */
  CLONED = 13,
};
/* Bytes from the front after the start. A smaller one is a signal for the tree. */
enum {
  IS_STOPPED = 0xfd,  /* is the command still stopped? */
  CANNOT_STOP = 0xfe, /* the signal of STOP has no effect on the front */
  CONTINUED = 0xff,   /* SIGCONT has continued the front: it may be for the command too */
};
/* `detail` of STARTED and CLONED. TIED: the front ends the tree if the launcher is killed. */
enum { WITHOUT_LISTENER = 1, WAITS_KILLABLE = 2, TIED = 4 };

enum { MAX_DESCRIPTORS = 8 };

/*
 * Sends a message with `count` descriptors, at most MAX_DESCRIPTORS. Without one it uses write(2), which no sandbox
 * refuses. Returns 0, also if the receiver has exited, or a negative errno: an outer filter refuses sendmsg(2).
 */
long send_message(int socket, const struct message *message, const int *descriptors, int count);
/* The same of other bytes. */
long pass_descriptors(int socket, const void *bytes, size_t size, const int *descriptors, int count);
/* Whether descriptors can be passed: the same result, and the receiver gets nothing. */
long try_passing(int socket);
/* Waits for a message with at most one descriptor (or -1). Returns 0, or a negative errno: EPROTO at the end. */
long receive_message(int socket, struct message *message, int *descriptor);

/* Creates a connected pair of Unix sockets, close-on-exec, with numbers above 2. Returns 0, or a negative errno. */
long make_sockets(int sockets[2]);
/* Closes all descriptors except these `count`; negative entries are ignored. */
void close_all_except(const int *descriptors, int count);

#endif
