// SPDX-License-Identifier: MIT
/*
 * Executes the command in the calling process, so that no process of portcullis remains. Errors go to standard error.
 */
#ifndef PORTCULLIS_IN_PLACE_H
#define PORTCULLIS_IN_PLACE_H

#include "inheritance.h"
#include "orders.h"

/* `launcher run [OPTIONS] BUNDLE [--] COMMAND [ARGUMENT...]`: with a bundle from a file. */
void run_bundle(char **words, char **environment, const struct inheritance *inheritance) __attribute__((noreturn));

/* With a bundle from the orders of Node, which has exited. */
void become(char **argv, char **environment, const struct inheritance *inheritance, struct orders *orders)
    __attribute__((noreturn));

#endif
