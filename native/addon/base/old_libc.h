/* SPDX-License-Identifier: MIT */
/*
 * Lets an addon that is linked against the build machine's glibc run with glibc 2.28, that of Node 20's oldest systems.
 * Newer glibc gives some functions new symbol versions with the same meaning; this file asks for the old ones.
 * native/Makefile includes it before all other headers.
 */
#ifndef OLD_LIBC_H
#define OLD_LIBC_H

#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
#define C99_VERSION "GLIBC_2.7"
#define CLOCK_VERSION "GLIBC_2.3.3"
#elif defined(__aarch64__)
#define FIRST_VERSION "GLIBC_2.17"
#define C99_VERSION "GLIBC_2.17"
#define CLOCK_VERSION "GLIBC_2.17"
#endif

/* These functions moved from libpthread to libc in 2.32 and 2.34; Node is linked with both. */
__asm__(".symver pthread_create,pthread_create@" FIRST_VERSION);
__asm__(".symver pthread_kill,pthread_kill@" FIRST_VERSION);
__asm__(".symver pthread_attr_setstacksize,pthread_attr_setstacksize@" FIRST_VERSION);
__asm__(".symver pthread_sigmask,pthread_sigmask@" FIRST_VERSION);
__asm__(".symver pthread_condattr_setclock,pthread_condattr_setclock@" CLOCK_VERSION);
/* From 2.38 on, these functions also accept C23's binary literals. */
__asm__(".symver __isoc23_strtol,strtol@" FIRST_VERSION);
__asm__(".symver __isoc23_strtoul,strtoul@" FIRST_VERSION);
__asm__(".symver __isoc23_strtoull,strtoull@" FIRST_VERSION);
__asm__(".symver __isoc23_sscanf,__isoc99_sscanf@" C99_VERSION);

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

long syscall(long number, ...);

/* stat(2) and fstat(2) are functions of their own from 2.33 on. The kernel's structure is glibc's on both machines. */
static inline int stat_of(const char *path, struct stat *into) {
  return (int)syscall(SYS_newfstatat, AT_FDCWD, path, into, 0);
}
static inline int stat_of_descriptor(int descriptor, struct stat *into) {
  return (int)syscall(SYS_fstat, descriptor, into);
}

#endif
