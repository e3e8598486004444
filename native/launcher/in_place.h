// SPDX-License-Identifier: MIT
/* Becoming the command: no process of portcullis is left. What goes wrong is written to standard error. */
#ifndef PORTCULLIS_IN_PLACE_H
#define PORTCULLIS_IN_PLACE_H

#include "inheritance.h"
#include "orders.h"

/* `launcher run [OPTIONS] BUNDLE [--] COMMAND [ARGUMENT...]`: from a bundle's file. */
void run_bundle(char **words, char **environment, const struct inheritance *inheritance) __attribute__((noreturn));

/* From orders of Node's, which has exited. */
void become(char **argv, char **environment, const struct inheritance *inheritance, struct orders *orders)
    __attribute__((noreturn));

#endif
