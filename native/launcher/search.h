// SPDX-License-Identifier: MIT
/* Finds the file of a command by PATH. */
#ifndef PORTCULLIS_SEARCH_H
#define PORTCULLIS_SEARCH_H

/*
 * Searches as a shell does: a name with a slash is a path; any other name is searched in the directories of PATH, or of
 * /bin:/usr/bin if PATH is not set. An empty entry is the working directory. The search changes nothing.
 *
 * Returns 0 and sets `file` to `name` or to memory that the next search overwrites; or a negative errno: ENOENT if no
 * such file exists, EACCES if it is not executable, EISDIR if it is a directory, ENAMETOOLONG.
 */
long find_command(const char *name, char **environment, const char **file);

#endif
