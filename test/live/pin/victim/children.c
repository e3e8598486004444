// SPDX-License-Identifier: MIT
/*
 * clone3, whose structure is pinned: each kind of child, on its parent's stack or on one of its own, with its parent's
 * memory or a copy. Both return with the registers that the call began with. The race is about CLONE_FILES: a child that
 * shares the descriptors closes one of its parent's.
 */
#include "pinned.h"

#include <linux/futex.h>
#include <linux/sched.h>
#include <stdbool.h>

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, REGISTERS };

uint64_t begun[REGISTERS], in_parent[REGISTERS], in_child[REGISTERS];
long checked_birth(void);
extern char after_birth[];

#define LOAD(name, index) "  movq begun+8*" #index "(%rip), %" #name "\n"
#define STORE(to, name, index) "  movq %" #name ", " to "+8*" #index "(%rip)\n"
/* clang-format does not settle on a form of these lines. */
/* clang-format off */
#define STORE_ALL(to)                                                              \
  STORE(to, rbx, 1) STORE(to, rcx, 2) STORE(to, rdx, 3) STORE(to, rsi, 4)          \
  STORE(to, rdi, 5) STORE(to, rbp, 6) STORE(to, rsp, 7) STORE(to, r8, 8)           \
  STORE(to, r9, 9) STORE(to, r10, 10) STORE(to, r11, 11) STORE(to, r12, 12)        \
  STORE(to, r13, 13) STORE(to, r14, 14) STORE(to, r15, 15)                         \
  "  pushfq\n  popq " to "+8*16(%rip)\n"
/* clang-format on */

/* The comparison of parent and child leaves the flags out. */
__asm__(
    ".text\n"
    ".globl checked_birth, after_birth\n"
    "checked_birth:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  movq %rsp, begun+8*7(%rip)\n"
    "  pushq begun+8*16(%rip)\n"
    "  popfq\n" LOAD(rax, 0) LOAD(rbx, 1) LOAD(rcx, 2) LOAD(rdx, 3) LOAD(rsi, 4) LOAD(rdi, 5) LOAD(rbp, 6) LOAD(r8, 8)
        LOAD(r9, 9) LOAD(r10, 10) LOAD(r11, 11) LOAD(r12, 12) LOAD(r13, 13) LOAD(r14, 14) LOAD(r15, 15)
    "  syscall\n"
    "after_birth:\n"
    "  xchg %rax, %rcx\n"
    "  jrcxz 1f\n"
    "  xchg %rax, %rcx\n" STORE_ALL("in_parent")
    "  cld\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    "1:\n"
    "  xchg %rax, %rcx\n" STORE_ALL("in_child")
    "  cld\n"
    "  xor %ebp, %ebp\n"
    "  and $-16, %rsp\n"
    "  call begin_child\n");

/* A child may have no thread-local storage of its own: it has no errno. */
static long raw(long number, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}

static struct {
  volatile long differences, opened, runs;
} *total;
static volatile int stays_open;
static uint64_t expected_stack;

static long differences(const uint64_t *after, uint64_t stack) {
  long count = 0;
  for (int i = RBX; i < REGISTERS; i++) {
    uint64_t expected = begun[i];
    if (i == RCX) expected = (uint64_t)(uintptr_t)after_birth;
    if (i == R11) expected = begun[FLAGS];
    if (i == RSP) expected = stack;
    if (after[i] != expected) count++;
  }
  return count;
}

__attribute__((noreturn)) void begin_child(void);
void begin_child(void) {
  total->runs++;
  total->differences += differences(in_child, expected_stack != 0 ? expected_stack : begun[RSP]);
  /* It makes pinned calls, too. What it leaves of its parent's stack is of no concern to the parent. */
  volatile char rubbish[2048];
  for (size_t i = 0; i < sizeof rubbish; i++) rubbish[i] = (char)0xa5;
  long file = raw(SYS_openat, AT_FDCWD, (long)"./ok", O_RDONLY, 0);
  if (file >= 0) total->opened++;
  raw(SYS_close, file, 0, 0, 0);
  raw(SYS_close, stays_open, 0, 0, 0);
  for (;;) raw(SYS_exit, 0, 0, 0, 0);
}

