// SPDX-License-Identifier: MIT
/* Signals, and what a call leaves of the caller's registers. */
#include "pinned.h"

int signal_scenario(const char *name, char **arguments) {
  (void)name;
  (void)arguments;
  return -1;
}
