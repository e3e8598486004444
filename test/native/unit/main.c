// SPDX-License-Identifier: MIT
/*
 * Tests functions of native/ that need no kernel, no process and no JavaScript. Prints the checks that fail; the status is 1
 * if there are some. units.test.ts builds it with the compiler's sanitizers.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned checks, failures;

void check(bool holds, const char *file, int line, const char *condition) {
  checks++;
  if (holds) return;
  failures++;
  printf("%s:%d: %s\n", file, line, condition);
}

/* What the sources name and no test reaches. */
#define UNREACHED(name) \
  void name(void);      \
  void name(void) { abort(); }
UNREACHED(allocate)
UNREACHED(bytes_of)
UNREACHED(exit_process)
UNREACHED(fail)
UNREACHED(find_thread)
UNREACHED(hides_processes)
UNREACHED(is_proc)
UNREACHED(is_public)
UNREACHED(napi_define_properties)
UNREACHED(napi_get_cb_info)
UNREACHED(napi_get_value_uint32)
UNREACHED(number_of)
UNREACHED(pin_call)
UNREACHED(read_unchecked_text)
UNREACHED(write_stubs)

int main(void) {
  /* A sanitizer ends the process at once. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  test_caller();
  test_functions();
  test_lines();
  test_print();
  test_sha256();
  test_text_filter();
  test_walk();
  test_window();
  printf("%u of %u checks failed\n", failures, checks);
  return failures > 0;
}
