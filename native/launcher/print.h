// SPDX-License-Identifier: MIT
/* Prints messages to standard error. */
#ifndef PORTCULLIS_PRINT_H
#define PORTCULLIS_PRINT_H

#include <stddef.h>

/* The exit statuses of portcullis itself (docs/cli.md, "Exit status"). */
enum { FAILED = 125, CANNOT_RUN = 126, NOT_FOUND = 127 };

void print(const char *text);
/* The first error of a write by these functions, a negative errno, or 0: text is missing on standard error. */
long printing_error(void);
/*
 * For text that is not ours (arguments, file names, a bundle's strings): bytes that are not UTF-8, and characters that
 * control a terminal or reverse text, become U+FFFD.
 */
void print_text(const char *text);
void print_bytes(const char *text, size_t size);
void print_number(long number);
/* The name of a negative errno. */
void print_error(long error);

/* The warning of --best-effort: files of proc file systems can be written, because of this failure (domain.h). */
void print_best_effort(const char *missing, const char *what, long error);
#define PROC_IS_WRITABLE "the command can write files of proc file systems"
#define FILES_ARE_NOT_PROTECTED "the command can change the files that the policy protects"

/* Prints "portcullis: ABOUT: WHAT" and "  help: HELP" (`about` and `help` may be NULL), and exits with `status`. */
void die(int status, const char *about, const char *what, const char *help) __attribute__((noreturn));

#endif
