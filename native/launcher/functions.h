// SPDX-License-Identifier: MIT
/* Kernel functions by name: their numbers in the kernel's type information. */
#ifndef PORTCULLIS_FUNCTIONS_H
#define PORTCULLIS_FUNCTIONS_H

#include <stdint.h>

/*
 * Finds each name's id, one pass over /sys/kernel/btf/vmlinux (Documentation/bpf/btf.rst). 0, or a negative errno:
 * ENOENT where the file is missing, ESRCH where a name is (its id is 0 then), EBADMSG where the file is not understood.
 */
long find_kernel_functions(const char *const *names, uint32_t *ids, uint32_t count);

#endif
