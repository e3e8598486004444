// SPDX-License-Identifier: MIT
/*
 * Keeps the command and all that it starts from ending, stopping or limiting portcullis's own processes, which are often
 * of the same user.
 */
#ifndef PORTCULLIS_SHIELD_H
#define PORTCULLIS_SHIELD_H

struct own_processes {
  int front, node, launcher; /* as this pid namespace numbers them; 0: there is none */
};

/*
 * To be called by the child that becomes the command, with no_new_privs set and before its other filters. Puts it into a
 * Landlock domain from which no signal leaves (Linux 6.12), and refuses, by a filter of its own, other calls that name our
 * processes. Where the kernel has no such domain, the filter refuses signals that name them.
 *
 * 0, or a negative errno where the filter cannot be installed.
 */
long install_shield(const struct own_processes *own);

#endif
