// SPDX-License-Identifier: MIT
/*
 * The simplest supervisor in C that pins the memory that it reads behind pointers. It reads paths, refuses those that
 * begin with /forbidden/, and makes the caller make its other calls with the paths that it has read, by the mechanism of
 * native/addon/pin/pin.h. It needs Linux 6.10 (mseal) and has no fallbacks: any failure ends it.
 *
 * pinning [NUMBER:ARGUMENTS...] -- PROGRAM [ARGUMENT...]: without numbers, of every openat; else of the calls that have
 * these numbers, whose arguments with a path are the bits of ARGUMENTS. A call whose ARGUMENTS are 0 passes without a look,
 * which is the least that a supervisor can do.
 */
#define _GNU_SOURCE
#include <stdio.h>

#if defined(__x86_64__)
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "listener.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

enum {
  PAGE = 4096,
  WINDOW = 0x10000,
  SLOTS = 256, /* threads that are alive at the same time */
  PATHS = 2,   /* of a call */
  SLOT = PATHS * PAGE,
  DATA = WINDOW + PAGE,
  SIZE = PAGE + SLOTS * SLOT,
  RED_ZONE = 128,
  CALL_INSTRUCTION = 2,
  ERESTARTSYS = 512,
  ERESTARTNOINTR = 513,
};

/* Makes the call; then restores the arguments and the stack pointer, and continues behind the caller's call. */
__asm__(
    ".pushsection .rodata\n"
    "stub:\n"
    "  syscall\n"
    "  mov 0(%rsp), %rdi\n"
    "  mov 8(%rsp), %rsi\n"
    "  mov 16(%rsp), %rdx\n"
    "  mov 24(%rsp), %r10\n"
    "  mov 32(%rsp), %r8\n"
    "  mov 40(%rsp), %rcx\n"
    "  lea 176(%rsp), %rsp\n"
    "  jmp *%rcx\n"
    "stub_end:\n"
    ".popsection\n");
extern const char stub[], stub_end[];

enum { ARGUMENTS = 5 };
struct frame {
  uint64_t arguments[ARGUMENTS], instruction_pointer;
};
_Static_assert(RED_ZONE + sizeof(struct frame) == 176, "the stub has this number");

/* By the call's number: which arguments are paths. */
enum { NUMBERS = 1024 };
static unsigned paths_of[NUMBERS];

static struct slot {
  pid_t tid;
  int is_armed, has_window;
  struct seccomp_data expected;
} slots[SLOTS];

static unsigned char *window; /* our own view of it */
static int window_descriptor; /* read-only */
static ino_t window_inode;
static int listener;

static void fail(const char *what) {
  perror(what);
  exit(125);
}

static void make_window(void) {
  char path[40];
  struct stat identity;
  int writable = memfd_create("window", MFD_CLOEXEC);
  if (writable < 0 || ftruncate(writable, SIZE) != 0 || fstat(writable, &identity) != 0) fail("memfd_create");
  window = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0);
  if (window == MAP_FAILED) fail("mmap");
  memcpy(window, stub, (size_t)(stub_end - stub));
  snprintf(path, sizeof path, "/proc/self/fd/%d", writable);
  window_descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (window_descriptor < 0) fail(path);
  close(writable);
  window_inode = identity.st_ino;
}

/* 1: our window is there; 0: the addresses are free. */
static int has_window(pid_t tid) {
  char path[40], line[512], permissions[8];
  int found = 0;
  snprintf(path, sizeof path, "/proc/%d/maps", tid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof line, file) != NULL) {
    unsigned long start, inode;
    if (sscanf(line, "%lx-%*x %7s %*s %*s %lu", &start, permissions, &inode) != 3 || start > WINDOW) break;
    if (start == WINDOW && inode == window_inode && strcmp(permissions, "r-xs") == 0) found = 1;
  }
  fclose(file);
  return found;
}

/* A thread keeps its slot; after its end another thread gets the slot. */
static struct slot *slot_of(pid_t tid) {
  struct slot *unused = NULL;
  for (struct slot *one = slots; one < slots + SLOTS; one++) {
    if (one->tid == tid) return one;
    if (one->tid == 0 && unused == NULL) unused = one;
    if (one->tid == 0) break;
  }
  for (struct slot *one = slots; unused == NULL && one < slots + SLOTS; one++)
    if (syscall(SYS_kill, one->tid, 0) != 0 && errno == ESRCH) unused = one;
  if (unused == NULL) {
    errno = EAGAIN;
    fail("slots");
  }
  *unused = (struct slot){.tid = tid};
  return unused;
}

static int slot_number(const struct slot *slot) { return (int)(slot - slots); }

