// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the frequency of this machine's time stamp counter in kHz. QEMU's processors count with it (cpu_get_host_ticks()).
 * A kernel that boots beside other work can measure a much lower one: if its processor waits for the host between the start of
 * the PIT and the first look at the counter, it sees only the rest of the interval, and it prefers that value to the HPET's
 * (pit_hpet_ptimer_calibrate_cpu() in arch/x86/kernel/tsc.c). Its clock is then too fast. Prints 0, with which the kernel
 * measures itself, if this is not an x86.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#ifdef __x86_64__
#include <x86intrin.h>

struct sample {
	uint64_t ticks, nanoseconds;
};

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Of many attempts the shortest: no interruption came between its clocks. */
static struct sample take(void)
{
	enum { ATTEMPTS = 50 };
	struct sample best = { 0, 0 };
	uint64_t shortest = UINT64_MAX;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		const uint64_t before = now(), ticks = __rdtsc(), after = now();
		if (after - before >= shortest)
			continue;
		shortest = after - before;
		best = (struct sample){ ticks, before + (after - before) / 2 };
	}
	return best;
}

static uint64_t measured(void)
{
	const struct timespec while_it_counts = { 0, 20000000 };
	const struct sample start = take();
	nanosleep(&while_it_counts, NULL);
	const struct sample end = take();
	return (end.ticks - start.ticks) * 1000000 / (end.nanoseconds - start.nanoseconds);
}
#else
static uint64_t measured(void)
{
	return 0;
}
#endif

int main(void)
{
	printf("%llu\n", (unsigned long long)measured());
	return 0;
}
