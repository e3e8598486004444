// SPDX-License-Identifier: MIT
/*
 * `launcher supervise NODE SCRIPT WORD...`: the process that the shell started. It stands for the command: what is sent to
 * it goes to the command, it stops when the command stops, and exits with the command's status.
 */
#ifndef PORTCULLIS_FRONT_H
#define PORTCULLIS_FRONT_H

#include "inheritance.h"

/* `words` end with NULL; there are `count`. */
void supervise(char **words, uint32_t count, char **environment, struct inheritance *inheritance)
    __attribute__((noreturn));

#endif
