// SPDX-License-Identifier: MIT
/* The tables and filters that the text filter accepts, in memory of exactly their size, and the steps over a text. */
#include "../../../native/addon/base/classic.c"
#include "../../../native/addon/pin/text_filter.c"

#include "check.h"

enum { CALL = 2, OBSERVATION = 5 };

/* Accepts texts that begin with "/a" (bit 0), and stops there: states 0 (yes) and 1 (no) are settled, 2 start, 3 after "/". */
static unsigned char classes[256];
static const uint16_t transitions[4][3] = {{1, 1, 1}, {0, 0, 0}, {1, 3, 1}, {1, 1, 0}};
static const uint16_t accepts[4] = {1, 0, 0, 0};
static const uint64_t sets[2] = {0, 1};
static struct text_automaton automaton(void) {
  return (struct text_automaton){classes, transitions[0], 12, accepts, 4, sets, 2, 3, 2, 2};
}

/* Returns the low word of the accept set. */
static const struct sock_filter returns_set[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 9),
    BPF_STMT(BPF_RET | BPF_K, 0),
};

static struct text_filter *filter_of(const struct sock_filter *instructions, size_t length) {
  static const unsigned char registers[] = {0, 0, 1};
  static const uint16_t observations[] = {0, 0, OBSERVATION};
  return new_text_filter(registers, observations, 3, instructions, length);
}

static uint32_t judge(const struct text_filter *self, int number, const char *text) {
  const struct seccomp_data call = {.nr = number};
  const size_t length = strlen(text);
  unsigned char *exact = malloc(length + 1);
  if (exact == NULL) abort();
  memcpy(exact, text, length);
  const uint32_t word = judge_text(self, &call, exact, length);
  free(exact);
  return word;
}

static void waits_for_automata(void) {
  static const struct sock_filter allows[] = {BPF_STMT(BPF_RET | BPF_K, 9)};
  struct text_filter *self = filter_of(allows, 1);
  if (self == NULL) abort();
  const struct text_automaton one = automaton();
  CHECK(judge(self, CALL, "/a") == 0);
  start_text_matcher(self, OBSERVATION, 2);
  add_text_automaton(self, OBSERVATION, &one);
  CHECK(judge(self, CALL, "/a") == 0);
  add_text_automaton(self, OBSERVATION, &one);
  CHECK(judge(self, CALL, "/a") == 9);
  free_text_filter(self);
}

static void judges(void) {
  struct text_filter *self = filter_of(returns_set, 4);
  if (self == NULL) abort();
  const struct text_automaton one = automaton();
  CHECK(judge(self, CALL, "/a") == 0); /* it has no automaton yet */
  CHECK(add_text_automaton(self, OBSERVATION, &one) == -EINVAL);
  CHECK(start_text_matcher(self, OBSERVATION, 1) == 0);
  CHECK(start_text_matcher(self, OBSERVATION, 1) == -EINVAL);
  CHECK(judge(self, CALL, "/a") == 0);
  CHECK(add_text_automaton(self, OBSERVATION, &one) == 0);
  CHECK(add_text_automaton(self, OBSERVATION, &one) == -EINVAL);
  CHECK(judge(self, CALL, "/a") == 9 && judge(self, CALL, "/ab") == 9);
  CHECK(judge(self, CALL, "/b") == 0 && judge(self, CALL, "a/a") == 0 && judge(self, CALL, "") == 0);
  CHECK(judge(self, 1, "/a") == 0 && judge(self, 3, "/a") == 0 && judge(self, -1, "/a") == 0);
  free_text_filter(self);
}

static int added(const struct text_automaton *one) {
  struct text_filter *self = filter_of(returns_set, 4);
  if (self == NULL) abort();
  start_text_matcher(self, OBSERVATION, 1);
  const int result = add_text_automaton(self, OBSERVATION, one);
  free_text_filter(self);
  return result;
}

static void refuses_tables(void) {
  static const uint16_t beyond[4] = {1, 0, 0, 2};
  static const uint16_t nowhere[12] = {[11] = 4};
  struct text_automaton one = automaton();
  CHECK(added(&one) == 0);
  one.class_count = 2, one.transition_count = 8; /* the third class is in use */
  CHECK(added(&one) == -EINVAL);
  one = automaton();
  one.transition_count = 11;
  CHECK(added(&one) == -EINVAL);
  one = automaton();
  one.start = 4;
  CHECK(added(&one) == -EINVAL);
  one = automaton();
  one.settled = 5;
  CHECK(added(&one) == -EINVAL);
  one = automaton();
  one.accepts = beyond;
  CHECK(added(&one) == -EINVAL);
  one = automaton();
  one.transitions = nowhere;
  CHECK(added(&one) == -EINVAL);
  one = automaton();
  one.state_count = one.transition_count = 0;
  CHECK(added(&one) == -EINVAL);
}

/* One instruction before a return. */
static bool accepts_instruction(struct sock_filter one) {
  const struct sock_filter instructions[] = {one, BPF_STMT(BPF_RET | BPF_K, 1)};
  struct text_filter *self = filter_of(instructions, 2);
  if (self != NULL) free_text_filter(self);
  return self != NULL;
}

static void refuses_filters(void) {
  enum { LAST = sizeof(struct seccomp_data) - 4 };
  CHECK(accepts_instruction((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LAST)));
  CHECK(!accepts_instruction((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LAST + 4)));
  CHECK(!accepts_instruction((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2)));
  CHECK(accepts_instruction((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0)));
  CHECK(!accepts_instruction((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1)));
  CHECK(!accepts_instruction((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1)));
  CHECK(!accepts_instruction((struct sock_filter)BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0)));
  CHECK(filter_of(returns_set, 0) == NULL && filter_of(returns_set, 2) == NULL);
}

void test_text_filter(void) {
  classes['/'] = 1;
  classes['a'] = 2;
  judges();
  waits_for_automata();
  refuses_tables();
  refuses_filters();
}
