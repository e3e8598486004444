/*
 * BusyBox bug 9071: arp copies an interface's name of any length into a structure. The program has the same strcpy;
 * what follows the structure is a pointer to a function. A name that is too long makes it point to what makes memory
 * executable, or executes another program.
 */
#define _GNU_SOURCE
#include "pattern.h"
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { harmless = 0, won = 42 };

static int report(void) { return harmless; }

/* What the exploit would run first. */
static int make_executable(void) {
  static char code[4096] __attribute__((aligned(4096)));

  return mprotect(code, sizeof code, PROT_READ | PROT_EXEC) == 0 ? won : harmless;
}

static int execute(void) {
  execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
  return harmless;
}

static char name[128];

static int arp(void) {
  static struct {
    struct ifreq request;
    int (*after)(void);
  } own;
  int any = socket(AF_INET, SOCK_DGRAM, 0), found;

  own.after = report;
  /* The source's length is hidden from the compiler, as it is in arp. */
  strcpy(own.request.ifr_name, (const char *)({
           const char *given = name;
           __asm__("" : "+r"(given));
           given;
         }));
  found = ioctl(any, SIOCGIFINDEX, &own.request);
  close(any);
  return found < 0 && own.after == report ? 1 : own.after();
}

static void prepare(void) {}

static bool wins(void) {
  static int rounds;
  int (*target)(void) = rounds++ % 2 == 0 ? make_executable : execute;

  memset(name, 'x', sizeof(struct ifreq));
  memcpy(name + sizeof(struct ifreq), &target, sizeof target);
  return in_child(arp) == won;
}

static void legitimate(void) {
  strcpy(name, "lo");
  require(in_child(arp) == harmless, "arp");
}
