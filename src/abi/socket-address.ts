/** The layout of socket addresses and message headers: include/linux/socket.h, and the files named below (Linux 6.12). */

/** AF_…, by the words that policies use. */
export const socketFamily = { unspecified: 0, unix: 1, inet: 2, inet6: 10, netlink: 16, vsock: 40 } as const;

/** offsetof(struct sockaddr_un, sun_path) */
export const unixPathOffset = 2;
/** sizeof(struct sockaddr_in). An address of the family that is shorter is refused by every protocol. */
export const inetBytes = 16;
/** SIN6_LEN_RFC2133 (net/ipv6/af_inet6.c): `struct sockaddr_in6` without its scope. */
export const inet6Bytes = 24;

/** `struct user_msghdr` on 64-bit architectures: its size, and the offsets of three members. */
export const messageHeader = { size: 56, name: 0, nameLength: 8, controlLength: 40 } as const;
