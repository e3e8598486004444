// SPDX-License-Identifier: MIT
/* Writes to standard error without waiting for its reader, as src/events/channel.ts does. */
#ifndef PORTCULLIS_OUTPUT_H
#define PORTCULLIS_OUTPUT_H

#include <stddef.h>

/* Before the command runs. Without standard error all text is lost. */
void open_output(int is_open);
/* Returns how many bytes were written; 0 if standard error takes none now; or a negative errno. */
long write_output(const char *text, size_t size);
void close_output(void);
/* The descriptor to poll for POLLOUT; -1 if that makes no sense. */
int output_to_poll(void);
/* The first error by which text is lost although standard error has a reader (a full disk, a limit), or 0. */
long output_error(void);

#endif
