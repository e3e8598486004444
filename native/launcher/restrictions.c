// SPDX-License-Identifier: MIT
/* Makes the Landlock domains of a command. */
#include "restrictions.h"

#include "domain.h"
#include "kernel.h"
#include "orders.h"
#include "print.h"

/* A tied tree is not separated on a kernel that cannot; for everything else a missing restriction is a fault. */
static int prepare_domain(struct restrictions *restrictions, struct fault *fault) {
  const uint32_t flags = restrictions->flags;
  const int is_separate = (flags & SEPARATE) != 0, reads_proc = restrictions->reads_proc;
  restrictions->domain = -1;
  restrictions->of_domain = reads_proc ? READS_PROC : 0;
  if (is_separate || (restrictions->is_tied && can_restrict(KEEPS_SIGNALS))) restrictions->of_domain |= KEEPS_SIGNALS;
  if (restrictions->of_domain == 0) return 0;
  const int moves = restricts_files(restrictions->bytes, restrictions->size, ~(uint32_t)0) ? PERMITS_MOVES : 0;
  restrictions->domain = make_domain(restrictions->of_domain | moves, &fault->what);
  if (restrictions->domain < 0 && reads_proc && (flags & BEST_EFFORT) != 0) {
    print_best_effort(PROC_IS_WRITABLE, fault->what, restrictions->domain);
    restrictions->of_domain &= ~READS_PROC;
    if (restrictions->of_domain != 0) restrictions->domain = make_domain(restrictions->of_domain | moves, &fault->what);
  }
  if (restrictions->domain >= 0 || restrictions->of_domain == 0 ||
      (!is_separate && restrictions->of_domain == KEEPS_SIGNALS))
    return 0;
  fault->error = restrictions->domain;
  fault->stage = !reads_proc || (is_separate && !can_restrict(KEEPS_SIGNALS)) ? ENTER_DOMAIN : PROTECT_PROC;
  return -1;
}

static int prepare_layers(struct restrictions *restrictions, struct fault *fault) {
  const unsigned char *bytes = restrictions->bytes;
  fault->stage = RESTRICT_OBJECTS;
  restrictions->restricts_execution = restricts_files(bytes, restrictions->size, EXECUTE);
  const int best_effort = (restrictions->flags & BEST_EFFORT) != 0;
  fault->error = make_layers(&restrictions->layers, bytes, restrictions->size, best_effort, &fault->what);
  return fault->error < 0 ? -1 : 0;
}

int make_restrictions(struct restrictions *restrictions, struct fault *fault) {
  return prepare_domain(restrictions, fault) < 0 ? -1 : prepare_layers(restrictions, fault);
}

void release_restrictions(struct restrictions *restrictions) {
  release_layers(&restrictions->layers);
  if (restrictions->domain > 2) CALL(__NR_close, restrictions->domain);
  restrictions->domain = -1;
}