struct kind {
  const char *name;
  uint64_t flags;
  bool has_stack;
};
static const struct kind kinds[] = {
    {"fork", 0, false},
    {"fork on a stack", 0, true},
    {"vfork", CLONE_VM | CLONE_VFORK, false},
    {"spawn", CLONE_VM | CLONE_VFORK, true},
    {"process", CLONE_VM, true},
    {"thread", CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID, true},
};

static volatile int lives;
static unsigned char stack[65536] __attribute__((aligned(16)));
static struct clone_args arguments;

static void await(const struct kind *kind, long child) {
  int status;
  if ((kind->flags & CLONE_THREAD) == 0) {
    while (waitpid((pid_t)child, &status, __WALL) < 0 && errno == EINTR) {
    }
    return;
  }
  while (lives != 0) syscall(SYS_futex, &lives, FUTEX_WAIT, lives, NULL);
}

static uint64_t random_word(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static long changed;

static void give_birth(const struct kind *kind, struct tally *tally) {
  stays_open = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  arguments.exit_signal = (kind->flags & CLONE_THREAD) == 0 ? SIGCHLD : 0;
  arguments.child_tid = (uint64_t)(uintptr_t)&lives;
  arguments.stack = kind->has_stack ? (uint64_t)(uintptr_t)stack : 0;
  arguments.stack_size = kind->has_stack ? sizeof stack : 0;
  for (int i = 0; i < REGISTERS; i++) begun[i] = random_word();
  begun[FLAGS] = (random_word() & 0xcd5) | 0x202;
  begun[RAX] = SYS_clone3;
  begun[RDI] = (uint64_t)(uintptr_t)&arguments;
  begun[RSI] = sizeof arguments;
  /* The call itself notes the stack pointer, which is that of this function's call. */
  expected_stack = kind->has_stack ? (uint64_t)(uintptr_t)(stack + sizeof stack) : 0;
  lives = 1;
  long child = checked_birth();
  changed += differences(in_parent, begun[RSP]);
  if (child > 0) await(kind, child);
  bool is_closed = fcntl(stays_open, F_GETFD) < 0;
  if (!is_closed) close(stays_open);
  if (child < 0) count_result(tally, child);
  else if (is_closed) tally->forbidden++;
  else tally->allowed++;
}

static volatile long handled, wrong;

static void on_alarm(int signal) {
  (void)signal;
  int saved = errno;
  handled++;
  long file = result_of(syscall(SYS_openat, AT_FDCWD, "./ok", O_RDONLY, 0));
  if (file < 0 && file != -EINTR) wrong++;
  if (file >= 0) close((int)file);
  storm_let_through();
  ualarm(storm_pause, 0);
  errno = saved;
}

/* births TRIES KIND [storm]: with a race, or under a storm of signals whose handler makes pinned calls. */
int birth_scenario(const char *name, char **words) {
  if (strcmp(name, "births") != 0) return -1;
  int tries = atoi(words[0]);
  const struct kind *kind = &kinds[atoi(words[1])];
  bool storms = words[2] != NULL;
  total = shared_page();
  make_file("ok", 'o');
  arguments.flags = kind->flags;
  struct tally tally = {0};
  volatile char *byte = (volatile char *)&arguments.flags + 1;
  /* A thread shares the descriptors: it could not be made under the filter. */
  if (!storms) begin_flipping((struct flip[]){{byte, *byte, (char)(*byte | CLONE_FILES >> 8)}}, 1);
  confine();
  if (storms) {
    begin_storm(300, SA_RESTART);
    signal(SIGALRM, on_alarm);
  }
  for (int i = 0; i < tries; i++) give_birth(kind, &tally);
  if (storms) end_storm();
  else end_flipping();
  print_tally(&tally);
  printf("changed registers: %ld\nchanged registers of children: %ld\n", changed, total->differences);
  printf("children: %ld\nopened: %ld\nhandled: %ld\nwrong in handlers: %ld\n", total->runs, total->opened, handled,
         wrong);
  return 0;
}
