// SPDX-License-Identifier: MIT
/* Judges a call by the text of its path. Tables and filter come from JavaScript: they are copied, and the copies examined. */
#define _GNU_SOURCE
#include "../base/classic.h"
#include "text_filter.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pins.h"

/* A block with its tables, which `sets` begins. */
struct automaton {
  struct automaton *next;
  unsigned char classes[256];
  uint16_t *transitions, *accepts;
  uint32_t class_count, start, settled;
  uint64_t sets[];
};

/* Each pattern of an observation is in one of its automata. */
struct matcher {
  bool is_started;
  uint32_t missing; /* automata that are still to come */
  struct automaton *first;
};

struct text_filter {
  unsigned char *registers;
  uint16_t *observations;
  size_t count;
  struct sock_filter *instructions;
  struct matcher matchers[TEXT_OBSERVATIONS];
  uint32_t *counts;
  size_t count_length;
  const volatile uint32_t *wanted;
  unsigned char text[PATH_MAX];
};

/* ── The filter ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Checks what bpf_check_classic() and seccomp_check_filter() check, for the instructions that the compiler emits. */
static bool is_correct(const struct sock_filter *filter, size_t length) {
  if (length == 0 || length > BPF_MAXINSNS || filter[length - 1].code != (BPF_RET | BPF_K)) return false;
  for (size_t at = 0; at < length; at++) {
    const struct sock_filter *one = &filter[at];
    const size_t left = length - at - 1;
    switch (one->code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (one->k % 4 != 0 || one->k >= sizeof(struct seccomp_data)) return false;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
      case BPF_RET | BPF_K:
        break;
      case BPF_JMP | BPF_JA:
        if (one->k >= left) return false;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_K:
        if (one->jt >= left || one->jf >= left) return false;
        break;
      default:
        return false;
    }
  }
  return true;
}

/* `from` may be NULL if the size is 0. */
static void *copy_to(void *to, const void *from, size_t size) {
  if (size > 0) memcpy(to, from, size);
  return to;
}

/* ── The automata ────────────────────────────────────────────────────────────────────────────────────────────────── */

static bool all_below(const uint16_t *values, size_t count, size_t limit) {
  for (size_t i = 0; i < count; i++)
    if (values[i] >= limit) return false;
  return true;
}

static bool has_correct_tables(const struct text_automaton *one) {
  if (one->class_count == 0 || one->class_count > 256 || one->state_count == 0 || one->state_count > UINT16_MAX + 1u)
    return false;
  for (size_t i = 0; i < 256; i++)
    if (one->classes[i] >= one->class_count) return false;
  return one->transition_count == one->state_count * one->class_count && one->start < one->state_count &&
         one->settled <= one->state_count && all_below(one->transitions, one->transition_count, one->state_count) &&
         all_below(one->accepts, one->state_count, one->set_count);
}

int start_text_matcher(struct text_filter *self, uint32_t observation, uint32_t automata) {
  if (observation >= TEXT_OBSERVATIONS || automata > TEXT_AUTOMATA || self->matchers[observation].is_started)
    return -EINVAL;
  self->matchers[observation].is_started = true;
  self->matchers[observation].missing = automata;
  return 0;
}

int add_text_automaton(struct text_filter *self, uint32_t observation, const struct text_automaton *automaton) {
  if (observation >= TEXT_OBSERVATIONS || self->matchers[observation].missing == 0) return -EINVAL;
  const size_t entries = automaton->transition_count + automaton->state_count;
  struct automaton *one =
      malloc(sizeof *one + automaton->set_count * sizeof *one->sets + entries * sizeof *one->transitions);
  if (one == NULL) return -ENOMEM;
  one->transitions = (uint16_t *)(one->sets + automaton->set_count);
  one->accepts = one->transitions + automaton->transition_count;
  one->class_count = automaton->class_count;
  one->start = automaton->start;
  one->settled = automaton->settled;
  struct text_automaton copy = *automaton;
  copy.sets = copy_to(one->sets, automaton->sets, automaton->set_count * sizeof *one->sets);
  copy.transitions =
      copy_to(one->transitions, automaton->transitions, automaton->transition_count * sizeof *one->transitions);
  copy.accepts = copy_to(one->accepts, automaton->accepts, automaton->state_count * sizeof *one->accepts);
  copy.classes = copy_to(one->classes, automaton->classes, sizeof one->classes);
  if (!has_correct_tables(&copy)) {
    free(one);
    return -EINVAL;
  }
  struct matcher *matcher = &self->matchers[observation];
  one->next = matcher->first;
  matcher->first = one;
  matcher->missing--;
  return 0;
}

