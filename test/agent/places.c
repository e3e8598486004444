// A program in a container that attacks the places of its windows (native/addon/pin/pin.h). It obeys a line of its input each:
//
//     make NAME        makes a folder
//     occupy PLACE     maps memory of its own in that place
//     fill             the same in all places that are free
//     leave            unmaps what it has mapped
//     former PLACE     maps the memory of the window in the first place again, in that place (root can)
//     change           tries to change what is mapped in the first place
//     stub NAME        makes a folder by a call from the stub in the first place
//
// Prints the result of each: 0 or a negative errno, or how often it could; -200: it could not try.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __x86_64__
#include "../live/pin/from_stub.h"
#endif

enum { START = 0x10000, SECOND = 0x100000, LATER = 0x20000, END = 0x200000, PLACES = 9, CODE = 0x1000, UNTRIED = -200 };

static int is_mapped[PLACES];

static char *start_of(int place) { return (char *)(long)(place == 0 ? START : SECOND + (place - 1) * LATER); }
static size_t size_of(int place) { return place == 0 ? SECOND - START : LATER; }
static long result_of(long result) { return result < 0 ? -errno : result; }

static int occupy(int place) {
  enum { FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE };
  char *const memory = mmap(start_of(place), size_of(place), PROT_READ | PROT_WRITE, FLAGS, -1, 0);
  if (memory != start_of(place)) return 0;
  for (size_t at = 0; at < size_of(place); at += 256) strcpy(memory + at, "secret");
  is_mapped[place] = 1;
  return 1;
}

static int fill(void) {
  int count = 0;
  for (int place = 0; place < PLACES; place++) count += !is_mapped[place] && occupy(place);
  return count;
}

static int leave(void) {
  int count = 0;
  for (int place = 0; place < PLACES; place++) {
    if (is_mapped[place] && munmap(start_of(place), size_of(place)) == 0) count++;
    is_mapped[place] = 0;
  }
  return count;
}

static int map_former(int place) {
  enum { FLAGS = MAP_SHARED | MAP_FIXED_NOREPLACE };
  const int code = open("/proc/self/map_files/10000-11000", O_RDONLY);
  const int data = open("/proc/self/map_files/11000-100000", O_RDONLY);
  if (code < 0 || data < 0) return UNTRIED;
  char *const start = start_of(place);
  const int can = mmap(start, CODE, PROT_READ | PROT_EXEC, FLAGS, code, 0) == start &&
                  mmap(start + CODE, size_of(place) - CODE, PROT_READ, FLAGS, data, 0) == start + CODE;
  close(code);
  close(data);
  is_mapped[place] = can;
  return can;
}

/* How many attempts have an effect. */
static int change(void) {
  char *const data = start_of(0) + CODE;
  const int file = open("/proc/self/map_files/11000-100000", O_RDWR);
  const int own = open("/proc/self/mem", O_RDWR);
  const int count = (file >= 0 && pwrite(file, "secret", 7, 0) == 7) +
                    (pwrite(own, "secret", 7, (off_t)(long)data) == 7) +
                    (mprotect(data, CODE, PROT_READ | PROT_WRITE) == 0) + (munmap(data, CODE) == 0) +
                    (mmap(data, CODE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == data);
  if (file >= 0) close(file);
  close(own);
  return count;
}

static long make_from_stub(const char *name) {
#ifdef __x86_64__
  return from_stub(SYS_mkdir, (long)name, 0700, 0);
#else
  (void)name;
  return UNTRIED;
#endif
}

int main(void) {
  char line[256], what[32], name[128];
  while (fgets(line, sizeof line, stdin) != NULL) {
    name[0] = 0;
    if (sscanf(line, "%31s %127s", what, name) < 1) continue;
    const long result = strcmp(what, "make") == 0     ? result_of(mkdir(name, 0700))
                        : strcmp(what, "occupy") == 0 ? occupy(atoi(name))
                        : strcmp(what, "fill") == 0   ? fill()
                        : strcmp(what, "leave") == 0  ? leave()
                        : strcmp(what, "former") == 0 ? map_former(atoi(name))
                        : strcmp(what, "change") == 0 ? change()
                        : strcmp(what, "stub") == 0   ? make_from_stub(name)
                                                      : UNTRIED;
    printf("%ld\n", result);
    fflush(stdout);
  }
  return 0;
}
