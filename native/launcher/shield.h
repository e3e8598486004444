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
 * Restricts the calling process, which is about to execute the command. Call it with no_new_privs set and before other
 * filters. It enters a Landlock domain that signals cannot leave (Linux 6.12), and installs a filter that denies other
 * calls on our processes. On older kernels the filter also denies signals to them.
 *
 * Returns 0, or a negative errno if the filter cannot be installed.
 */
long install_shield(const struct own_processes *own);

#endif