static uint64_t accept_set(const struct automaton *self, const unsigned char *text, size_t length) {
  uint32_t state = self->start;
  for (size_t i = 0; i < length && state >= self->settled; i++)
    state = self->transitions[state * self->class_count + self->classes[text[i]]];
  return self->sets[self->accepts[state]];
}

static uint64_t all_accept_sets(const struct matcher *self, const unsigned char *text, size_t length) {
  uint64_t set = 0;
  for (const struct automaton *one = self->first; one != NULL; one = one->next) set |= accept_set(one, text, length);
  return set;
}

/* ── Start and end ───────────────────────────────────────────────────────────────────────────────────────────────── */

static void *copy_of(const void *from, size_t size) {
  void *copy = malloc(size + 1);
  return copy == NULL ? NULL : copy_to(copy, from, size);
}

static struct text_filter *fail_to_start(struct text_filter *self, int error) {
  free_text_filter(self);
  errno = error;
  return NULL;
}

struct text_filter *new_text_filter(const unsigned char *registers, const uint16_t *observations, size_t count,
                                    const void *instructions, size_t length) {
  struct text_filter *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->count = count;
  self->registers = copy_of(registers, count);
  self->observations = copy_of(observations, count * sizeof *observations);
  self->instructions = copy_of(instructions, length * sizeof *self->instructions);
  if (self->registers == NULL || self->observations == NULL || self->instructions == NULL)
    return fail_to_start(self, ENOMEM);
  for (size_t i = 0; i < count; i++)
    if (self->registers[i] > 6) return fail_to_start(self, EINVAL);
  return is_correct(self->instructions, length) ? self : fail_to_start(self, EINVAL);
}

void free_text_filter(struct text_filter *self) {
  for (size_t i = 0; i < TEXT_OBSERVATIONS; i++) {
    for (struct automaton *one = self->matchers[i].first, *next; one != NULL; one = next) {
      next = one->next;
      free(one);
    }
  }
  free(self->registers);
  free(self->observations);
  free(self->instructions);
  free(self);
}

void count_texts(struct text_filter *self, uint32_t *counts, size_t length, const volatile uint32_t *wanted) {
  self->counts = counts;
  self->count_length = length;
  self->wanted = wanted;
}

bool is_wanted(const struct text_filter *self) { return self->wanted != NULL && *self->wanted != 0; }

/* ── A call ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

bool judges_texts(const struct text_filter *self, int number) {
  return number >= 0 && (size_t)number < self->count && self->registers[number] != 0;
}

uint32_t judge_text(const struct text_filter *self, const struct seccomp_data *call, const unsigned char *text,
                    size_t length) {
  if (!judges_texts(self, call->nr)) return 0;
  const uint16_t observation = self->observations[call->nr];
  if (observation >= TEXT_OBSERVATIONS) return 0;
  const struct matcher *matcher = &self->matchers[observation];
  if (!matcher->is_started || matcher->missing > 0) return 0;
  struct seccomp_data data = *call;
  data.instruction_pointer = all_accept_sets(matcher, text, length);
  return run_classic(self->instructions, &data);
}

/*
 * Only calls of threads that are known: the supervisor follows their end (src/engines/notify/tasks/tasks.ts), after which the
 * id can mean another thread. The loop's other ways are for callers whose memory reads may never end, and for reads that
 * fail.
 */
enum text_outcome allow_by_text(struct text_filter *self, struct pins *pins, const struct seccomp_notif *call,
                                uint32_t *result) {
  const pid_t tid = (pid_t)call->pid;
  if (tid == 0 || !judges_texts(self, call->data.nr)) return NOT_JUDGED;
  if (pins->audits || pins->reads_apart || find_thread(pins, tid) == NULL) return NOT_JUDGED;
  const int at = self->registers[call->data.nr] - 1;
  if (call->data.args[at] == 0) return NOT_JUDGED;
  const long length = read_unchecked_text(pins, call, call->data.args[at], self->text, sizeof self->text);
  if (length < 0) return NOT_JUDGED;
  const uint32_t word = judge_text(self, &call->data, self->text, (size_t)length);
  if (word == 0) return NOT_JUDGED;
  if (word - 1 < self->count_length) self->counts[word - 1]++;
  int32_t registers[6] = {-1, -1, -1, -1, -1, -1};
  registers[at] = 0;
  const struct image image = {.bytes = self->text, .length = (uint32_t)length + 1, .registers = registers};
  int error;
  const enum outcome outcome = pin_call(pins, call, &image, EPERM, &error);
  if (outcome == PREPARED || outcome == INTERRUPTED || outcome == GONE || outcome == HAS_RESULT) return ALLOWED;
  *result = (uint32_t)outcome | (uint32_t)error << 8;
  return NOT_PINNED;
}
