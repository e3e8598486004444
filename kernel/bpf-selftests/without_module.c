// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_verifier loads bpf_testmod.ko first and gives up where it cannot. A dozen of its hundreds of tests need the module;
 * on a kernel without modules these then fail, each by its name, and the others say what they say.
 */
#include <stdbool.h>

int __wrap_load_bpf_testmod(bool verbose);
int __wrap_unload_bpf_testmod(bool verbose);

int __wrap_load_bpf_testmod(bool verbose)
{
	(void)verbose;
	return 0;
}

int __wrap_unload_bpf_testmod(bool verbose)
{
	(void)verbose;
	return 0;
}
