// SPDX-License-Identifier: MIT
/* Signals in the midst of calls, and what a call leaves of the caller's registers. */
#include "pinned.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* ── Registers ───────────────────────────────────────────────────────────────────────────────────────────────────── */

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, REGISTERS };
enum { RED_ZONE_WORDS = 16 };

/* What the caller has before the call and after it. */
struct state {
  uint64_t registers[REGISTERS];
  unsigned char vectors[16][16];
  uint64_t red_zone[RED_ZONE_WORDS];
};
struct state before, after;
void checked_call(void);
extern char after_call[];

#define LOAD(name, index) "  movq before+8*" #index "(%rip), %" #name "\n"
#define STORE(name, index) "  movq %" #name ", after+8*" #index "(%rip)\n"
#define LOAD_VECTOR(n) "  movdqu before+8*17+16*" #n "(%rip), %xmm" #n "\n"
#define STORE_VECTOR(n) "  movdqu %xmm" #n ", after+8*17+16*" #n "(%rip)\n"
#define LOAD_WORD(n) "  movq before+8*17+256+8*" #n "(%rip), %rax\n  movq %rax, -8-8*" #n "(%rsp)\n"
#define STORE_WORD(n) "  movq -8-8*" #n "(%rsp), %rax\n  movq %rax, after+8*17+256+8*" #n "(%rip)\n"
#define SIXTEEN(what)                                                                                                 \
  what(0) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8) what(9) what(10) what(11) what(12) what(13) \
      what(14) what(15)

_Static_assert(offsetof(struct state, vectors) == 8 * 17 && offsetof(struct state, red_zone) == 8 * 17 + 256,
               "offsets");

/* The flags come before the rest, which leaves them as they are. */
__asm__(
    ".text\n"
    ".globl checked_call, after_call\n"
    "checked_call:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  movq %rsp, before+8*7(%rip)\n"
    "  pushq before+8*16(%rip)\n"
    "  popfq\n" SIXTEEN(LOAD_WORD) SIXTEEN(LOAD_VECTOR) LOAD(rax, 0) LOAD(rbx, 1) LOAD(rcx, 2) LOAD(rdx, 3)
        LOAD(rsi, 4) LOAD(rdi, 5) LOAD(rbp, 6) LOAD(r8, 8) LOAD(r9, 9) LOAD(r10, 10) LOAD(r11, 11) LOAD(r12, 12)
            LOAD(r13, 13) LOAD(r14, 14) LOAD(r15, 15)
    "  syscall\n"
    "after_call:\n" STORE(rax, 0) STORE(rbx, 1) STORE(rcx, 2) STORE(rdx, 3) STORE(rsi, 4) STORE(rdi, 5) STORE(rbp, 6)
        STORE(rsp, 7) STORE(r8, 8) STORE(r9, 9) STORE(r10, 10) STORE(r11, 11) STORE(r12, 12) STORE(r13, 13)
            STORE(r14, 14) STORE(r15, 15) SIXTEEN(STORE_VECTOR) SIXTEEN(STORE_WORD)
    "  pushfq\n"
    "  popq after+8*16(%rip)\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  cld\n"
    "  ret\n");

static uint64_t random_word(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

/* Registers that differ after a call, beyond its result: how many. */
static long differences(void) {
  long count = 0;
  for (int i = 0; i < REGISTERS; i++) {
    uint64_t expected = before.registers[i];
    if (i == RAX) continue;
    if (i == RCX) expected = (uint64_t)(uintptr_t)after_call;
    if (i == R11) expected = before.registers[FLAGS];
    if (after.registers[i] == expected) continue;
    if (count++ == 0) fprintf(stderr, "register %d: %lx, not %lx\n", i, (long)after.registers[i], (long)expected);
  }
  if (memcmp(before.vectors, after.vectors, sizeof before.vectors) != 0) count++;
  if (memcmp(before.red_zone, after.red_zone, sizeof before.red_zone) != 0) count++;
  return count;
}

/* CF, PF, AF, ZF, SF, DF and OF as they come; IF is always set, and the bit that is always 1. */
static void fill(long number, const uint64_t arguments[6]) {
  unsigned char *bytes = (unsigned char *)&before;
  for (size_t i = 0; i + 8 <= sizeof before; i += 8) {
    uint64_t word = random_word();
    memcpy(bytes + i, &word, 8);
  }
  before.registers[FLAGS] = (random_word() & 0xcd5) | 0x202;
  before.registers[RAX] = (uint64_t)number;
  before.registers[RDI] = arguments[0];
  before.registers[RSI] = arguments[1];
  before.registers[RDX] = arguments[2];
  before.registers[R10] = arguments[3];
  before.registers[R8] = arguments[4];
  before.registers[R9] = arguments[5];
}

/* ── A storm of signals, whose handler makes pinned calls ────────────────────────────────────────────────────────── */

static struct {
  volatile long handled, wrong, interrupted, made_since;
  useconds_t densest;
  volatile useconds_t pause;
} storm;

/* 0: the file is what it should be; else a negative errno, or 1. */
static long open_and_check(const char *path, char expected) {
  long file = result_of(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0));
  if (file < 0) return file;
  char content = 0;
  ssize_t count = pread((int)file, &content, 1, 0);
  close((int)file);
  return count == 1 && content == expected ? 0 : 1;
}

