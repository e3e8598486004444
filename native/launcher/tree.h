// SPDX-License-Identifier: MIT
/* The processes that the command leaves running: the launcher is their reaper, and can end them. */
#ifndef PORTCULLIS_TREE_H
#define PORTCULLIS_TREE_H

/*
 * Sends a signal to all descendants of this process that /proc shows, but not to the child `spared` (0: to all), and
 * nothing to its descendants either. Exact for children; a process that forks meanwhile
 * may be missed, so whoever wants to be sure repeats it until there are no children left.
 */
void signal_tree(int signal, int spared);

/* Milliseconds until it is repeated. */
enum { KILL_INTERVAL = 2 };

/* Bytes of stack that it needs. */
enum { TREE_STACK = 256 << 10 };

#endif
