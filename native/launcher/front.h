// SPDX-License-Identifier: MIT
/*
 * `launcher supervise NODE SCRIPT WORD...`: the process that the shell starts. It represents the command: it forwards
 * signals to the command, stops when the command stops, and exits with the command's status.
 */
#ifndef PORTCULLIS_FRONT_H
#define PORTCULLIS_FRONT_H

#include "inheritance.h"

/* `words` has `count` entries and a final NULL. */
void supervise(char **words, uint32_t count, char **environment, struct inheritance *inheritance)
    __attribute__((noreturn));

#endif
