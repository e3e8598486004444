// SPDX-License-Identifier: MIT
/*
 * Executes the command in the calling process, so that no process of portcullis remains. Errors go to standard error.
 */
#ifndef PORTCULLIS_IN_PLACE_H
#define PORTCULLIS_IN_PLACE_H

#include "confine.h"
#include "inheritance.h"
#include "orders.h"

/* `launcher run [OPTIONS] BUNDLE [--] COMMAND [ARGUMENT...]`: with a bundle from a file. */
void run_bundle(char **words, char **environment, const struct inheritance *inheritance) __attribute__((noreturn));

/* With a bundle from the orders of Node, which has exited. */
void become(char **argv, char **environment, const struct inheritance *inheritance, struct orders *orders)
    __attribute__((noreturn));

/*
 * Reads a bundle from a file and loads its program, for processes that another process confines. Exits if that fails, or
 * if the policy needs more than filters.
 */
void load_bundle(const char *path, struct confinement *confinement);

#endif
