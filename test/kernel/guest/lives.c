// SPDX-License-Identifier: MIT
/*
 * Replays a trace under an extended seccomp filter: processes and threads make calls, create children and exit in the
 * given order, and the program writes the result of each call.
 *
 * The filter's program is descriptor 3. Reads `struct plan`, its states, and the steps; writes a `struct outcome` for
 * each step. Every task waits for its turn in a shared page; the coordinating process has no filter. x86-64.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { program = 3, stack_size = 16384, most_tasks = 512 };
enum { kind_call, kind_fork, kind_thread, kind_exit };
enum { set_mode_filter = 1, flag_extended = 1 << 6, extended_lock = 1 << 2 };

/* include/uapi/linux/seccomp.h of a patched kernel. */
struct state {
  uint32_t scope, fork, size, flags;
};
struct attach {
  uint32_t size;
  int32_t prog_fd;
  uint32_t flags, state_cnt;
  uint64_t states, open_maps;
  uint32_t open_map_cnt, assert_allow_cnt;
  uint64_t assert_allow;
  uint32_t failed_arch, failed_nr;
  uint32_t state_size, assert_allow_size;
};

struct plan {
  uint32_t locked, states, steps, padding;
};
struct step {
  uint32_t kind, actor, child, padding;
  uint64_t arguments[6];
};
struct outcome {
  int64_t result;
  int32_t pid, tid;
};

/* `turn[task]` is the task's next step, plus 1; `done` is the last completed step. */
struct board {
  _Atomic uint32_t done;
  _Atomic uint32_t turn[most_tasks];
  int32_t pid[most_tasks], tid[most_tasks];
  int64_t result;
};

static struct board *board;
static struct step *steps;
static unsigned char *stacks;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Without the C library, whose errno all threads here share. */
static long call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;

  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static void wait_while(_Atomic uint32_t *word, uint32_t value) {
  while (atomic_load(word) == value) call(SYS_futex, (long)word, FUTEX_WAIT, value, 0, 0, 0);
}

static void tell(_Atomic uint32_t *word, uint32_t value) {
  atomic_store(word, value);
  call(SYS_futex, (long)word, FUTEX_WAKE, 1, 0, 0, 0);
}

static int live(void *argument) __attribute__((noreturn));

static long make_thread(uint32_t child) {
  const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

  return clone(live, stacks + (size_t)(child + 1) * stack_size, flags, (void *)(uintptr_t)child);
}

static int live(void *argument) {
  uint32_t me = (uint32_t)(uintptr_t)argument;

  for (uint32_t turn = 0;;) {
    wait_while(&board->turn[me], turn);
    turn = atomic_load(&board->turn[me]);

    const struct step *step = &steps[turn - 1];
    const uint64_t *a = step->arguments;

    switch (step->kind) {
      case kind_call:
        board->result = call(SYS_getpid, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], (long)a[5]);
        break;
      case kind_fork: {
        const long pid = call(SYS_fork, 0, 0, 0, 0, 0, 0);

        if (pid == 0) {
          me = step->child;
          turn = 0;
          continue;
        }
        board->pid[step->child] = board->tid[step->child] = (int32_t)pid;
        board->result = pid;
        break;
      }
      case kind_thread:
        board->pid[step->child] = board->pid[me];
        board->result = make_thread(step->child);
        board->tid[step->child] = (int32_t)board->result;
        break;
      case kind_exit:
        tell(&board->done, turn);
        call(SYS_exit, 0, 0, 0, 0, 0, 0);
    }
    tell(&board->done, turn);
  }
}

/* A leader that exits before its threads remains as a zombie. */
static int is_gone(int pid, int tid) {
  char path[64], text[256], *end;
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 1;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 1;
  text[length] = 0;
  end = strrchr(text, ')');
  return end == NULL || end[2] == 'Z' || end[2] == 'X';
}

static void read_all(void *into, size_t length) {
  if (fread(into, 1, length, stdin) != length) fail("reading");
}

/* `sharing`: MAP_SHARED with the children of a fork, or MAP_PRIVATE. */
static void *memory_of(size_t length, int sharing) {
  void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  return memory;
}

int main(void) {
  struct plan plan;
  struct state states[8];

  read_all(&plan, sizeof plan);
  if (plan.states > 8) return 2;
  read_all(states, plan.states * sizeof *states);
  board = memory_of(sizeof *board, MAP_SHARED);
  steps = memory_of((plan.steps + 1) * sizeof *steps, MAP_SHARED);
  stacks = memory_of((size_t)most_tasks * stack_size, MAP_PRIVATE);
  read_all(steps, plan.steps * sizeof *steps);

  const pid_t first = fork();
  if (first < 0) fail("fork");
  if (first == 0) {
    struct attach attach = {.size = sizeof attach,
                            .prog_fd = program,
                            .flags = plan.locked ? extended_lock : 0,
                            .state_cnt = plan.states,
                            .state_size = plan.states == 0 ? 0 : sizeof *states,
                            .states = plan.states == 0 ? 0 : (uint64_t)(uintptr_t)states};
    signal(SIGCHLD, SIG_IGN);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
    board->result = call(SYS_seccomp, set_mode_filter, flag_extended, (long)&attach, 0, 0, 0);
    tell(&board->done, plan.steps + 1);
    if (board->result != 0) _exit(1);
    live((void *)0);
  }
  board->pid[0] = board->tid[0] = first;
  wait_while(&board->done, 0);
  if (board->result != 0) {
    fprintf(stderr, "attaching: %s\n", strerror((int)-board->result));
    return 1;
  }
  for (uint32_t index = 0; index < plan.steps; index++) {
    const struct step *step = &steps[index];
    struct outcome outcome = {0, board->pid[step->actor], board->tid[step->actor]};
    const uint32_t before = atomic_load(&board->done);

    tell(&board->turn[step->actor], index + 1);
    wait_while(&board->done, before);
    if (step->kind == kind_exit) {
      while (!is_gone(outcome.pid, outcome.tid)) usleep(200);
      board->tid[step->actor] = 0;
    } else outcome.result = board->result;
    fwrite(&outcome, sizeof outcome, 1, stdout);
  }
  for (uint32_t task = 0; task < most_tasks; task++)
    if (board->tid[task] > 0) kill(board->pid[task], SIGKILL);
  return fflush(stdout) == 0 ? 0 : 1;
}
