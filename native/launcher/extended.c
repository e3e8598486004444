// SPDX-License-Identifier: MIT
/* Creates maps and loads the program by bpf(2), with capabilities that the program type does not accept dropped. */
#include "extended.h"

#include <linux/bpf.h>
#include <linux/capability.h>

#include "functions.h"
#include "kernel.h"

static int fail_at(struct fault *fault, enum stage stage, long error, const char *what) {
  fault->stage = stage;
  fault->error = error;
  fault->what = what;
  return -1;
}

static long bpf(int command, union bpf_attr *attributes) {
  return CALL(__NR_bpf, command, attributes, sizeof *attributes);
}

/* ── The token and the secret ────────────────────────────────────────────────────────────────────────────────────── */

static int draw_random(void *into, size_t size) { return CALL(__NR_getrandom, into, size, 0) == (long)size ? 0 : -1; }

int draw_token(struct bundle *bundle, uint64_t token[2], struct fault *fault) {
  do {
    if (draw_random(token, 2 * sizeof *token) < 0) return fail_at(fault, LOAD_PROGRAM, -EIO, "getrandom(2) failed");
  } while (token[0] == 0 || token[1] == 0);
  struct sock_filter *filter = section_of(bundle, CLASSIC);
  const uint32_t *places = section_of(bundle, CLASSIC_TOKEN);
  for (uint32_t i = 0; i < count_of(bundle, CLASSIC_TOKEN); i++)
    filter[places[i]].k = (uint32_t)(token[i % 4 / 2] >> (i % 2 * 32));
  return 0;
}

/* ── Privileges ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * With CAP_PERFMON, the kernel creates arrays without protection against speculation (kernel/bpf/arraymap.c, 6.12), and
 * the program type does not accept them. CAP_SYS_ADMIN implies CAP_PERFMON (include/linux/capability.h), so both are
 * dropped from the effective set while maps are created and the program is loaded, and restored for the command.
 */
enum { PERFMON_BIT = 1 << (CAP_PERFMON - 32) };

struct capabilities {
  struct __user_cap_header_struct header;
  struct __user_cap_data_struct sets[2];
};

static long drop_capabilities(struct capabilities *saved) {
  saved->header.version = _LINUX_CAPABILITY_VERSION_3;
  saved->header.pid = 0;
  long result = CALL(__NR_capget, &saved->header, saved->sets);
  if (result < 0) return result;
  struct capabilities without = *saved;
  without.sets[0].effective &= ~(1u << CAP_SYS_ADMIN);
  without.sets[1].effective &= ~(uint32_t)PERFMON_BIT;
  return CALL(__NR_capset, &without.header, without.sets);
}

static long restore_capabilities(struct capabilities *saved) { return CALL(__NR_capset, &saved->header, saved->sets); }

/* ── Maps ────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static long make_map(const struct bundle *bundle, const struct map_entry *map, int types) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.map_type = map->type;
  attributes.key_size = map->key_size;
  attributes.value_size = map->value_size;
  attributes.max_entries = map->entries;
  /* The seal covers every map except the ring buffer, whose reader writes to it. */
  attributes.map_flags = map->flags | (map->holds == HOLDS_EVENTS ? 0 : BPF_F_SEALABLE) |
                         (map->holds == HOLDS_CONSTANTS ? (uint32_t)BPF_F_RDONLY_PROG : 0);
  memcpy(attributes.map_name, string_at(bundle, map->name), string_length(string_at(bundle, map->name)));
  if (types >= 0 && map->value_type != 0) {
    attributes.btf_fd = (uint32_t)types;
    attributes.btf_key_type_id = map->key_type;
    attributes.btf_value_type_id = map->value_type;
  }
  return bpf(BPF_MAP_CREATE, &attributes);
}

static long write_value(int map, uint32_t key, const void *value) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.map_fd = (uint32_t)map;
  attributes.key = (uintptr_t)&key;
  attributes.value = (uintptr_t)value;
  return bpf(BPF_MAP_UPDATE_ELEM, &attributes);
}

static long freeze(int map) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.map_fd = (uint32_t)map;
  return bpf(BPF_MAP_FREEZE, &attributes);
}

/* Writes the launch map and freezes it, so that the verifier treats its values as constants. */
static long write_launch_map(const struct bundle *bundle, const struct extended *extended, const uint64_t *parameters,
                             uint32_t map) {
  static unsigned char value[4096];
  const struct launch_field_entry *fields = section_of(bundle, LAUNCH_FIELDS);
  memset(value, 0, sizeof value);
  for (uint32_t i = 0; i < count_of(bundle, LAUNCH_FIELDS); i++) {
    uint64_t secret[3];
    if (fields[i].what == LAUNCH_PARAMETER) {
      /* read_bundle has checked that there is one field for each parameter. */
      memcpy(value + fields[i].offset, parameters++, sizeof *parameters);
      continue;
    }
    if (fields[i].what == LAUNCH_TOKEN) {
      memcpy(value + fields[i].offset, extended->token, sizeof extended->token);
      continue;
    }
    if (draw_random(secret, sizeof secret) < 0) return -EIO;
    secret[2] |= 1;
    memcpy(value + fields[i].offset, secret, sizeof secret);
  }
  long result = write_value(extended->maps[map], 0, value);
  return result < 0 ? result : freeze(extended->maps[map]);
}

