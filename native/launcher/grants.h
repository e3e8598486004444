// SPDX-License-Identifier: MIT
/* The rules of a Landlock ruleset that grant the writing of all files except those of proc file systems. */
#ifndef PORTCULLIS_GRANTS_H
#define PORTCULLIS_GRANTS_H

/* LANDLOCK_ACCESS_FS_WRITE_FILE, LANDLOCK_ACCESS_FS_REFER: what a ruleset must handle for these rules. */
enum { WRITE_FILES = 1 << 1, MOVE_FILES = 1 << 13 };

/*
 * Landlock grants what a rule on the object or on a directory above it grants, so no rule may be above a proc file
 * system. Each entry of the root directory gets a rule, except those that lead to a mount point of one; of these
 * directories, each entry gets a rule in turn. A directory on the way that other mounts show under another name
 * (`mount --bind / /mnt`) is recognised by its inode.
 *
 * Files without a directory (pipes, sockets, memfds) need no rule. The caller's standard streams get one, because their
 * files may belong to another mount namespace (a terminal).
 *
 * Returns 0, or a negative errno with a sentence without a full stop in `what`, which the next call overwrites.
 */
long grant_files_outside_proc(long ruleset, const char **what);

/* Grants the moves of all files. Returns likewise. */
long grant_moves(long ruleset, const char **what);

#endif
