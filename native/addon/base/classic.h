/* SPDX-License-Identifier: MIT */
/* Runs a classic filter in user space. */
#ifndef CLASSIC_H
#define CLASSIC_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>

/* The instructions are checked: those that our compilers use, each path ends in a return, and loads are of words of the call. */
uint32_t run_classic(const struct sock_filter *filter, const struct seccomp_data *call);

#endif
