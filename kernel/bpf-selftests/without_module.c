// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_verifier exits if it cannot load bpf_testmod.ko. With these stubs it runs on a kernel without modules; only the
 * dozen tests that need the module fail.
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
