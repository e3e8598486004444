// SPDX-License-Identifier: MIT
/* Sentences on standard error, for people. */
#ifndef PORTCULLIS_SAY_H
#define PORTCULLIS_SAY_H

/* The exit statuses of portcullis itself (docs/language.md, "Exit status"). */
enum { FAILED = 125, CANNOT_RUN = 126, NOT_FOUND = 127 };

void say(const char *text);
void say_number(long number);
/* The name of a negative errno. */
void say_error(long error);

/* "portcullis: ABOUT: WHAT" and "  help: HELP" where they are not NULL, and exits with this status. */
void refuse(int status, const char *about, const char *what, const char *help) __attribute__((noreturn));

#endif
