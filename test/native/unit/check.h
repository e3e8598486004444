/* SPDX-License-Identifier: MIT */
/* What the tests of this folder have in common: each includes a source of native/ and checks its functions. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>

/* Prints the place and the text of a condition that does not hold, and continues. */
#define CHECK(condition) check((condition), __FILE__, __LINE__, #condition)
void check(bool holds, const char *file, int line, const char *condition);

void test_caller(void);
void test_functions(void);
void test_lines(void);
void test_print(void);
void test_sha256(void);
void test_text_filter(void);
void test_walk(void);
void test_window(void);

#endif
