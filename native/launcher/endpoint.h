// SPDX-License-Identifier: MIT
/* A socket that an order wants in the command's network (namespaces.h). */
#ifndef PORTCULLIS_ENDPOINT_H
#define PORTCULLIS_ENDPOINT_H

#include <stdint.h>

enum { MAX_ENDPOINTS = 64 };

/* An IPv4 address is ::ffff:a.b.c.d; :: means both families where the kernel has IPv6. */
struct endpoint {
  unsigned char address[16];
  uint16_t port;
  uint16_t is_datagram; /* otherwise a listening stream */
};

#endif
