// SPDX-License-Identifier: MIT
/* Signals the descendants of this process, which is their subreaper. */
#ifndef PORTCULLIS_TREE_H
#define PORTCULLIS_TREE_H

/*
 * Sends a signal to all descendants of this process that /proc lists, except the child `excluded` and its descendants
 * (0: no exception). It may miss the child of a process that forks meanwhile: repeat it until no children are left.
 *
 * If no file can be opened (a process of the same user can set RLIMIT_NOFILE to 0), it signals this thread's children
 * only. Their children become ours when they have ended.
 */
void signal_tree(int signal, int excluded);

/* Opens the file that signal_tree then reads, and returns its descriptor. Call it once, before the command runs. */
int prepare_tree(void);

/* Milliseconds between repetitions. */
enum { KILL_INTERVAL = 2 };

/* Bytes of stack that signal_tree needs. */
enum { TREE_STACK = 256 << 10 };

#endif
