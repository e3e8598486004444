// SPDX-License-Identifier: MIT
/* The processes that the command leaves running: the launcher is their reaper, and can end them. */
#ifndef PORTCULLIS_TREE_H
#define PORTCULLIS_TREE_H

/*
 * Sends a signal to all descendants of this process that /proc shows, but not to the child `spared` (0: to all), and
 * nothing to its descendants either. Exact for children; a process that forks meanwhile
 * may be missed, so a caller that wants to be sure repeats it until there are no children left.
 *
 * Where no file can be opened (a process of the same user can set RLIMIT_NOFILE to 0), it goes to this thread's children
 * only. Their children become ours when they have ended.
 */
void signal_tree(int signal, int spared);

/* Opens what signal_tree needs then. Called once, before the command runs. */
int prepare_tree(void); /* the descriptor that it uses */

/* Milliseconds until it is repeated. */
enum { KILL_INTERVAL = 2 };

/* Bytes of stack that it needs. */
enum { TREE_STACK = 256 << 10 };

#endif
