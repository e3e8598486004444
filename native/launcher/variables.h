// SPDX-License-Identifier: MIT
/* Variables that Node adds to the command's environment or removes from it. */
#ifndef PORTCULLIS_VARIABLES_H
#define PORTCULLIS_VARIABLES_H

#include <stddef.h>

/*
 * A copy of the environment. Each of the changes ends in a NUL: `NAME=VALUE` replaces a variable, and `NAME` removes it.
 * Returns NULL without memory.
 */
char **with_variables(char **environment, char *changes, size_t size);

#endif
