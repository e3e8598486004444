// SPDX-License-Identifier: MIT
/*
 * rooms_attack SCENARIO: a program that wants to get past a room. In each scenario a thread holds the gate (rooms.c) and does
 * not let go; a call of the other side that returns without an errno has overlapped it.
 *
 * | scenario | what it tries |
 * | --- | --- |
 * | close | says that a call has ended, by the call that the stub says it with |
 * | end | jumps to that call in the stub |
 * | stub | makes a call of the other side by the stub, which no judgement has prepared |
 * | frame | changes what the stub of a waiting thread returns to |
 * | crowd | a thousand threads wait |
 * | hide | hides its process after the gate was taken |
 */
#include "rooms.h"
#include <stdint.h>
#include <sys/prctl.h>

/* native/addon/pin/pin.h */
#define END_MARK 0x70636c6500000000ul
static const unsigned long stub = 0x10000 + 3 * 128;

/* A frame of the stub: six registers, where to go on, and a result or a call's number. */
static long enter_at(unsigned long at, long number, unsigned long argument) {
  long result;
  __asm__ volatile(
      "lea -128(%%rsp), %%rsp\n" /* the red zone */
      "push %[number]\n"
      "lea 1f(%%rip), %%rcx\n"
      "push %%rcx\n"
      "push $0\n push $0\n push $0\n push $0\n push $0\n"
      "push %[argument]\n"
      "mov %[argument], %%rdi\n"
      "xor %%esi, %%esi\n xor %%edx, %%edx\n xor %%r10d, %%r10d\n xor %%r8d, %%r8d\n xor %%r9d, %%r9d\n"
      "mov %[number], %%rax\n"
      "jmp *%[at]\n"
      /* where the stub makes the caller's own call anew */
      "syscall\n"
      "1:\n"
      : "=a"(result)
      : [number] "b"(number), [argument] "r"(argument), [at] "r"(at)
      : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
  return result;
}

/* The second `syscall` of the stub. */
static unsigned long end_call(void) {
  const unsigned char *code = (const unsigned char *)stub;
  for (int at = 2; at < 128; at++)
    if (code[at] == 0x0f && code[at + 1] == 0x05) return stub + (unsigned long)at;
  return 0;
}

static void try(const char *what, long result) { printf("%s: %ld\n", what, result); }

/* Another side is let in: only if the attack has worked, or else late. */
static void probe(struct worker *holder) {
  say("reported", is_reported(holder->tid));
  say("asked", ask());
  say("holder is done", holder->done);
}

static long ask_by_stub(void) { return enter_at(stub, SYS_getppid, 0) > 0 ? 0 : -1; }

static struct worker waiter;
static _Atomic int diverted;
static void elsewhere(void) {
  diverted = 1;
  for (;;) {
  }
}

/* The frame of a thread that waits lies at its stack pointer. */
static void change_frame(pid_t tid) {
  char path[64], text[256] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
  int file = open(path, O_RDONLY);
  if (file < 0 || read(file, text, sizeof text - 1) <= 0) exit(3);
  close(file);
  char *last = strrchr(text, ' ');
  *last = 0;
  volatile uint64_t *frame = (volatile uint64_t *)strtoul(strrchr(text, ' '), NULL, 16);
  frame[6] = (uint64_t)(uintptr_t)elsewhere;
  frame[0] = END_MARK;
}

enum { CROWD = 1000 };
static void crowd(struct worker *holder) {
  static struct worker all[CROWD];
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 1 << 16);
  long failed = 0;
  for (int i = 0; i < CROWD; i++) {
    all[i].call = ask;
    if (pthread_create(&all[i].thread, &small, work, &all[i]) != 0) exit(3);
  }
  for (int i = 0; i < CROWD; i++)
    while (all[i].tid == 0 || (!all[i].done && call_of(getpid(), all[i].tid) != SYS_getppid)) pause_for(1);
  for (int i = 0; i < CROWD; i++) failed += all[i].done;
  say("overtook", failed);
  say("held", release(holder));
  failed = 0;
  for (int i = 0; i < CROWD; i++) failed += finish(&all[i]) != 0;
  say("failed", failed);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  const char *which = argc > 1 ? argv[1] : "";
  struct worker holder;
  handle(SIGUSR1, nothing, 0);
  start_reported(&holder, hold);
  if (!strcmp(which, "close")) {
    for (int i = 0; i < 100; i++) try("close", result_of(syscall(SYS_close, END_MARK | 0xffffffffu)));
    probe(&holder);
  } else if (!strcmp(which, "end")) {
    for (int i = 0; i < 100; i++) try("end", enter_at(end_call(), SYS_close, END_MARK | 0xffffffffu));
    probe(&holder);
  } else if (!strcmp(which, "stub")) {
    start_in(&waiter, ask_by_stub, SYS_getppid);
    say("by the stub", finish(&waiter));
    probe(&holder);
  } else if (!strcmp(which, "frame")) {
    start_in(&waiter, ask, SYS_getppid);
    while (!is_reported(waiter.tid)) pause_for(1);
    change_frame(waiter.tid);
    say("held", release(&holder));
    while (!diverted) pause_for(1);
    say("napped", nap());
    _exit(0);
  } else if (!strcmp(which, "hide")) {
    prctl(PR_SET_DUMPABLE, 0);
    say("asked", ask() != 0);
    say("holder is done", holder.done);
  } else if (!strcmp(which, "crowd")) {
    crowd(&holder);
  } else {
    return 64;
  }
  return 0;
}
