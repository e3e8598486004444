/*
 * Makes system calls under a filter and reports the result of each.
 *
 * stdin, in host byte order:
 *   uint32_t instructions; struct sock_filter[instructions]; uint32_t calls;
 *   struct { uint32_t abi; uint32_t number; uint64_t arguments[6]; }[calls]
 * abi 0 is the native one, 1 is i386 by int 0x80 (x86 only).
 *
 * stdout: "ip ADDRESS", the seccomp_data.instruction_pointer of native calls; then a line for each call:
 * "returned N" or "signal N".
 *
 * A child makes the calls. It makes no other call under the filter: it writes its results to shared memory and ends by
 * an illegal instruction. If a call kills the child, another child continues after it. The filter must allow only
 * harmless calls.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct call {
  uint32_t abi;
  uint32_t number;
  uint64_t arguments[6];
};

struct results {
  volatile uint32_t done;
  volatile int64_t value[];
};

extern char after_native_call[];

#if defined(__x86_64__)
static __attribute__((noinline, noclone)) int64_t native_call(const struct call *call) {
  const uint64_t *a = call->arguments;
  register uint64_t r10 asm("r10") = a[3], r8 asm("r8") = a[4], r9 asm("r9") = a[5];
  /* The kernel sign-extends the number from eax; -1 must stay -1. */
  int64_t result = (int32_t)call->number;

  asm volatile("syscall\nafter_native_call:"
               : "+a"(result)
               : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

static int64_t foreign_call(const struct call *call) {
  const uint64_t *a = call->arguments;
  uint32_t result = call->number;

  asm volatile("int $0x80"
               : "+a"(result)
               : "b"((uint32_t)a[0]), "c"((uint32_t)a[1]), "d"((uint32_t)a[2]), "S"((uint32_t)a[3]), "D"((uint32_t)a[4])
               : "r8", "r9", "r10", "r11", "memory");
  return (int32_t)result;
}
#elif defined(__aarch64__)
static __attribute__((noinline, noclone)) int64_t native_call(const struct call *call) {
  const uint64_t *a = call->arguments;
  register uint64_t x0 asm("x0") = a[0], x1 asm("x1") = a[1], x2 asm("x2") = a[2];
  register uint64_t x3 asm("x3") = a[3], x4 asm("x4") = a[4], x5 asm("x5") = a[5];
  register uint64_t x8 asm("x8") = (int64_t)(int32_t)call->number;

  asm volatile("svc #0\nafter_native_call:"
               : "+r"(x0)
               : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8)
               : "memory");
  return x0;
}

static int64_t foreign_call(const struct call *call) { return native_call(call); }
#endif

static void die(const char *what) {
  fprintf(stderr, "victim: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void *read_all(size_t size) {
  unsigned char *memory = malloc(size ? size : 1);

  if (!memory || fread(memory, 1, size, stdin) != size) die("stdin");
  return memory;
}

static uint32_t read_count(void) {
  uint32_t *count = read_all(sizeof *count), value = *count;

  free(count);
  return value;
}

static void run(const struct sock_fprog *filter, const struct call *calls, uint32_t count, struct results *results) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter)) {
    fprintf(stderr, "victim: seccomp: %s\n", strerror(errno));
    _exit(1);
  }
  for (uint32_t i = results->done; i < count; i++) {
    results->value[i] = calls[i].abi ? foreign_call(&calls[i]) : native_call(&calls[i]);
    results->done = i + 1;
  }
  __builtin_trap();
}

int main(void) {
  struct rlimit no_core = {0, 0};
  struct sock_fprog filter;
  uint32_t count;
  struct call *calls;
  struct results *results;
  int *signals;

  filter.len = read_count();
  filter.filter = read_all(filter.len * sizeof *filter.filter);
  count = read_count();
  calls = read_all(count * sizeof *calls);
  signals = calloc(count ? count : 1, sizeof *signals);
  results = mmap(NULL, sizeof *results + count * sizeof results->value[0], PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (!signals || results == MAP_FAILED) die("memory");
  setrlimit(RLIMIT_CORE, &no_core);

  while (results->done < count) {
    uint32_t before = results->done;
    int status;
    pid_t child = fork();

    if (child < 0) die("fork");
    if (!child) run(&filter, calls, count, results);
    if (waitpid(child, &status, 0) != child) die("waitpid");
    if (WIFEXITED(status))
      return before == results->done && WEXITSTATUS(status) == 1 ? 1 : (errno = ECHILD, die("the child left"), 1);
    if (results->done < count) {
      signals[results->done] = WTERMSIG(status);
      results->done++;
    }
  }

  printf("ip %" PRIu64 "\n", (uint64_t)(uintptr_t)after_native_call);
  for (uint32_t i = 0; i < count; i++) {
    if (signals[i]) printf("signal %d\n", signals[i]);
    else printf("returned %" PRId64 "\n", results->value[i]);
  }
  return 0;
}
