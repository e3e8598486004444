// SPDX-License-Identifier: MIT
/*
 * Enters a Landlock domain. Its one explicit restriction is the scope of signals; every domain also restricts tracing.
 */
#include "domain.h"

#include "kernel.h"

enum { ASK_VERSION = 1 /* LANDLOCK_CREATE_RULESET_VERSION */, SCOPES_VERSION = 6, SCOPE_SIGNAL = 1 << 1 };

long enter_domain(void) {
  if (CALL(__NR_landlock_create_ruleset, 0, 0, ASK_VERSION) < SCOPES_VERSION) return -EOPNOTSUPP;
  struct {
    uint64_t handled_files, handled_network, scoped;
  } attributes = {0, 0, SCOPE_SIGNAL};
  long ruleset = CALL(__NR_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (ruleset < 0) return ruleset;
  long result = CALL(__NR_landlock_restrict_self, ruleset, 0);
  CALL(__NR_close, ruleset);
  return result;
}