static int make_maps(struct extended *extended, const struct bundle *bundle, const uint64_t *parameters, int types,
                     struct fault *fault) {
  const struct map_entry *maps = section_of(bundle, MAPS);
  const unsigned char *values = section_of(bundle, INITIAL_VALUES);
  for (uint32_t i = 0; i < count_of(bundle, MAPS); i++) {
    const struct map_entry *map = maps + i;
    const char *name = string_at(bundle, map->name);
    long result = make_map(bundle, map, types);
    if (result < 0) return fail_at(fault, MAKE_MAPS, result, name);
    extended->maps[i] = (int)result;
    if (map->holds == HOLDS_EVENTS) extended->events = (int)result;
    if (map->holds == HOLDS_STATE && memcmp(name, "dropped", sizeof "dropped") == 0) extended->dropped = (int)result;
    if (map->holds == HOLDS_STATE && map->type == BPF_MAP_TYPE_HASH && extended->table_count < MAX_SHOWN_TABLES)
      extended->tables[extended->table_count++] = (int)result;
    result = map->holds == HOLDS_LAUNCH ? write_launch_map(bundle, extended, parameters, i) : 0;
    for (uint32_t k = 0; result == 0 && k < map->value_bytes / (map->value_size | !map->value_size); k++)
      result = write_value(extended->maps[i], k, values + map->values + (size_t)k * map->value_size);
    /* The kernel checks automata that cannot change once, when the filter is attached, and not for each byte. */
    if (result == 0 && map->holds == HOLDS_CONSTANTS) result = freeze(extended->maps[i]);
    if (result < 0) return fail_at(fault, MAKE_MAPS, result, name);
  }
  return 0;
}

/* ── The program ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static int relocate(const struct extended *extended, struct bundle *bundle, struct fault *fault) {
  const char *names[64];
  uint32_t ids[64], count = count_of(bundle, KERNEL_FUNCTIONS);
  const uint32_t *functions = section_of(bundle, KERNEL_FUNCTIONS);
  for (uint32_t i = 0; i < count; i++) names[i] = string_at(bundle, functions[i]);
  long result = find_kernel_functions(names, ids, count);
  if (result == -ESRCH) {
    for (uint32_t i = 0; i < count; i++)
      if (ids[i] == 0) return fail_at(fault, FIND_FUNCTIONS, result, names[i]);
  }
  if (result < 0) return fail_at(fault, FIND_FUNCTIONS, result, NULL);
  struct instruction_entry *program = section_of(bundle, PROGRAM);
  const struct relocation_entry *relocations = section_of(bundle, RELOCATIONS);
  for (uint32_t i = 0; i < count_of(bundle, RELOCATIONS); i++) {
    const struct relocation_entry *one = relocations + i;
    program[one->instruction].immediate =
        one->kind == RELOCATE_MAP ? extended->maps[one->index] : (int32_t)ids[one->index];
  }
  return 0;
}

/* BTF gives the verifier's log and bpftool the policy's lines. The program is loaded without it if this fails. */
static long load_types(const struct bundle *bundle) {
  if (count_of(bundle, TYPES) == 0) return -1;
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.btf = (uintptr_t)section_of(bundle, TYPES);
  attributes.btf_size = count_of(bundle, TYPES);
  return bpf(BPF_BTF_LOAD, &attributes);
}

enum { LOG_SIZE = 1 << 20, LOAD_ATTEMPTS = 5 };

/*
 * The verifier returns EAGAIN if a signal is pending (kernel/bpf/verifier.c, do_check). The signal is handled on return
 * from the system call, so the load is repeated, as often as libbpf does.
 */
static long load_uninterrupted(union bpf_attr *attributes) {
  long result = -EAGAIN;
  for (int attempts = 0; attempts < LOAD_ATTEMPTS && result == -EAGAIN; attempts++)
    result = bpf(BPF_PROG_LOAD, attributes);
  return result;
}

