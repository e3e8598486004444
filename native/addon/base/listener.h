/* SPDX-License-Identifier: MIT */
/*
 * Requests to a seccomp listener. A signal of ours, like the timer's in moment.c, can end the kernel's wait for
 * the listener's mutex (kernel/seccomp.c, 6.18, seccomp_notify_send()): EINTR, and the request has done nothing. An answer that is lost that way would leave its caller waiting for ever.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <stdint.h>

struct seccomp_notif_resp;
struct seccomp_notif_addfd;

/* 0, or a negative errno: ENOENT if the caller no longer waits. */
int send_response(int listener, const struct seccomp_notif_resp *response);
/* Whether the caller of this notification still waits for its answer. */
bool awaits_answer(int listener, uint64_t id);
/* The descriptor's number in the caller's table, or a negative errno. */
int add_descriptor(int listener, const struct seccomp_notif_addfd *order);

#endif
