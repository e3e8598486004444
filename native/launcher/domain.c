// SPDX-License-Identifier: MIT
/* Makes and enters a Landlock domain. */
#include "domain.h"

#include <linux/fcntl.h>

#include "grants.h"
#include "kernel.h"

enum { ASK_VERSION = 1 /* LANDLOCK_CREATE_RULESET_VERSION */, SCOPES_VERSION = 6, MOVES_VERSION = 2 };
enum { SCOPE_SIGNAL = 1 << 1 };
/* A flag of landlock_restrict_self(2): the kernel's audit does not record the attempt below. */
enum { LOG_SAME_EXEC_OFF = 1 << 0, LOGS_VERSION = 7 };

int can_restrict(int restrictions) {
  long version = CALL(__NR_landlock_create_ruleset, 0, 0, ASK_VERSION);
  if ((restrictions & KEEPS_SIGNALS) != 0 && version < SCOPES_VERSION) return 0;
  return (restrictions & (READS_PROC | PERMITS_MOVES)) == 0 || version >= MOVES_VERSION;
}

long make_domain(int restrictions, const char **what) {
  *what = "Landlock is missing, off or too old";
  if (!can_restrict(restrictions)) return -EOPNOTSUPP;
  struct {
    uint64_t handled_files, handled_network, scoped;
  } attributes = {0, 0, 0};
  if ((restrictions & KEEPS_SIGNALS) != 0) attributes.scoped = SCOPE_SIGNAL;
  if ((restrictions & PERMITS_MOVES) != 0) attributes.handled_files = MOVE_FILES;
  if ((restrictions & READS_PROC) != 0) attributes.handled_files = WRITE_FILES | MOVE_FILES;
  *what = "Landlock makes no ruleset";
  long ruleset = CALL(__NR_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (ruleset < 0 || attributes.handled_files == 0) return ruleset;
  long result = (restrictions & READS_PROC) != 0 ? grant_files_outside_proc(ruleset, what) : grant_moves(ruleset, what);
  if (result == 0) return ruleset;
  CALL(__NR_close, ruleset);
  return result;
}

long enter_domain(long domain, int restrictions, const char **what) {
  const long version = CALL(__NR_landlock_create_ruleset, 0, 0, ASK_VERSION);
  long result = CALL(__NR_landlock_restrict_self, domain, version >= LOGS_VERSION ? LOG_SAME_EXEC_OFF : 0);
  *what = result == -E2BIG ? "this process is in 16 Landlock domains already" : "Landlock refuses the domain";
  if (result < 0 || (restrictions & READS_PROC) == 0) return result;
  /*
   * Landlock asks for the directories above a chroot's root, too, which this process does not know. A mount inside that
   * shows one of them has its rule.
   */
  long file = CALL(__NR_openat, AT_FDCWD, "/proc/self/comm", O_WRONLY | O_CLOEXEC, 0);
  if (file < 0) return 0;
  CALL(__NR_close, file);
  *what = "a mount shows a directory above the root directory";
  return -EPERM;
}
