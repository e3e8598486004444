// SPDX-License-Identifier: MIT
/* Finding the file of a command by PATH. */
#ifndef PORTCULLIS_SEARCH_H
#define PORTCULLIS_SEARCH_H

/*
 * Searches as a shell does: a name with a slash is a path; otherwise the folders of PATH are searched, where an empty one
 * is the working directory, and /bin:/usr/bin where PATH is not set. Makes only calls that read.
 *
 * Returns 0, and sets `file` to `name` itself or to memory that the next search overwrites; or a negative errno: ENOENT
 * where there is no such file, EACCES where it is not executable, EISDIR where it is a directory, ENAMETOOLONG.
 */
long find_command(const char *name, char **environment, const char **file);

#endif