/* Reads the path up to its end; like the kernel, it reads no page beyond that. */
static int read_path(pid_t tid, uint64_t address, char *into) {
  for (size_t done = 0; done < PAGE;) {
    size_t size = PAGE - ((address + done) & (PAGE - 1));
    if (size > PAGE - done) size = PAGE - done;
    struct iovec local = {into + done, size}, remote = {(void *)(uintptr_t)(address + done), size};
    if (process_vm_readv(tid, &local, 1, &remote, 1, 0) != (ssize_t)size) return -EFAULT;
    if (memchr(into + done, 0, size) != NULL) return 0;
    done += size;
  }
  return -ENAMETOOLONG;
}

/* Waits for the stop that `interrupt` requests; returns 0 then. */
static int await_stop(pid_t tid) {
  int status;
  while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) {
    if (status >> 16 == PTRACE_EVENT_STOP) return 0;
    ptrace(PTRACE_CONT, tid, NULL, (void *)(uintptr_t)WSTOPSIG(status));
  }
  return -1;
}

static int await_call(pid_t tid) {
  int status;
  while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) {
    if (status >> 8 == (SIGTRAP | 0x80)) return 0;
    ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
  }
  return -1;
}

static int has_arguments(const struct user_regs_struct *at, const struct seccomp_data *call) {
  return at->rdi == call->args[0] && at->rsi == call->args[1] && at->rdx == call->args[2] && at->r10 == call->args[3];
}

static int is_in_call(const struct user_regs_struct *at, const struct seccomp_data *call) {
  const long result = (long)at->rax;
  return at->rip == call->instruction_pointer && (long)at->orig_rax == call->nr && has_arguments(at, call) &&
         (result == -ERESTARTSYS || result == -ERESTARTNOINTR);
}

/* Makes the stopped thread call for us. */
static long make_call(pid_t tid, const struct user_regs_struct *base, long number, uint64_t a, uint64_t b, uint64_t c,
                      uint64_t d, uint64_t e) {
  struct user_regs_struct at = *base;
  at.rip -= CALL_INSTRUCTION;
  at.rax = (uint64_t)number;
  at.orig_rax = (uint64_t)-1;
  at.rdi = a;
  at.rsi = b;
  at.rdx = c;
  at.r10 = d;
  at.r8 = e;
  at.r9 = 0;
  ptrace(PTRACE_SETREGS, tid, NULL, &at);
  for (int stop = 0; stop < 2; stop++) {
    ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
    if (await_call(tid) != 0) return -1;
  }
  ptrace(PTRACE_GETREGS, tid, NULL, &at);
  return (long)at.rax;
}

static void map_window(pid_t tid, const struct user_regs_struct *at, int descriptor) {
  const uint64_t number = (uint64_t)descriptor;
  make_call(tid, at, SYS_mmap, WINDOW, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, number);
  make_call(tid, at, SYS_mseal, WINDOW, SIZE, 0, 0, 0);
  make_call(tid, at, SYS_close, number, 0, 0, 0, 0);
  if (!has_window(tid)) fail("no window");
}

static int seize(const struct seccomp_notif *call) {
  if (ptrace(PTRACE_SEIZE, call->pid, NULL, PTRACE_O_TRACESYSGOOD) != 0) return answer(listener, call, -EPERM, 0), -1;
  ptrace(PTRACE_INTERRUPT, call->pid, NULL, NULL);
  answer(listener, call, -ERESTARTNOINTR, 0);
  return await_stop((pid_t)call->pid);
}

static void put_arguments(struct user_regs_struct *at, const uint64_t arguments[ARGUMENTS]) {
  at->rdi = arguments[0];
  at->rsi = arguments[1];
  at->rdx = arguments[2];
  at->r10 = arguments[3];
  at->r8 = arguments[4];
}

/* Puts the paths into the slot, and stores the arguments with which the call will arrive. */
static void expect(struct slot *slot, const struct seccomp_data *call, char paths[PATHS][PAGE]) {
  const int first = slot_number(slot) * SLOT;
  slot->is_armed = 1;
  slot->expected = *call;
  slot->expected.instruction_pointer = WINDOW + CALL_INSTRUCTION;
  for (int i = 0, path = 0; i < ARGUMENTS; i++) {
    if ((paths_of[call->nr] & 1u << i) == 0 || call->args[i] == 0) continue;
    strcpy((char *)window + PAGE + first + path * PAGE, paths[path]);
    slot->expected.args[i] = (uint64_t)(DATA + first + path * PAGE);
    path++;
  }
}

