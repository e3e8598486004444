// SPDX-License-Identifier: MIT
/*
 * Validates a bundle before the launcher loads it. src/backend/bundle/read.ts validates bundles for all of TypeScript; the launcher
 * does not rely on it, because it can run without Node and because it loads the bundle with its own privileges. test/bundle
 * compares them.
 */
#include "bundle.h"

#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "kernel.h"
#include "layer_format.h"
#include "sha256.h"

enum { VERSION = 7, HEADER = 64, DIGEST = 32, DIGEST_SIZE = 32, TABLE_ENTRY = 16, MAX_MAP_BYTES = 64 << 20 };

#if defined(__x86_64__)
enum { OWN_ARCHITECTURE = (int)AUDIT_ARCH_X86_64 };
#else
enum { OWN_ARCHITECTURE = (int)AUDIT_ARCH_AARCH64 };
#endif

/* The size of a section's entry, and the valid range of its count. */
static const struct {
  uint32_t entry, min, max;
} shape[SECTIONS + 1] = {
    [STRINGS] = {1, 1, 1 << 22},         [POLICY] = {40, 1, 1},
    [CLASSIC] = {8, 0, BPF_MAXINSNS},    [CLASSIC_TOKEN] = {4, 0, 8},
    [PROGRAM] = {8, 1, 65536},           [RELOCATIONS] = {12, 0, 65536},
    [KERNEL_FUNCTIONS] = {4, 0, 64},     [MAPS] = {48, 0, MAX_MAPS},
    [INITIAL_VALUES] = {1, 0, 1 << 23},  [STATES] = {20, 0, 8},
    [LAUNCH_FIELDS] = {16, 0, 128},      [CONSTANT_ALLOWS] = {8, 0, 4096},
    [TYPES] = {1, 0, 1 << 22},           [FUNCTION_INFO] = {8, 0, 65536},
    [LINE_INFO] = {16, 0, 65536},        [VERDICTS] = {28, 1, 65536},
    [REPORTS] = {28, 0, 65536},          [REPORT_VALUES] = {8, 0, 65536},
    [SOURCE_MAP] = {20, 0, 65536},       [PARAMETERS] = {52, 0, MAX_PARAMETERS},
    [DECLARED] = {24, 0, MAX_DECLARED},  [ROOMS] = {36, 0, MAX_ROOMS},
    [OBJECTS] = {1, 0, MAX_LAYERS_SIZE}, [LAUNCH] = {1, 0, 4096},
};

static uint32_t word_at(const unsigned char *bytes, size_t offset) {
  uint32_t word;
  memcpy(&word, bytes + offset, sizeof word);
  return word;
}

static int is_zero(const unsigned char *bytes, size_t from, size_t to) {
  for (; from < to; from++)
    if (bytes[from] != 0) return 0;
  return 1;
}

/* ── The file as a whole ─────────────────────────────────────────────────────────────────────────────────────────── */

static const char *check_sections(struct bundle *bundle, size_t size) {
  uint64_t end = HEADER + (uint64_t)TABLE_ENTRY * SECTIONS;
  for (int kind = 1; kind <= SECTIONS; kind++) {
    const unsigned char *entry = bundle->bytes + HEADER + TABLE_ENTRY * (kind - 1);
    uint32_t offset = word_at(entry, 4), count = word_at(entry, 8);
    uint64_t start = (end + 7) & ~7ull;
    if (word_at(entry, 0) != (uint32_t)kind || word_at(entry, 12) != shape[kind].entry || offset != start)
      return "its section table is not that of this version";
    if (count < shape[kind].min || count > shape[kind].max) return "a section has too many entries, or too few";
    uint64_t next = start + (uint64_t)count * shape[kind].entry;
    if (next > size) return "a section extends beyond the end of the file";
    if (!is_zero(bundle->bytes, end, start)) return "nonzero bytes between two sections";
    bundle->sections[kind].offset = offset;
    bundle->sections[kind].count = count;
    end = next;
  }
  return end == size ? NULL : "extra bytes after the last section";
}

