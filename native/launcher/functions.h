// SPDX-License-Identifier: MIT
/* Finds the BTF ids of kernel functions by name, for the relocation of a bundle's program. */
#ifndef PORTCULLIS_FUNCTIONS_H
#define PORTCULLIS_FUNCTIONS_H

#include <stdint.h>

/*
 * Finds all ids in one pass over /sys/kernel/btf/vmlinux (Documentation/bpf/btf.rst). Returns 0, or a negative errno:
 * ENOENT if the file is missing, ESRCH if a name is missing (its id is 0), EBADMSG if the file cannot be parsed.
 */
long find_kernel_functions(const char *const *names, uint32_t *ids, uint32_t count);

#endif
