/* SPDX-License-Identifier: MIT */
/* What observe.c asks of pin.c. */
#ifndef OBSERVE_H
#define OBSERVE_H

#include "pin.h"

int listener_of(const struct pins *own);
/* From here on this notification's call can be refused or pinned, not continued. */
void mark_observed(struct pins *own, uint64_t id);

#endif
