// SPDX-License-Identifier: MIT
/* Signals the descendants of this process, which is their subreaper. */
#ifndef PORTCULLIS_TREE_H
#define PORTCULLIS_TREE_H

/*
 * Sends a signal to all descendants of this process that /proc lists, except the child `except` (0: none), the children
 * that `exclude_children` found, and their descendants. It may miss the child of a process that forks meanwhile: repeat it
 * until no children are left.
 *
 * If no file can be opened (a process of the same user can set RLIMIT_NOFILE to 0), it signals this thread's children
 * only. Their children become ours when they have ended.
 */
void signal_tree(int signal, int except);

/*
 * The number of processes and threads that signal_tree would reach, zombies included. It stops soon after `most`, and can be lower
 * than the number at any moment, because processes come and go during the walk.
 */
long count_tree(long most);

/*
 * The present children of this thread do not belong to the tree: a shell, for example, had them before it executed this
 * program. At most 4,096 of them.
 */
void exclude_children(void);
/* The child has been reaped, and another can get its pid. */
void include_again(int pid);
/* Whether there is any other child; true also if prepare_tree could not open its file. */
int has_other_children(void);

/* Opens the file that signal_tree then reads, and returns its descriptor. Call it once, before the command runs. */
int prepare_tree(void);

/* Milliseconds between repetitions. */
enum { KILL_INTERVAL = 2 };

/* Bytes of stack that signal_tree needs. */
enum { TREE_STACK = 256 << 10 };

#endif
