/* SPDX-License-Identifier: MIT */
/*
 * A thread that runs functions for the loop, one at a time. To the kernel a tracer is a thread, so what one thread traces
 * is apart from what another one traces.
 */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include <stddef.h>

struct executor;

/* NULL with errno. It blocks all signals; moment.c unblocks its own. */
struct executor *start_executor(size_t stack);
/* Runs the function in the thread and waits for its end. */
void run_in(struct executor *self, void (*function)(void *data), void *data);
/*
 * Runs the function in the thread without a wait, and then calls `over` there. Until `over` is called, the executor takes no
 * other function. `over` may pass it to another thread.
 */
void begin_in(struct executor *self, void (*function)(void *data), void (*over)(void *data), void *data);
/* Ends the thread, after its present function. The kernel then detaches its tracees. */
void end_executor(struct executor *self);

#endif
