// SPDX-License-Identifier: MIT
/* text_filter.h for JavaScript: src/machine/text-filter.ts has the types. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "../loop/loop.h"
#include "../pin/text_filter.h"

enum { MOST_ARGUMENTS = 8 };

static bool begin(napi_env env, napi_callback_info info, size_t count, napi_value arguments[MOST_ARGUMENTS],
                  struct texts **self) {
  size_t found = MOST_ARGUMENTS;
  struct loop *loop = loop_of(env);
  if (loop != NULL) *self = &loop->texts;
  return loop != NULL && napi_get_cb_info(env, info, &found, arguments, NULL, NULL) == napi_ok && found == count;
}

/* An array of elements of this size. A typed array is aligned for its elements. */
static bool elements_of(napi_env env, napi_value value, size_t size, void *into, size_t *count) {
  unsigned char *bytes;
  size_t length;
  if (!bytes_of(env, value, &bytes, &length) || length % size != 0 || (uintptr_t)bytes % size != 0) return false;
  memcpy(into, &bytes, sizeof bytes);
  *count = length / size;
  return true;
}

void end_texts(napi_env env, struct texts *self) {
  if (self->filter != NULL) free_text_filter(self->filter);
  if (self->words != NULL) napi_delete_reference(env, self->words);
  *self = (struct texts){NULL, NULL};
}

/*
 * startTextFilter(registers, observations, instructions, words, wanted, verdicts): 0 or a negative errno. `words` is a
 * Uint32Array, which may be empty: the counts of verdicts begin at the index `verdicts`.
 */
static napi_value start(napi_env env, napi_callback_info info) {
  struct texts *self;
  napi_value arguments[MOST_ARGUMENTS];
  const unsigned char *registers, *instructions;
  const uint16_t *observations;
  uint32_t *words, wanted, verdicts;
  size_t count, observation_count, length, word_count;
  if (!begin(env, info, 6, arguments, &self) || !elements_of(env, arguments[0], 1, &registers, &count) ||
      !elements_of(env, arguments[1], sizeof *observations, &observations, &observation_count) ||
      observation_count != count || !elements_of(env, arguments[2], 1, &instructions, &length) ||
      !elements_of(env, arguments[3], sizeof *words, &words, &word_count) ||
      napi_get_value_uint32(env, arguments[4], &wanted) != napi_ok ||
      napi_get_value_uint32(env, arguments[5], &verdicts) != napi_ok ||
      (word_count != 0 && (wanted >= word_count || verdicts >= word_count)))
    return fail(env, "startTextFilter takes (registers, observations, instructions, words, wanted, verdicts)");
  end_texts(env, self);
  if (length % sizeof(struct sock_filter) != 0) return number_of(env, -EINVAL);
  self->filter = new_text_filter(registers, observations, count, instructions, length / sizeof(struct sock_filter));
  if (self->filter == NULL) return number_of(env, -errno);
  if (word_count == 0) return number_of(env, 0);
  if (napi_create_reference(env, arguments[3], 1, &self->words) != napi_ok) {
    end_texts(env, self);
    return number_of(env, -ENOMEM);
  }
  count_texts(self->filter, words + verdicts, word_count - verdicts, words + wanted);
  return number_of(env, 0);
}

/* startTextMatcher(observation, automata): 0 or a negative errno. */
static napi_value start_matcher(napi_env env, napi_callback_info info) {
  struct texts *self;
  napi_value arguments[MOST_ARGUMENTS];
  uint32_t observation, automata;
  if (!begin(env, info, 2, arguments, &self) || self->filter == NULL ||
      napi_get_value_uint32(env, arguments[0], &observation) != napi_ok ||
      napi_get_value_uint32(env, arguments[1], &automata) != napi_ok)
    return fail(env, "startTextMatcher takes (observation, automata), after startTextFilter");
  return number_of(env, start_text_matcher(self->filter, observation, automata));
}

/* addTextAutomaton(observation, classes, classCount, transitions, accepts, sets, start, settled): 0 or a negative errno. */
static napi_value add(napi_env env, napi_callback_info info) {
  struct texts *self;
  napi_value arguments[MOST_ARGUMENTS];
  struct text_automaton automaton;
  uint32_t observation;
  size_t class_bytes;
  if (!begin(env, info, 8, arguments, &self) || self->filter == NULL ||
      napi_get_value_uint32(env, arguments[0], &observation) != napi_ok ||
      !elements_of(env, arguments[1], 1, &automaton.classes, &class_bytes) ||
      napi_get_value_uint32(env, arguments[2], &automaton.class_count) != napi_ok ||
      !elements_of(env, arguments[3], sizeof *automaton.transitions, &automaton.transitions,
                   &automaton.transition_count) ||
      !elements_of(env, arguments[4], sizeof *automaton.accepts, &automaton.accepts, &automaton.state_count) ||
      !elements_of(env, arguments[5], sizeof *automaton.sets, &automaton.sets, &automaton.set_count) ||
      napi_get_value_uint32(env, arguments[6], &automaton.start) != napi_ok ||
      napi_get_value_uint32(env, arguments[7], &automaton.settled) != napi_ok || class_bytes != 256)
    return fail(env,
                "addTextAutomaton takes (observation, classes, classCount, transitions, accepts, sets, start, "
                "settled), after startTextFilter");
  return number_of(env, add_text_automaton(self->filter, observation, &automaton));
}

/* judgeText(data, text): the filter's word for a struct seccomp_data and a text without its NUL. */
static napi_value judge(napi_env env, napi_callback_info info) {
  struct texts *self;
  napi_value arguments[MOST_ARGUMENTS];
  const unsigned char *bytes, *text;
  size_t size, length;
  struct seccomp_data data;
  if (!begin(env, info, 2, arguments, &self) || self->filter == NULL ||
      !elements_of(env, arguments[0], 1, &bytes, &size) || size != sizeof data ||
      !elements_of(env, arguments[1], 1, &text, &length))
    return fail(env, "judgeText takes (data, text), after startTextFilter");
  memcpy(&data, bytes, sizeof data);
  return number_of(env, judge_text(self->filter, &data, text, length));
}

void export_texts(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("startTextFilter", start),
      METHOD("startTextMatcher", start_matcher),
      METHOD("addTextAutomaton", add),
      METHOD("judgeText", judge),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
