/* SPDX-License-Identifier: MIT */
/*
 * Takes the place of native/launcher/kernel.h: the system calls of the launcher's loader go to a function of the test, so
 * that a bundle is loaded without a kernel that can. `-include` it before the sources.
 */
#ifndef PORTCULLIS_KERNEL_H
#define PORTCULLIS_KERNEL_H

#include <asm/unistd.h>
#include <linux/errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

long fake_call(long number, long a, long b, long c);
#define CALL(number, ...) CALL_(number, __VA_ARGS__, 0, 0, 0)
#define CALL_(number, a, b, c, ...) fake_call((number), (long)(a), (long)(b), (long)(c))

static inline size_t string_length(const char *string) { return strlen(string); }
static inline int strings_equal(const char *one, const char *other) { return strcmp(one, other) == 0; }
void *allocate(size_t size);

#endif
