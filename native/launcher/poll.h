// SPDX-License-Identifier: MIT
/* Waits for descriptors in the front and the launcher. */
#ifndef PORTCULLIS_POLL_H
#define PORTCULLIS_POLL_H

#include <linux/poll.h>
#include <linux/time_types.h>

/*
 * ppoll(2) with any RLIMIT_NOFILE: ppoll fails with EINVAL if the limit is less than the number of descriptors
 * (fs/select.c), and any process of the same user can set it to 0. At most eight descriptors; negative ones are
 * ignored. Call `prepare_polling` once before the command runs; it returns the descriptor that it opens.
 */
int prepare_polling(void);
void wait_readable(struct pollfd *sources, int count, const struct __kernel_timespec *limit);

#endif
