/** Numbers of open(2) and its siblings, the same on both architectures. */

/** AT_FDCWD (include/uapi/linux/fcntl.h). */
export const atWorkingDirectory = -100;

/** O_CLOEXEC, SOCK_CLOEXEC, EPOLL_CLOEXEC (include/uapi/asm-generic/fcntl.h); not FD_CLOEXEC. */
export const closeOnExec = 0o2000000;
