/* SPDX-License-Identifier: MIT */
/* How the programs of the machine's tests report: one case after the other, in TAP. */
#ifndef TAP_H
#define TAP_H
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      printf("Bail out! line %d: %s: %s\n", __LINE__, #condition, strerror(errno)); \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

static int cases, failures;

static inline void expect(const char *what, int holds) {
  printf("%sok %d %s\n", holds ? "" : "not ", ++cases, what);
  fflush(stdout);
  failures += !holds;
}

/* Prints the plan. The program's status. */
static inline int reported(void) {
  printf("1..%d\n", cases);
  return failures != 0;
}
#endif
