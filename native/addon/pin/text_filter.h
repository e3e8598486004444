/* SPDX-License-Identifier: MIT */
/*
 * Judges a call by the text of its path: a classic filter runs over the call with the accept set of the path's automata in
 * the place of the instruction pointer. src/engines/notify/text-filter.ts makes the filter.
 */
#ifndef TEXT_FILTER_H
#define TEXT_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pins;
struct text_filter;

enum {
  TEXT_OBSERVATIONS = 256, /* those with a higher index have no automata here */
  TEXT_AUTOMATA = 16,      /* of one observation: mostAutomata of src/patterns/matcher.ts */
};

/* src/patterns/automaton.ts describes the tables. */
struct text_automaton {
  const unsigned char *classes; /* 256 */
  const uint16_t *transitions;
  size_t transition_count;
  const uint16_t *accepts;
  size_t state_count;
  const uint64_t *sets; /* the low 64 bits of each accept set */
  size_t set_count;
  uint32_t class_count, start, settled;
};

/*
 * `registers` and `observations` are indexed by call number. `instructions`: so many struct sock_filter, at any address. NULL
 * with errno: EINVAL for a filter that the kernel would refuse. Copies its parameters.
 */
struct text_filter *new_text_filter(const unsigned char *registers, const uint16_t *observations, size_t count,
                                    const void *instructions, size_t length);
void free_text_filter(struct text_filter *self);
/* Says how many automata an observation has, 0 without patterns: it judges when all are there. 0 or a negative errno. */
int start_text_matcher(struct text_filter *self, uint32_t observation, uint32_t automata);
/* Adds an automaton of an observation. 0 or a negative errno: EINVAL for wrong tables, and for one too many. */
int add_text_automaton(struct text_filter *self, uint32_t observation, const struct text_automaton *automaton);
/* The number of calls of each verdict that were allowed; they wrap. `wanted` is not 0 if another thread asks for the loop. */
void count_texts(struct text_filter *self, uint32_t *counts, size_t length, const volatile uint32_t *wanted);
bool is_wanted(const struct text_filter *self);

/* Whether it judges calls of this number. */
bool judges_texts(const struct text_filter *self, int number);
/* The index of an allowing verdict plus one, or 0. The text has this length without its NUL. */
uint32_t judge_text(const struct text_filter *self, const struct seccomp_data *call, const unsigned char *text,
                    size_t length);

enum text_outcome {
  NOT_JUDGED, /* the policy must judge the call, which has no answer yet */
  ALLOWED,    /* it has been pinned or answered, or has ended */
  NOT_PINNED, /* it was allowed and cannot be pinned: *result is that of `pin_call`, an errno above the low 8 bits */
};
/* For an ordinary call, which is not from the stub. */
enum text_outcome allow_by_text(struct text_filter *self, struct pins *pins, const struct seccomp_notif *call,
                                uint32_t *result);

#endif
