// SPDX-License-Identifier: MIT
/*
 * Prevents the command and its descendants from ending, stopping or limiting portcullis's own processes, which often
 * run as the same user.
 */
#ifndef PORTCULLIS_SHIELD_H
#define PORTCULLIS_SHIELD_H

struct own_processes {
  int front, node, launcher; /* pids in this pid namespace, or 0 */
};

/*
 * Installs a filter that denies calls on our processes. Call it with no_new_privs set and before other filters. A process
 * outside a domain of its own (`is_separate` is 0; domain.h) is denied signals to them and tracing, too.
 *
 * Returns 0, or a negative errno if the filter cannot be installed.
 */
long install_shield(const struct own_processes *own, int is_separate);

#endif