static int load_program(struct extended *extended, const struct bundle *bundle, int types, struct fault *fault) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = PROGRAM_TYPE_SECCOMP;
  attributes.insn_cnt = count_of(bundle, PROGRAM);
  attributes.insns = (uintptr_t)section_of(bundle, PROGRAM);
  attributes.license = (uintptr_t)string_at(bundle, policy_of(bundle)->licence);
  memcpy(attributes.prog_name, "portcullis", sizeof "portcullis");
  if (types >= 0) {
    attributes.prog_btf_fd = (uint32_t)types;
    attributes.func_info_rec_size = sizeof(struct bpf_func_info);
    attributes.func_info = (uintptr_t)section_of(bundle, FUNCTION_INFO);
    attributes.func_info_cnt = count_of(bundle, FUNCTION_INFO);
    attributes.line_info_rec_size = sizeof(struct bpf_line_info);
    attributes.line_info = (uintptr_t)section_of(bundle, LINE_INFO);
    attributes.line_info_cnt = count_of(bundle, LINE_INFO);
  }
  long result = load_uninterrupted(&attributes);
  if (result >= 0) {
    extended->program = (int)result;
    return 0;
  }
  if (result == -EAGAIN) return fail_at(fault, LOAD_PROGRAM, result, NULL);
  /* Repeat with a log, which slows verification. If the log is too long the verifier keeps its end, with the error. */
  char *log = allocate(LOG_SIZE);
  if (log != NULL) {
    attributes.log_level = 1;
    attributes.log_size = LOG_SIZE;
    attributes.log_buf = (uintptr_t)log;
    long again = load_uninterrupted(&attributes);
    if (again >= 0) CALL(__NR_close, again);
    log[LOG_SIZE - 1] = 0;
    fault->log = log[0] == 0 ? NULL : log;
  }
  return fail_at(fault, LOAD_PROGRAM, result, NULL);
}

/*
 * Only a map that the program uses can be excluded from the seal; a program without events does not use its ring
 * buffer.
 */
static int uses_events(const struct bundle *bundle) {
  const struct map_entry *maps = section_of(bundle, MAPS);
  const struct relocation_entry *relocations = section_of(bundle, RELOCATIONS);
  for (uint32_t i = 0; i < count_of(bundle, RELOCATIONS); i++)
    if (relocations[i].kind == RELOCATE_MAP && maps[relocations[i].index].holds == HOLDS_EVENTS) return 1;
  return 0;
}

static void describe_attachment(struct extended *extended, const struct bundle *bundle) {
  const struct state_entry *states = section_of(bundle, STATES);
  struct seccomp_ebpf_attach *attach = &extended->attach;
  for (uint32_t i = 0; i < count_of(bundle, STATES); i++)
    extended->states[i] = (struct seccomp_ebpf_state){states[i].scope, states[i].fork, states[i].size, states[i].flags};
  attach->size = sizeof *attach;
  attach->prog_fd = extended->program;
  attach->flags = SECCOMP_EBPF_SEAL | policy_of(bundle)->attach_flags;
  attach->state_cnt = count_of(bundle, STATES);
  if (attach->state_cnt > 0) {
    attach->states = (uintptr_t)extended->states;
    attach->state_size = sizeof *extended->states;
  }
  attach->arg_cnt = count_of(bundle, DECLARED);
  if (attach->arg_cnt > 0) {
    attach->args = (uintptr_t)section_of(bundle, DECLARED);
    attach->arg_size = sizeof(struct declared_entry);
  }
  const struct room_entry *rooms = section_of(bundle, ROOMS);
  for (uint32_t i = 0; i < count_of(bundle, ROOMS); i++) extended->rooms[i] = rooms[i].room;
  attach->room_cnt = count_of(bundle, ROOMS);
  if (attach->room_cnt > 0) {
    attach->rooms = (uintptr_t)extended->rooms;
    attach->room_size = sizeof *extended->rooms;
  } else {
    /* A kernel without rooms, or without declared arguments, takes the structure as it was before them. */
    attach->size =
        attach->arg_cnt > 0 ? offsetof(struct seccomp_ebpf_attach, rooms) : offsetof(struct seccomp_ebpf_attach, args);
  }
  if (extended->events >= 0 && uses_events(bundle)) {
    attach->open_maps = (uintptr_t)&extended->events;
    attach->open_map_cnt = 1;
  }
}

int load_extended(struct extended *extended, struct bundle *bundle, const uint64_t *parameters, struct fault *fault) {
  memset(extended, 0, sizeof *extended);
  extended->program = extended->events = extended->dropped = -1;
  if (draw_token(bundle, extended->token, fault) < 0) return -1;
  struct capabilities saved;
  long result = drop_capabilities(&saved);
  if (result < 0) return fail_at(fault, CAPABILITIES, result, NULL);
  int types = (int)load_types(bundle);
  int done = make_maps(extended, bundle, parameters, types, fault) == 0 && relocate(extended, bundle, fault) == 0 &&
             load_program(extended, bundle, types, fault) == 0;
  result = restore_capabilities(&saved);
  if (!done) return -1;
  if (result < 0) return fail_at(fault, CAPABILITIES, result, NULL);
  describe_attachment(extended, bundle);
  return 0;
}