static void pin(const struct seccomp_notif *call, char paths[PATHS][PAGE]) {
  const pid_t tid = (pid_t)call->pid;
  struct slot *slot = slot_of(tid);
  uint64_t bytes;
  struct iovec local = {&bytes, sizeof bytes}, remote = {(void *)WINDOW, sizeof bytes};
  /* An execve has removed the window. */
  if (slot->has_window && (process_vm_readv(tid, &local, 1, &remote, 1, 0) != (ssize_t)sizeof bytes ||
                           memcmp(&bytes, window, sizeof bytes) != 0))
    slot->has_window = 0;
  if (!slot->has_window) slot->has_window = has_window(tid);
  int given = -1;
  if (!slot->has_window) {
    struct seccomp_notif_addfd order = {.id = call->id, .srcfd = (uint32_t)window_descriptor, .newfd_flags = O_CLOEXEC};
    given = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &order);
    if (given < 0) {
      answer(listener, call, -EPERM, 0);
      return;
    }
  }
  if (seize(call) != 0) return;
  struct user_regs_struct at;
  ptrace(PTRACE_GETREGS, tid, NULL, &at);
  if (is_in_call(&at, &call->data)) {
    if (given >= 0) map_window(tid, &at, given);
    slot->has_window = 1;
    struct frame frame = {.instruction_pointer = call->data.instruction_pointer};
    memcpy(frame.arguments, call->data.args, sizeof frame.arguments);
    at.rsp -= RED_ZONE + sizeof frame;
    struct iovec from = {&frame, sizeof frame}, to = {(void *)(uintptr_t)at.rsp, sizeof frame};
    if (process_vm_writev(tid, &from, 1, &to, 1, 0) != (ssize_t)sizeof frame) fail("no stack");
    expect(slot, &call->data, paths);
    at.rip = WINDOW;
    put_arguments(&at, (const uint64_t *)slot->expected.args);
    at.rax = (uint64_t)call->data.nr;
    at.orig_rax = (uint64_t)-1;
    ptrace(PTRACE_SETREGS, tid, NULL, &at);
  }
  ptrace(PTRACE_DETACH, tid, NULL, NULL);
}

/* This is not the prepared call, but one of a signal handler in between: back to the caller's own call. */
static void give_back(const struct seccomp_notif *call) {
  const pid_t tid = (pid_t)call->pid;
  struct user_regs_struct at;
  struct frame frame;
  if (seize(call) != 0) return;
  ptrace(PTRACE_GETREGS, tid, NULL, &at);
  struct iovec local = {&frame, sizeof frame}, remote = {(void *)(uintptr_t)at.rsp, sizeof frame};
  if (is_in_call(&at, &call->data) && process_vm_readv(tid, &local, 1, &remote, 1, 0) == (ssize_t)sizeof frame) {
    put_arguments(&at, frame.arguments);
    at.rip = frame.instruction_pointer - CALL_INSTRUCTION;
    at.rsp += RED_ZONE + sizeof frame;
    at.rax = (uint64_t)call->data.nr;
    at.orig_rax = (uint64_t)-1;
    ptrace(PTRACE_SETREGS, tid, NULL, &at);
  }
  ptrace(PTRACE_DETACH, tid, NULL, NULL);
}

static void serve(const struct seccomp_notif *call) {
  static char paths[PATHS][PAGE];
  static const char forbidden[] = "/forbidden/";
  if (call->data.instruction_pointer == WINDOW + CALL_INSTRUCTION) {
    struct slot *slot = slot_of((pid_t)call->pid);
    if (!slot->is_armed || memcmp(&slot->expected, &call->data, sizeof call->data) != 0) {
      give_back(call);
      return;
    }
    slot->is_armed = 0;
    answer(listener, call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    return;
  }
  int error = 0, count = 0;
  for (int i = 0; i < ARGUMENTS && error == 0; i++) {
    if ((paths_of[call->data.nr] & 1u << i) == 0 || call->data.args[i] == 0) continue;
    error = read_path((pid_t)call->pid, call->data.args[i], paths[count]);
    if (error == 0 && strncmp(paths[count], forbidden, sizeof forbidden - 1) == 0) error = -EACCES;
    count++;
  }
  if (error != 0) answer(listener, call, error, 0);
  else if (count == 0) answer(listener, call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  else pin(call, paths);
}

/* NUMBER:ARGUMENTS. False if the text has another form. */
static bool read_rule(const char *text, unsigned *number) {
  unsigned arguments;
  if (sscanf(text, "%u:%u", number, &arguments) != 2 || *number >= NUMBERS || arguments >= 1u << ARGUMENTS ||
      __builtin_popcount(arguments) > PATHS)
    return false;
  paths_of[*number] = arguments;
  return true;
}

int main(int argc, char **argv) {
  unsigned numbers[MOST_CALLS] = {SYS_openat}, count = 0;
  paths_of[SYS_openat] = 1u << 1;
  int at = 1;
  while (at < argc && count < MOST_CALLS && read_rule(argv[at], &numbers[count])) at++, count++;
  if (at + 1 >= argc || strcmp(argv[at], "--") != 0) {
    fprintf(stderr, "usage: %s [NUMBER:ARGUMENTS...] -- PROGRAM [ARGUMENT...]\n", argv[0]);
    return 125;
  }
  make_window();
  pid_t child;
  listener = start_for(argv + at + 1, numbers, count == 0 ? 1 : count, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &child);
  if (listener < 0 || ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul) != 0) return 124;
  struct seccomp_notif notification;
  while (receive(listener, &notification)) serve(&notification);
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#else

int main(int argc, char **argv) {
  (void)argc;
  fprintf(stderr, "%s: the stub is for x86-64\n", argv[0]);
  return 125;
}

#endif