/* One signal after the other, with a pause between: however slow the machine is, the program goes on. */
static void on_signal(int signal) {
  (void)signal;
  int saved = errno;
  storm.handled++;
  long result = open_and_check("./other", 'x');
  if (result == -EINTR) storm.interrupted++;
  else if (result != 0) storm.wrong++;
  if (storm.made_since == 0 && storm.pause < 500000) storm.pause = 2 * storm.pause;
  else storm.pause = storm.densest;
  storm.made_since = 0;
  ualarm(storm.pause, 0);
  errno = saved;
}

static void begin(useconds_t densest, int flags) {
  static unsigned char alternate[65536];
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
  if (flags & SA_ONSTACK) sigaltstack(&stack, NULL);
  sigaction(SIGALRM, &action, NULL);
  storm.densest = storm.pause = densest;
  ualarm(densest, 0);
}

static void end(void) {
  signal(SIGALRM, SIG_IGN);
  ualarm(0, 0);
}

/*
 * Datagrams and opened files in turns, each with every register checked. A datagram that is sent counts where it
 * arrives: none is lost, none comes twice.
 */
static int storm_scenario(int tries, useconds_t densest, int flags) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(receiver, (struct sockaddr *)&address, size) != 0 ||
      getsockname(receiver, (struct sockaddr *)&address, &size) != 0)
    return 2;
  static const char path[] = "./ok";
  long sent = 0, arrived = 0, opened = 0, interrupted = 0, wrong = 0, other = 0, changed = 0;
  if (densest > 0) begin(densest, flags);
  for (int i = 0; i < tries; i++) {
    char byte = 'x';
    if (i & 1)
      fill(SYS_openat, (uint64_t[6]){(uint64_t)AT_FDCWD, (uintptr_t)path, O_RDONLY, 0, random_word(), random_word()});
    else fill(SYS_sendto, (uint64_t[6]){(uint64_t)sender, (uintptr_t)&byte, 1, 0, (uintptr_t)&address, size});
    checked_call();
    long result = (long)after.registers[RAX];
    changed += differences();
    storm.made_since++;
    if (result == -EINTR) {
      interrupted++;
    } else if (result < 0) {
      if (other++ == 0) fprintf(stderr, "errno %ld\n", -result);
    } else if (i & 1) {
      char content = 0;
      if (pread((int)result, &content, 1, 0) != 1 || content != 'o') wrong++;
      close((int)result);
      opened++;
    } else {
      sent++;
    }
    while (recv(receiver, &byte, 1, MSG_DONTWAIT) > 0) arrived++;
  }
  if (densest > 0) end();
  printf("sent: %ld\narrived: %ld\nopened: %ld\ninterrupted: %ld\nwrong: %ld\nother: %ld\nchanged registers: %ld\n",
         sent, arrived, opened, interrupted, wrong, other, changed);
  printf("handled: %ld\nwrong in handlers: %ld\ninterrupted in handlers: %ld\n", storm.handled, storm.wrong,
         storm.interrupted);
  return 0;
}

/* storm TRIES DENSEST FLAGS: microseconds (0: no signals); the flags are letters, r SA_RESTART, s SA_ONSTACK, n SA_NODEFER. */
int signal_scenario(const char *name, char **arguments) {
  if (strcmp(name, "storm") != 0) return -1;
  make_file("ok", 'o');
  make_file("other", 'x');
  const char *letters = arguments[2] == NULL ? "" : arguments[2];
  int flags = (strchr(letters, 'r') ? SA_RESTART : 0) | (strchr(letters, 's') ? SA_ONSTACK : 0) |
              (strchr(letters, 'n') ? SA_NODEFER : 0);
  confine();
  return storm_scenario(atoi(arguments[0]), (useconds_t)atoi(arguments[1]), flags);
}
