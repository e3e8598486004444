// SPDX-License-Identifier: MIT
/*
 * A network of the command's own: a network namespace with nothing but the loopback device, in a user namespace with the same
 * users. Every address is local there, so that a connection to any address reaches the sockets that are made in it. A socket
 * stays in the namespace where it was made, so the process that gets them serves the namespace from outside.
 */
#ifndef PORTCULLIS_NETWORK_H
#define PORTCULLIS_NETWORK_H

#include "endpoint.h"

struct network {
  int user, net; /* descriptors of the namespaces, or -1 */
};

/*
 * Makes the namespaces and the sockets, which are close-on-exec. Returns 0, or a negative errno and a sentence in `what`; then
 * no descriptor remains.
 */
long make_network(struct network *network, const struct endpoint *endpoints, uint32_t count, int *sockets,
                  const char **what);
/* Moves the calling process into it. Returns 0, or a negative errno. */
long enter_network(const struct network *network);

#endif
