// SPDX-License-Identifier: MIT
/* Reads a bundle (docs/bundle.md): a compiled policy with everything that is needed to enforce it by eBPF. */
#ifndef PORTCULLIS_BUNDLE_H
#define PORTCULLIS_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

enum section_kind {
  STRINGS = 1,
  POLICY,
  CLASSIC,
  CLASSIC_TOKEN,
  PROGRAM,
  RELOCATIONS,
  KERNEL_FUNCTIONS,
  MAPS,
  INITIAL_VALUES,
  STATES,
  LAUNCH_FIELDS,
  CONSTANT_ALLOWS,
  TYPES,
  FUNCTION_INFO,
  LINE_INFO,
  VERDICTS,
  REPORTS,
  REPORT_VALUES,
  SOURCE_MAP,
  PARAMETERS,
  DECLARED,
  ROOMS,
  OBJECTS,
  LAUNCH,
  SECTIONS = LAUNCH,
};

enum { MAX_BUNDLE_SIZE = 16 << 20 };

struct policy_entry {
  uint32_t name, compiler, program_type, program_flags, attach_flags, licence, traits, target, fixed, reserved;
};
enum { ENTIRELY_CLASSIC = 1, UNPRIVILEGED = 2, PROC_IS_READ_ONLY = 4 }; /* traits */

struct relocation_entry {
  uint32_t instruction, kind, index;
};
enum { RELOCATE_MAP = 1, RELOCATE_FUNCTION = 2 };

struct map_entry {
  uint32_t name, type, key_size, value_size, entries, flags, holds, lock, key_type, value_type, values, value_bytes;
};
/* Flags of `attach_flags`: SECCOMP_EBPF_… of include/uapi/linux/seccomp.h with kernel/patches. */
enum { SECCOMP_EBPF_LOCK = 1 << 2, SECCOMP_EBPF_MATCH = 1 << 3 };
enum { HOLDS_STATE = 1, HOLDS_LAUNCH = 2, HOLDS_EVENTS = 3, HOLDS_CONSTANTS = 4 };
enum { MAX_MAPS = 63, NONE = 0xffffffff };

struct state_entry {
  uint32_t name, scope, fork, size, flags;
};

struct declared_entry { /* struct seccomp_ebpf_arg (kernel/patches) */
  uint32_t arch, number, argument, kind, size, flags;
};
enum { MAX_DECLARED = 256, MAX_DECLARED_SIZE = 4096, DECLARED_KINDS = 6 };

struct room_entry {
  uint32_t name;
  struct seccomp_ebpf_room { /* kernel/patches; 64-bit words as two halves, the low one first */
    uint32_t scope, sides, exclusive, late, timeout[2], flags[2];
  } room;
};
enum { MAX_ROOMS = 32, MAX_SIDES = 32, ROOM_SCOPES = 3 };

struct launch_field_entry {
  uint32_t what, map, offset, size;
};
enum { LAUNCH_TOKEN = 1, LAUNCH_SECRET = 2, LAUNCH_PARAMETER = 3 };

/* 64-bit words are aligned to 4 bytes: low half, high half. */
struct parameter_entry {
  uint32_t name, kind, from[2], to[2], traits, fallback[2], file, line, column, length;
};
enum { UNSIGNED_PARAMETER = 1, SIGNED_PARAMETER = 2, FLAG_PARAMETER = 3 };
enum { HAS_DEFAULT = 1 }; /* traits */
enum { MAX_PARAMETERS = 64 };

static inline uint64_t word_of(const uint32_t halves[2]) { return halves[0] | (uint64_t)halves[1] << 32; }

struct instruction_entry { /* struct bpf_insn */
  uint8_t code, registers;
  int16_t offset;
  int32_t immediate;
};

struct bundle {
  unsigned char *bytes; /* owned by the caller; unchanged, except that a loader relocates `PROGRAM` */
  struct {
    uint32_t offset, count;
  } sections[SECTIONS + 1]; /* by kind, from 1 */
};

/*
 * Checks every part of a bundle that the launcher uses (docs/bundle.md). Returns NULL, or a message about the first
 * error.
 */
const char *read_bundle(struct bundle *bundle, unsigned char *bytes, size_t size);

static inline uint32_t count_of(const struct bundle *bundle, enum section_kind kind) {
  return bundle->sections[kind].count;
}
static inline void *section_of(const struct bundle *bundle, enum section_kind kind) {
  return bundle->bytes + bundle->sections[kind].offset;
}
static inline const char *string_at(const struct bundle *bundle, uint32_t offset) {
  return (const char *)section_of(bundle, STRINGS) + offset;
}
static inline const struct policy_entry *policy_of(const struct bundle *bundle) { return section_of(bundle, POLICY); }

#endif
