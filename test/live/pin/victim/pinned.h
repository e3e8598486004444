/* SPDX-License-Identifier: MIT */
/* What the scenarios share: see main.c. */
#ifndef PINNED_H
#define PINNED_H
#include "../../victims/victim.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* The filter is installed and supervised from here on. */
void confine(void);

/* A file of one byte, which says what it is. */
void make_file(const char *name, char content);

/* Changes a byte back and forth, as fast as it can, until the end. */
struct flip {
  volatile char *at;
  char one, other;
};
void begin_flipping(struct flip *flips, int count);
void end_flipping(void);

/* What came of the tries of a race. */
struct tally {
  long allowed, forbidden, denied, interrupted, other;
  long last_other; /* the errno */
};
void count_result(struct tally *tally, long error);
void print_tally(const struct tally *tally);

int race_scenario(const char *name, char **arguments);
int signal_scenario(const char *name, char **arguments);
int neighbour_scenario(const char *name, char **arguments);
int birth_scenario(const char *name, char **arguments);
int window_scenario(const char *name, char **arguments);
int file_server_scenario(const char *name, char **arguments);
int leftover_scenario(const char *name, char **arguments);
#endif
