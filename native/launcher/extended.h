// SPDX-License-Identifier: MIT
/*
 * Loads a bundle: creates, writes and freezes its maps, loads its program, and prepares the argument of seccomp(2). It
 * does not attach the program.
 */
#ifndef PORTCULLIS_EXTENDED_H
#define PORTCULLIS_EXTENDED_H

#include <linux/filter.h>

#include "bundle.h"

/* The ABI that kernel/patches add to include/uapi/linux/{bpf,seccomp}.h; no distribution has it. */
enum { PROGRAM_TYPE_SECCOMP = 33 };
enum { SECCOMP_FILTER_FLAG_EXTENDED = 1 << 6 };
enum { SECCOMP_EBPF_SEAL = 1 << 0, SECCOMP_EBPF_STRICT_CACHE = 1 << 1 };
enum { MAX_STATES = 8 };
/* A flag of BPF_MAP_CREATE (include/uapi/linux/bpf.h with kernel/patches): only such a map can be sealed. */
enum { BPF_F_SEALABLE = 1 << 28 };

struct seccomp_ebpf_state {
  uint32_t scope, fork, size, flags;
};

struct seccomp_ebpf_attach {
  uint32_t size;
  int32_t prog_fd;
  uint32_t flags, state_cnt;
  uint64_t states, open_maps;
  uint32_t open_map_cnt, assert_allow_cnt;
  uint64_t assert_allow;
  uint32_t failed_arch, failed_nr;
  uint32_t state_size, assert_allow_size;
  uint64_t args;
  uint32_t arg_cnt, arg_size;
  uint64_t rooms;
  uint32_t room_cnt, room_size;
};

enum { MAX_SHOWN_TABLES = 5 };

struct extended {
  struct seccomp_ebpf_attach attach;
  struct seccomp_ebpf_state states[MAX_STATES];
  struct seccomp_ebpf_room rooms[MAX_ROOMS];
  /* Descriptors, or -1. */
  int program, events, dropped;
  int maps[MAX_MAPS];
  /* The first maps of the policy's tables, whose keys Node counts. */
  int tables[MAX_SHOWN_TABLES], table_count;
  uint64_t token[2];
};

/* The step that failed. src/engines/launcher/launcher.ts reads the numbers. */
enum stage {
  CONFIGURE = 1,
  CLONE = 2,
  NO_NEW_PRIVILEGES = 3,
  INSTALL = 4,
  EXECVE = 5,
  READ_BUNDLE = 6,
  CAPABILITIES = 7,
  MAKE_MAPS = 8,
  FIND_FUNCTIONS = 9,
  LOAD_PROGRAM = 10,
  ATTACH = 11,
  FIND_COMMAND = 12,
  MAKE_CGROUP = 13,
  ENTER_DOMAIN = 14,
  PASS_DESCRIPTORS = 15,
  PROTECT_PROC = 16,
  RESTRICT_OBJECTS = 17,
  ENTER_NETWORK = 18,
  ENTER_MOUNTS = 19,
};

struct fault {
  enum stage stage;
  long error;       /* a negative errno */
  const char *what; /* a sentence without a full stop, or NULL */
  const char *log;  /* the verifier's log, or NULL */
};

/*
 * Loads the program of a checked bundle, and relocates it in place. `parameters` are valid words of its open parameters
 * (parameters.h). Draws a token for the classic program and for `extended->token`. Returns 0, or -1 with `fault`.
 */
int load_extended(struct extended *extended, struct bundle *bundle, const uint64_t *parameters, struct fault *fault);

/* Draws a random token and writes it into the classic program of a checked bundle. Returns 0, or -1 with `fault`. */
int draw_token(struct bundle *bundle, uint64_t token[2], struct fault *fault);

#endif
