// SPDX-License-Identifier: MIT
/* Becoming the command: no process of ours is left. What goes wrong is written to standard error. */
#ifndef PORTCULLIS_IN_PLACE_H
#define PORTCULLIS_IN_PLACE_H

#include "launcher.h"

/* `launcher run [OPTIONS] BUNDLE [--] COMMAND [ARGUMENT...]`: from a bundle's file. */
void run_bundle(char **words, char **environment, uint64_t mask) __attribute__((noreturn));

/*
 * `launcher become N FILE ARGV0 [ARGUMENT...]`: from a configuration (`launcher.h`) that can be read from descriptor N.
 * Whoever was here before is gone: Node, which ignores SIGPIPE.
 */
void become(char **words, char **environment, uint64_t mask) __attribute__((noreturn));

#endif
