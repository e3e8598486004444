/* SPDX-License-Identifier: MIT */
#ifndef PORTCULLIS_POLL_H
#define PORTCULLIS_POLL_H

#include <linux/poll.h>
#include <linux/time_types.h>

/*
 * ppoll(2) that works whatever RLIMIT_NOFILE is: ppoll fails with EINVAL where that is less than the number of descriptors
 * (fs/select.c), and any process of the same user can set it to 0. `prepare_polling` is called once, before the command
 * runs. At most eight descriptors; negative ones are left out.
 */
int prepare_polling(void); /* the descriptor that it uses */
void wait_readable(struct pollfd *sources, int count, const struct __kernel_timespec *limit);

#endif
