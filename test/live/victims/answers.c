// SPDX-License-Identifier: MIT
/*
 * answers SCENARIO FOLDER: calls with paths in situations in which a supervisor could easily give another result than the
 * kernel, a line each. Each call is made several times, so that the kernel has the names in its cache.
 */
#include "victim.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { TIMES = 3, FILLED = 0xaa };

static unsigned char buffer[4096];

/* The kernel takes the size as an int. */
static void read_links(void) {
  for (int again = 0; again < TIMES; again++) {
    memset(buffer, 0, sizeof buffer);
    const long length = result_of(syscall(SYS_readlink, "absolute", buffer, 0x100000003));
    printf("link %ld %s\n", length, (char *)buffer);
    printf("negative %ld\n", result_of(syscall(SYS_readlink, "absolute", buffer, 0x180000000)));
  }
}

static const struct {
  const char *name;
  void (*run)(void);
} scenarios[] = {
    {"link-size", read_links},
};

int main(int argc, char **argv) {
  if (argc != 3 || chdir(argv[2]) != 0) return 125;
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
    if (!strcmp(argv[1], scenarios[i].name)) scenarios[i].run();
  fflush(stdout);
  return 0;
}
