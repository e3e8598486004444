// SPDX-License-Identifier: MIT
/*
 * Runs the launcher's reader of bundles on frames from standard input: a length (32 bits) and that number of bytes.
 * Prints the error for each, or "ok" and the default words of its open parameters in hexadecimal, or "ok missing" if one
 * has no default. It also loads the bundle: a function takes the place of the kernel and reads all memory that the calls
 * name. Built with the compiler's sanitizers; each bundle is in memory of exactly its size.
 */
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../native/launcher/extended.h"
#include "../../native/launcher/functions.h"
#include "../../native/launcher/parameters.h"

static volatile unsigned char sink;

static void touch(uint64_t address, uint64_t size) {
  const unsigned char *bytes = (const unsigned char *)(uintptr_t)address;
  for (uint64_t i = 0; i < size; i++) sink ^= bytes[i];
}

static void touch_string(const char *text) { touch((uintptr_t)text, strlen(text) + 1); }

/* By descriptor, from FIRST. */
enum { FIRST = 3 };
static struct {
  uint32_t key_size, value_size, entries;
} maps[MAX_MAPS];
static uint32_t map_count;

static long fake_bpf(long command, const union bpf_attr *attributes) {
  uint32_t map = attributes->map_fd - FIRST;
  switch (command) {
    case BPF_MAP_CREATE:
      if (map_count == MAX_MAPS || strnlen(attributes->map_name, BPF_OBJ_NAME_LEN) == BPF_OBJ_NAME_LEN) abort();
      maps[map_count].key_size = attributes->key_size;
      maps[map_count].value_size = attributes->value_size;
      maps[map_count].entries = attributes->max_entries;
      return FIRST + map_count++;
    case BPF_MAP_UPDATE_ELEM:
      /* Only arrays have initial values. */
      if (map >= map_count || maps[map].key_size != 4 || *(uint32_t *)(uintptr_t)attributes->key >= maps[map].entries)
        abort();
      touch(attributes->value, maps[map].value_size);
      return 0;
    case BPF_MAP_FREEZE:
      if (map >= map_count) abort();
      return 0;
    case BPF_BTF_LOAD:
      touch(attributes->btf, attributes->btf_size);
      return FIRST + MAX_MAPS;
    case BPF_PROG_LOAD:
      touch(attributes->insns, sizeof(struct bpf_insn) * (uint64_t)attributes->insn_cnt);
      touch_string((const char *)(uintptr_t)attributes->license);
      touch(attributes->func_info, (uint64_t)attributes->func_info_rec_size * attributes->func_info_cnt);
      touch(attributes->line_info, (uint64_t)attributes->line_info_rec_size * attributes->line_info_cnt);
      return FIRST + MAX_MAPS + 1;
    default:
      abort();
  }
}

long fake_call(long number, long a, long b, long c) {
  switch (number) {
    case __NR_bpf:
      if (c != sizeof(union bpf_attr)) abort();
      return fake_bpf(a, (const union bpf_attr *)b);
    case __NR_getrandom:
      memset((void *)a, 1, (size_t)b);
      return b;
    default:
      return 0;
  }
}

void *allocate(size_t size) { return calloc(1, size); }

long find_kernel_functions(const char *const *names, uint32_t *ids, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    touch_string(names[i]);
    ids[i] = i + 1;
  }
  return 0;
}

static void load(struct bundle *bundle, const uint64_t *parameters) {
  static struct extended extended;
  struct fault fault = {0};
  map_count = 0;
  if (load_extended(&extended, bundle, parameters, &fault) != 0) abort();
  const struct seccomp_ebpf_attach *attach = &extended.attach;
  touch(attach->states, (uint64_t)attach->state_size * attach->state_cnt);
  touch(attach->args, (uint64_t)attach->arg_size * attach->arg_cnt);
  touch(attach->rooms, (uint64_t)attach->room_size * attach->room_cnt);
  touch(attach->open_maps, 4 * (uint64_t)attach->open_map_cnt);
}

static void use(struct bundle *bundle) {
  const struct policy_entry *policy = policy_of(bundle);
  const uint32_t strings[] = {policy->name, policy->compiler, policy->licence, policy->target, policy->fixed};
  for (unsigned i = 0; i < sizeof strings / sizeof *strings; i++) touch_string(string_at(bundle, strings[i]));
  fixed_value(bundle, "mode", 4);
  struct settings settings = {0};
  fputs("ok", stdout);
  if (read_settings(bundle, &settings) != SETTINGS_GOOD) {
    fputs(" missing", stdout);
  } else {
    if (!are_possible(bundle, settings.words, count_of(bundle, PARAMETERS))) abort();
    for (uint32_t i = 0; i < count_of(bundle, PARAMETERS); i++) printf(" %" PRIx64, settings.words[i]);
  }
  load(bundle, settings.words);
  puts("");
}

int main(void) {
  uint32_t length;
  /* After a crash, the lines show which bundle it was. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fread(&length, sizeof length, 1, stdin) == 1) {
    unsigned char *bytes = malloc(length);
    if (bytes == NULL || fread(bytes, 1, length, stdin) != length) return 1;
    struct bundle bundle;
    const char *wrong = read_bundle(&bundle, bytes, length);
    if (wrong == NULL) use(&bundle);
    else puts(wrong);
    free(bytes);
  }
  return 0;
}