static const char *check_file(struct bundle *bundle, size_t size) {
  static const unsigned char magic[8] = {0x7f, 'P', 'C', 'L', 0x0d, 0x0a, 0x1a, 0x0a};
  const unsigned char *bytes = bundle->bytes;
  if (size < HEADER + TABLE_ENTRY * SECTIONS || memcmp(bytes, magic, sizeof magic) != 0) return "it is not a bundle";
  if (word_at(bytes, 8) != VERSION) return "it has another version of the format";
  if (size > MAX_BUNDLE_SIZE || word_at(bytes, 12) != size) return "its size differs from that in its header";
  if (word_at(bytes, 16) != (uint32_t)OWN_ARCHITECTURE) return "it is for another architecture";
  if (word_at(bytes, 20) != SECTIONS || !is_zero(bytes, 24, DIGEST)) return "its header has an unknown value";
  const char *wrong = check_sections(bundle, size);
  if (wrong != NULL) return wrong;

  struct sha256 hash;
  unsigned char digest[DIGEST_SIZE];
  size_t launch = bundle->sections[LAUNCH].offset;
  sha256_start(&hash);
  sha256_add(&hash, bytes, DIGEST);
  sha256_add(&hash, bytes + HEADER, launch - HEADER);
  sha256_finish(&hash, digest);
  if (memcmp(digest, bytes + DIGEST, DIGEST_SIZE) != 0) return "its digest is wrong: the file is damaged";
  if (!is_zero(bytes, launch, size)) return "its launch section is not zero";
  return NULL;
}

/* ── The sections ────────────────────────────────────────────────────────────────────────────────────────────────── */

static int is_string(const struct bundle *bundle, uint32_t offset) { return offset < count_of(bundle, STRINGS); }

static const char *check_policy(const struct bundle *bundle) {
  const unsigned char *strings = section_of(bundle, STRINGS);
  const struct policy_entry *policy = policy_of(bundle);
  if (strings[0] != 0 || strings[count_of(bundle, STRINGS) - 1] != 0) return "its strings are not terminated";
  if (!is_string(bundle, policy->name) || !is_string(bundle, policy->compiler) || !is_string(bundle, policy->licence) ||
      !is_string(bundle, policy->target) || !is_string(bundle, policy->fixed) || policy->reserved != 0)
    return "the policy has an unknown value";
  if (policy->program_type != 33) return "its program is not of type seccomp";
  if (policy->program_flags != 0 || (policy->attach_flags & ~(uint32_t)(SECCOMP_EBPF_LOCK | SECCOMP_EBPF_MATCH)) != 0 ||
      (policy->traits & ~(uint32_t)(ENTIRELY_CLASSIC | UNPRIVILEGED | PROC_IS_READ_ONLY)) != 0)
    return "the policy has an unknown flag";
  return NULL;
}

static const char *check_classic(const struct bundle *bundle) {
  const struct sock_filter *filter = section_of(bundle, CLASSIC);
  const uint32_t *token = section_of(bundle, CLASSIC_TOKEN);
  uint32_t length = count_of(bundle, CLASSIC), words = count_of(bundle, CLASSIC_TOKEN);
  if (words % 4 != 0) return "the number of token words is not a multiple of four";
  if (length == 0 && (policy_of(bundle)->traits & ENTIRELY_CLASSIC) != 0) return "there is no classic program";
  for (uint32_t i = 0; i < words; i++)
    if (token[i] >= length || (i > 0 && token[i] <= token[i - 1]) ||
        filter[token[i]].code != (BPF_JMP | BPF_JEQ | BPF_K))
      return "invalid position of a token word";
  return NULL;
}

