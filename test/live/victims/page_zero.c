// SPDX-License-Identifier: MIT
/*
 * page_zero 0: makes calls with null pointers, before and while memory is mapped at address 0, and prints the results. Their
 * policy refuses the path "forbidden" and port 81. "not possible": vm.mmap_min_addr and the user's rights do not allow it.
 */
#include "victim.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Not known to the compiler, which treats a null pointer as a mistake. */
static char *null;

static void tell(const char *what, long result) { printf("%s: %ld\n", what, result); }

static long open_null(void) {
  const long file = result_of(syscall(SYS_openat, AT_FDCWD, null, O_RDONLY, 0));
  if (file >= 0) close((int)file);
  return file < 0 ? file : 0;
}

static long status(int directory, int flags) {
  struct stat status;
  return result_of(syscall(SYS_newfstatat, directory, null, &status, flags));
}

static long connect_null(size_t size) {
  const int one = socket(AF_INET, SOCK_STREAM, 0);
  const long result = result_of(syscall(SYS_connect, one, null, size));
  close(one);
  return result;
}

/* The two calls for which the kernel reads nothing at a null pointer. */
static void use_descriptor(int file) {
  tell("descriptor's status", status(file, AT_EMPTY_PATH));
  tell("descriptor's times", result_of(syscall(SYS_utimensat, file, null, NULL, 0)));
}

static void try_path(const char *path) {
  strcpy(null, path);
  tell("open", open_null());
  tell("status", status(AT_FDCWD, 0));
  tell("times", result_of(syscall(SYS_utimensat, AT_FDCWD, null, NULL, 0)));
}

static void try_port(int port) {
  const struct sockaddr_in address = {AF_INET, htons((uint16_t)port), {htonl(INADDR_LOOPBACK)}, {0}};
  memcpy(null, &address, sizeof address);
  tell("connect", connect_null(sizeof address));
}

int main(int count, char **words) {
  if (count != 2) return 2;
  null = (char *)(uintptr_t)strtoul(words[1], NULL, 0);
  const int file = open("allowed", O_CREAT | O_RDWR, 0600);
  puts("nothing");
  tell("open", open_null());
  tell("status", status(AT_FDCWD, 0));
  tell("connect", connect_null(sizeof(struct sockaddr_in)));
  use_descriptor(file);
  /* Not MAP_FIXED, which the filter refuses before Linux 6.10. */
  if (mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != null) {
    puts("not possible");
    return 0;
  }
  puts("allowed");
  try_path("allowed");
  try_port(82);
  puts("forbidden");
  try_path("forbidden");
  use_descriptor(file);
  try_port(81);
  return 0;
}
