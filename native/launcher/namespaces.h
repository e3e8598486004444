// SPDX-License-Identifier: MIT
/*
 * Namespaces of the command's own.
 *
 * The user namespace has the same users. In it the caller has the capabilities to make the others, and a tree that is born in it
 * has none over namespaces outside.
 *
 * The network namespace has nothing but the loopback device. Every address is local there, so that a connection to any address
 * reaches the sockets that are made in it. A socket stays in the namespace where it was made, so the process that gets them
 * serves the namespace from outside.
 */
#ifndef PORTCULLIS_NAMESPACES_H
#define PORTCULLIS_NAMESPACES_H

#include "endpoint.h"

struct namespaces {
  int user, net; /* descriptors, or -1 */
};

/*
 * Makes both namespaces and the sockets, which are close-on-exec. Returns 0, or a negative errno and a sentence in `what`; then
 * no descriptor remains.
 */
long make_network(struct namespaces *namespaces, const struct endpoint *endpoints, uint32_t count, int *sockets,
                  const char **what);
/* Makes the user namespace alone. Returns as make_network does. */
long make_user_namespace(struct namespaces *namespaces, const char **what);
/* Moves the calling process into them. It then has all capabilities there. Returns 0, or a negative errno. */
long enter_namespaces(const struct namespaces *namespaces);

#endif
