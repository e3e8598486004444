// SPDX-License-Identifier: MIT
/* Reads /proc/PID. */
#ifndef PORTCULLIS_PROCESS_STATUS_H
#define PORTCULLIS_PROCESS_STATUS_H

/* Writes a decimal number and a NUL, at most 11 characters. Returns the end, where the NUL is. */
char *write_number(char *to, unsigned number);

enum { MAX_PROCESS_PATH = 64 };
/* Writes "/proc/PID/NAME"; 0 is this process. The name has at most 32 characters. */
void process_path(char path[MAX_PROCESS_PATH], unsigned pid, const char *name);

struct confinement_status {
  int filters, no_new_privileges; /* -1: unknown */
};
struct confinement_status confinement_of(unsigned pid);

#endif