static int is_name(const struct bundle *bundle, uint32_t offset) {
  if (!is_string(bundle, offset)) return 0;
  const char *name = string_at(bundle, offset);
  int length = 0;
  for (; name[length] != 0; length++) {
    char c = name[length];
    if (length == 15 || !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9')))
      return 0;
  }
  return length > 0;
}

static const char *check_map(const struct bundle *bundle, const struct map_entry *map) {
  int is_ring = map->type == BPF_MAP_TYPE_RINGBUF, is_array = map->type == BPF_MAP_TYPE_ARRAY;
  if (!is_name(bundle, map->name)) return "invalid map name";
  if (!is_ring && !is_array && map->type != BPF_MAP_TYPE_HASH) return "unknown map type";
  if (map->holds < HOLDS_STATE || map->holds > HOLDS_CONSTANTS || is_ring != (map->holds == HOLDS_EVENTS))
    return "unknown map content";
  if (map->flags != (map->holds == HOLDS_LAUNCH ? (uint32_t)BPF_F_RDONLY_PROG : 0)) return "unknown map flag";
  if (map->key_type != 0 || map->value_type != 0)
    if (count_of(bundle, TYPES) == 0) return "a map names a type, but the bundle has no types";
  if (is_ring) {
    if (map->key_size != 0 || map->value_size != 0 || map->lock != NONE || map->values != 0 || map->value_bytes != 0)
      return "a ring buffer has a key, a value or a lock";
    if (map->entries < 4096 || map->entries > MAX_MAP_BYTES || (map->entries & (map->entries - 1)) != 0)
      return "the size of a ring buffer is out of range or not a power of two";
    return NULL;
  }
  if (map->key_size == 0 || map->key_size > 512 || map->value_size == 0 || map->entries == 0 ||
      (is_array && map->key_size != sizeof(uint32_t)))
    return "invalid map size";
  /* The product does not overflow: three 32-bit numbers, each bounded before it is multiplied. */
  if (map->value_size > MAX_MAP_BYTES || map->entries > MAX_MAP_BYTES ||
      ((uint64_t)map->key_size + map->value_size) * map->entries > MAX_MAP_BYTES)
    return "a map is too large";
  if (map->lock != NONE && (map->lock % 4 != 0 || (uint64_t)map->lock + 4 > map->value_size || map->value_type == 0))
    return "invalid position of a map's lock";
  if (map->value_bytes != 0) {
    uint32_t values = map->value_bytes / map->value_size;
    if (!is_array || map->value_bytes % map->value_size != 0 || values > map->entries ||
        (uint64_t)map->values + map->value_bytes > count_of(bundle, INITIAL_VALUES))
      return "invalid initial values of a map";
  } else if (map->values != 0) {
    return "invalid initial values of a map";
  }
  if (map->holds == HOLDS_LAUNCH) {
    if (!is_array || map->entries != 1 || map->value_size != count_of(bundle, LAUNCH) || map->value_bytes != 0)
      return "invalid launch map";
  }
  if (map->holds == HOLDS_CONSTANTS && (!is_array || map->value_bytes != (uint64_t)map->value_size * map->entries))
    return "invalid map of constants";
  return NULL;
}

static const char *check_maps(const struct bundle *bundle) {
  const struct map_entry *maps = section_of(bundle, MAPS);
  uint64_t bytes = 0;
  int launches = 0, events = 0;
  for (uint32_t i = 0; i < count_of(bundle, MAPS); i++) {
    const char *wrong = check_map(bundle, maps + i);
    if (wrong != NULL) return wrong;
    bytes += maps[i].type == BPF_MAP_TYPE_RINGBUF ? maps[i].entries
                                                  : ((uint64_t)maps[i].key_size + maps[i].value_size) * maps[i].entries;
    launches += maps[i].holds == HOLDS_LAUNCH;
    events += maps[i].holds == HOLDS_EVENTS;
  }
  if (bytes > MAX_MAP_BYTES) return "the total size of its maps is too large";
  if (launches > 1 || events > 1) return "two launch maps or two event maps";
  if (launches == 0 && count_of(bundle, LAUNCH) > 0) return "a launch section without a launch map";

  static const uint32_t sizes[] = {[LAUNCH_TOKEN] = 16, [LAUNCH_SECRET] = 24, [LAUNCH_PARAMETER] = 8};
  const struct launch_field_entry *fields = section_of(bundle, LAUNCH_FIELDS);
  uint32_t parameters = 0;
  for (uint32_t i = 0; i < count_of(bundle, LAUNCH_FIELDS); i++) {
    const struct launch_field_entry *field = fields + i;
    if (field->what < LAUNCH_TOKEN || field->what > LAUNCH_PARAMETER) return "unknown launch field";
    if (field->map >= count_of(bundle, MAPS) || maps[field->map].holds != HOLDS_LAUNCH ||
        field->size != sizes[field->what] || field->offset % 8 != 0 ||
        (uint64_t)field->offset + field->size > count_of(bundle, LAUNCH))
      return "invalid position of a launch field";
    parameters += field->what == LAUNCH_PARAMETER;
  }
  return parameters == count_of(bundle, PARAMETERS) ? NULL : "open parameters and their launch fields differ in number";
}

/* A letter, then letters, digits, underscores and hyphens: a name that --set accepts. */
static int is_parameter_name(const char *name) {
  for (const char *c = name; *c != 0; c++) {
    int is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
    if (!is_letter && (c == name || !(*c == '_' || *c == '-' || (*c >= '0' && *c <= '9')))) return 0;
  }
  return *name != 0;
}

static const char *check_parameter(const struct bundle *bundle, const struct parameter_entry *parameter) {
  uint64_t from = word_of(parameter->from), to = word_of(parameter->to), fallback = word_of(parameter->fallback);
  if (!is_string(bundle, parameter->name) || !is_parameter_name(string_at(bundle, parameter->name)))
    return "invalid name of an open parameter";
  if (parameter->kind < UNSIGNED_PARAMETER || parameter->kind > FLAG_PARAMETER)
    return "unknown kind of an open parameter";
  if ((parameter->traits & ~(uint32_t)HAS_DEFAULT) != 0) return "an open parameter has an unknown trait";
  int is_signed = parameter->kind == SIGNED_PARAMETER, has_default = (parameter->traits & HAS_DEFAULT) != 0;
  /* A range is signed if and only if it contains negative values, so each range has one encoding. */
  if (is_signed ? (int64_t)from >= 0 || (int64_t)from > (int64_t)to : from > to)
    return "invalid range or default of an open parameter";
  if (parameter->kind == FLAG_PARAMETER && (from != 0 || to != 1))
    return "invalid range or default of an open parameter";
  if (!has_default) return fallback == 0 ? NULL : "invalid range or default of an open parameter";
  if (is_signed ? (int64_t)fallback < (int64_t)from || (int64_t)fallback > (int64_t)to
                : fallback < from || fallback > to)
    return "invalid range or default of an open parameter";
  return NULL;
}

static const char *check_parameters(const struct bundle *bundle) {
  const struct parameter_entry *parameters = section_of(bundle, PARAMETERS);
  for (uint32_t i = 0; i < count_of(bundle, PARAMETERS); i++) {
    const char *wrong = check_parameter(bundle, parameters + i);
    if (wrong != NULL) return wrong;
    const char *name = string_at(bundle, parameters[i].name);
    for (uint32_t k = 0; k < i; k++) {
      const char *other = string_at(bundle, parameters[k].name);
      size_t same = 0;
      while (name[same] != 0 && name[same] == other[same]) same++;
      if (name[same] == other[same]) return "two open parameters have the same name";
    }
  }
  return NULL;
}

static const char *check_states(const struct bundle *bundle) {
  const struct state_entry *states = section_of(bundle, STATES);
  for (uint32_t i = 0; i < count_of(bundle, STATES); i++) {
    const struct state_entry *state = states + i;
    int is_process = state->scope == 1;
    if (!is_string(bundle, state->name) || state->scope > 1 || state->fork > (is_process ? 2 : 1) || state->size < 8 ||
        state->size > 4096 || state->size % 8 != 0 || state->flags != 0)
      return "invalid state object";
  }
  return NULL;
}

static const char *check_declared(const struct bundle *bundle) {
  const struct declared_entry *declared = section_of(bundle, DECLARED);
  for (uint32_t i = 0; i < count_of(bundle, DECLARED); i++) {
    const struct declared_entry *one = declared + i;
    if (one->arch != word_at(bundle->bytes, 16) || one->number > 0xffff || one->argument > 5 || one->kind < 1 ||
        one->kind > DECLARED_KINDS || one->size % 8 != 0 || one->size > MAX_DECLARED_SIZE || one->flags != 0)
      return "invalid declared argument";
    if (i > 0 && 6 * one->number + one->argument <= 6 * one[-1].number + one[-1].argument)
      return "the declared arguments are not in order";
  }
  return NULL;
}

enum { MAX_ERRNO = 4095 };
/* The wait for a room, in nanoseconds: 1 ms to 60 s. */
static const uint64_t min_timeout = 1000000, max_timeout = 60000000000;

static const char *check_rooms(const struct bundle *bundle) {
  const struct room_entry *rooms = section_of(bundle, ROOMS);
  for (uint32_t i = 0; i < count_of(bundle, ROOMS); i++) {
    const struct seccomp_ebpf_room *room = &rooms[i].room;
    uint64_t timeout = word_of(room->timeout);
    uint32_t data = room->late & SECCOMP_RET_DATA, action = room->late & SECCOMP_RET_ACTION_FULL;
    int denies = action == SECCOMP_RET_ERRNO && data >= 1 && data <= MAX_ERRNO;
    int kills = (action == SECCOMP_RET_KILL_THREAD || action == SECCOMP_RET_KILL_PROCESS) && data == 0;
    if (!is_string(bundle, rooms[i].name) || room->scope >= ROOM_SCOPES || room->sides < 1 || room->sides > MAX_SIDES ||
        (room->sides < MAX_SIDES && room->exclusive >> room->sides != 0) || timeout < min_timeout ||
        timeout > max_timeout || (!denies && !kills) || word_of(room->flags) != 0)
      return "invalid room";
  }
  return NULL;
}

static const char *check_objects(const struct bundle *bundle) {
  return check_layers(section_of(bundle, OBJECTS), count_of(bundle, OBJECTS));
}

enum { LOAD_WIDE = BPF_LD | BPF_IMM | BPF_DW, CALL_FUNCTION = BPF_JMP | BPF_CALL };

static const char *check_relocation(const struct bundle *bundle, const struct relocation_entry *relocation) {
  const struct instruction_entry *instruction =
      (const struct instruction_entry *)section_of(bundle, PROGRAM) + relocation->instruction;
  int source = instruction->registers >> 4;
  switch (relocation->kind) {
    case RELOCATE_MAP:
      if (instruction->code != LOAD_WIDE || (source != BPF_PSEUDO_MAP_FD && source != BPF_PSEUDO_MAP_VALUE) ||
          relocation->index >= count_of(bundle, MAPS))
        return "invalid map relocation";
      break;
    case RELOCATE_FUNCTION:
      if (instruction->code != CALL_FUNCTION || source != BPF_PSEUDO_KFUNC_CALL || instruction->offset != 0 ||
          relocation->index >= count_of(bundle, KERNEL_FUNCTIONS))
        return "invalid relocation of a kernel function";
      break;
    default:
      return "unknown kind of relocation";
  }
  return instruction->immediate == 0 ? NULL : "a relocated instruction has an immediate value";
}

/* The relocations list exactly the instructions that refer to a map or a kernel function. */
static const char *check_program(const struct bundle *bundle) {
  const struct instruction_entry *program = section_of(bundle, PROGRAM);
  const struct relocation_entry *relocations = section_of(bundle, RELOCATIONS);
  uint32_t length = count_of(bundle, PROGRAM), count = count_of(bundle, RELOCATIONS), next = 0;
  for (uint32_t i = 0; i < length; i++) {
    int source = program[i].registers >> 4;
    int names = (program[i].code == LOAD_WIDE && source != 0) ||
                (program[i].code == CALL_FUNCTION && source != 0 && source != BPF_PSEUDO_CALL);
    if (names) {
      if (next == count || relocations[next].instruction != i)
        return "an instruction that refers to a map or function has no relocation";
      const char *wrong = check_relocation(bundle, relocations + next);
      if (wrong != NULL) return wrong;
      next++;
    }
    if (program[i].code == LOAD_WIDE) {
      if (++i == length || program[i].code != 0) return "a wide instruction has no second half";
    }
  }
  if (next != count) return "a relocation of an instruction without a reference";
  const uint32_t *functions = section_of(bundle, KERNEL_FUNCTIONS);
  for (uint32_t i = 0; i < count_of(bundle, KERNEL_FUNCTIONS); i++)
    if (!is_string(bundle, functions[i]) || string_at(bundle, functions[i])[0] == 0)
      return "a kernel function has no name";
  return NULL;
}

const char *read_bundle(struct bundle *bundle, unsigned char *bytes, size_t size) {
  static const char *(*const checks[])(const struct bundle *) = {check_policy,     check_classic, check_maps,
                                                                 check_parameters, check_states,  check_declared,
                                                                 check_rooms,      check_objects, check_program};
  bundle->bytes = bytes;
  const char *wrong = check_file(bundle, size);
  for (unsigned i = 0; wrong == NULL && i < sizeof checks / sizeof *checks; i++) wrong = checks[i](bundle);
  return wrong;
}
