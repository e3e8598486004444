// SPDX-License-Identifier: MIT
/* A caller that attacks its own window, and callers that cannot have one. */
#include "pinned.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/uio.h>

#define WINDOW ((char *)0x10000)
#define DATA ((char *)0x11000)
/* Of the window's first place, and of all places. */
#define WINDOW_SIZE 0xf0000ul
#define DATA_SIZE 0xef000ul
#define ALL_SIZE 0x1f0000ul

static long open_and_check(void) {
  long file = result_of(syscall(SYS_openat, AT_FDCWD, "./ok", O_RDONLY, 0));
  if (file < 0) return file;
  char content = 0;
  ssize_t count = pread((int)file, &content, 1, 0);
  close((int)file);
  return count == 1 && content == 'o' ? 0 : 1;
}

static void tell(const char *what, long result) { printf("%s: %ld\n", what, result); }

/* Memory with the forbidden path wherever the data could have an allowed one. */
static int forged_file;
static char *forged(void) {
  forged_file = memfd_create("forged", 0);
  if (ftruncate(forged_file, DATA_SIZE) != 0) exit(2);
  char *memory = mmap(NULL, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, forged_file, 0);
  for (size_t i = 0; i < DATA_SIZE; i += 256) strcpy(memory + i, "./nk");
  return memory;
}

static long in_child(long (*act)(void));

static long write_to(int file) {
  const long result = file < 0 ? -errno : result_of(pwrite(file, "./nk", 5, 0));
  if (file >= 0) close(file);
  return result;
}

/* The memory of the window as a file, for which root has a name. */
static long write_to_mapped_file(void) { return write_to(open("/proc/self/map_files/11000-100000", O_RDWR)); }

/* For a moment the caller has a descriptor of the memory, which another thread duplicates. */
enum { NOT_TAKEN = -200 };
static int lowest;
static atomic_int taken = -1, has_window;
static void *take_descriptor(void *unused) {
  (void)unused;
  struct stat found;
  while (!has_window && taken < 0) {
    int copy = fcntl(lowest, F_DUPFD, 100);
    if (copy >= 0 && fstat(copy, &found) == 0 && found.st_size == (off_t)DATA_SIZE) taken = copy;
    else if (copy >= 0) close(copy);
  }
  return NULL;
}

static long write_to_opened_anew(void) {
  char path[40];
  pthread_t thread;
  lowest = dup(0);
  close(lowest);
  pthread_create(&thread, NULL, take_descriptor, NULL);
  usleep(1000);
  const long result = open_and_check();
  has_window = 1;
  pthread_join(thread, NULL);
  if (result != 0 || taken < 0) return NOT_TAKEN;
  snprintf(path, sizeof path, "/proc/self/fd/%d", (int)taken);
  return write_to(open(path, O_RDWR));
}

/* Each must fail, or leave the window as it is: said by errno, and by a call after all of them. */
static int tamper_scenario(void) {
  enum { FIXED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };
  if (open_and_check() != 0) return 1;
  char forbidden[] = "./nk";
  tell("mprotect", result_of(mprotect(DATA, DATA_SIZE, PROT_READ | PROT_WRITE)));
  tell("mprotect none", result_of(mprotect(WINDOW, WINDOW_SIZE, PROT_NONE)));
  tell("pkey_mprotect", result_of(syscall(SYS_pkey_mprotect, DATA, DATA_SIZE, PROT_READ | PROT_WRITE, -1)));
  int own = open("/proc/self/mem", O_RDWR);
  tell("proc mem", result_of(pwrite(own, "./nk", 5, (off_t)(uintptr_t)DATA)));
  close(own);
  struct iovec from = {forbidden, 5}, to = {DATA, 5};
  tell("process_vm_writev", result_of(process_vm_writev(getpid(), &from, 1, &to, 1, 0)));
  tell("mmap", result_of((long)mmap(DATA, 4096, PROT_READ | PROT_WRITE, FIXED, -1, 0)));
  tell("mmap across", result_of((long)mmap(DATA + DATA_SIZE - 4096, 0x10000, PROT_READ, FIXED, -1, 0)));
  char *other = forged();
  tell("mremap onto", result_of((long)mremap(other, DATA_SIZE, DATA_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, DATA)));
  tell("mremap away", result_of((long)mremap(DATA, DATA_SIZE, DATA_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, other)));
  tell("mremap shrink", result_of((long)mremap(DATA, DATA_SIZE, 4096, 0)));
  tell("munmap", result_of(munmap(DATA, DATA_SIZE)));
  tell("munmap across", result_of(munmap((void *)0x1000, 0x20000)));
  tell("remap_file_pages", result_of(syscall(SYS_remap_file_pages, DATA, 4096, 0, 1, 0)));
  tell("madvise remove", result_of(madvise(DATA, DATA_SIZE, MADV_REMOVE)));
  int segment = shmget(IPC_PRIVATE, 0x10000, 0600);
  tell("shmat", result_of((long)shmat(segment, DATA, SHM_REMAP)));
  shmctl(segment, IPC_RMID, NULL);
  /* The heap is moved to where the window is: brk(2) then unmaps what is above its end. */
  struct prctl_mm_map map = {.start_code = 0x400000,
                             .end_code = 0x500000,
                             .start_data = 0x400000,
                             .end_data = 0x500000,
                             .start_brk = 0x10000,
                             .brk = 0x200000,
                             .start_stack = (uintptr_t)&map,
                             .arg_start = (uintptr_t)&map,
                             .arg_end = (uintptr_t)&map,
                             .env_start = (uintptr_t)&map,
                             .env_end = (uintptr_t)&map,
                             .exe_fd = (unsigned)-1};
  long moved = result_of(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0));
  long end = moved == 0 ? syscall(SYS_brk, DATA) : 0;
  tell("brk", moved != 0 ? moved : end == (long)(uintptr_t)DATA ? 0 : -EPERM);
  tell("map_files", write_to_mapped_file());
  long anew = NOT_TAKEN;
  for (int i = 0; i < 2000 && anew == NOT_TAKEN; i++) anew = in_child(write_to_opened_anew);
  tell("opened anew", anew);
  tell("changed", strcmp(DATA, forbidden) == 0);
  tell("after", open_and_check());
  return 0;
}

/* ── While calls are made ────────────────────────────────────────────────────────────────────────────────────────── */

static atomic_int stop;

static void *replace(void *unused) {
  (void)unused;
  forged();
  while (!stop) {
    mprotect(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
    mmap(DATA, DATA_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, forged_file, 0);
  }
  return NULL;
}

static int replace_scenario(int tries) {
  pthread_t thread;
  long good = 0, forbidden = 0, other = 0;
  if (open_and_check() != 0) return 1;
  pthread_create(&thread, NULL, replace, NULL);
  for (int i = 0; i < tries; i++) {
    long result = open_and_check();
    if (result == 0) good++;
    else if (result == 1) forbidden++;
    else if (other++ == 0) fprintf(stderr, "errno %ld\n", -result);
  }
  stop = 1;
  pthread_join(thread, NULL);
  printf("good: %ld\nforbidden: %ld\nother: %ld\n", good, forbidden, other);
  return 0;
}

/* ── Callers without a window ────────────────────────────────────────────────────────────────────────────────────── */

static long in_child(long (*act)(void)) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) _exit((int)-act());
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000 - status;
}

/* A child has the stub and no data: it fills the hole, and all other places, with memory of its own. */
static long fill_hole(void) {
  const size_t size = ALL_SIZE - (size_t)(DATA - WINDOW);
  if (mmap(DATA, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != DATA) return -200;
  return open_and_check();
}

/* With memory of the right file (root can have it from /proc), which is not protected by mseal. */
static int stolen = -1;
static long fill_hole_with_stolen(void) {
  if (mmap(DATA, DATA_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, stolen, 0) != DATA) return -200;
  return open_and_check();
}

static long without_descriptors(void) {
  struct rlimit limit = {3, 3};
  setrlimit(RLIMIT_NOFILE, &limit);
  return open_and_check();
}

static long without_memory(void) {
  struct rlimit limit = {0x100000, 0x100000};
  setrlimit(RLIMIT_AS, &limit);
  return open_and_check();
}

static long not_dumpable(void) {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return open_and_check();
}

static char selector;
static long with_dispatch(void) {
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
  if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector) != 0) return -200;
  return open_and_check();
}

static long call_with_stack(char *stack) {
  register long number __asm__("rax") = SYS_openat;
  register long r10 __asm__("r10") = 0;
  long result;
  __asm__ volatile(
      "mov %%rsp, %%rbx\n"
      "mov %[stack], %%rsp\n"
      "syscall\n"
      "mov %%rbx, %%rsp\n"
      : "=a"(result)
      : "0"(number), [stack] "r"(stack), "D"((long)AT_FDCWD), "S"("./ok"), "d"(0L), "r"(r10)
      : "rbx", "rcx", "r11", "memory");
  return result;
}

static long without_stack(void) {
  char *page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page, 4096, PROT_NONE);
  long file = call_with_stack(page + 4096 + 128);
  return file < 0 ? file : 0;
}

/* The page below the stack pointer is not there yet. */
static long at_stack_end(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  unsigned long start = 0, from;
  if (maps == NULL) return -1;
  while (fgets(line, sizeof line, maps) != NULL)
    if (strstr(line, "[stack]") != NULL && sscanf(line, "%lx", &from) == 1) start = from;
  fclose(maps);
  long file = call_with_stack((char *)start);
  return file < 0 ? file : 0;
}

static long occupy(void) {
  if (mmap(WINDOW, ALL_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != WINDOW)
    return -200;
  return open_and_check();
}

/* The window takes the next place. */
static long occupy_first(void) {
  if (mmap(WINDOW, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != WINDOW) return -200;
  return open_and_check();
}

static int without_window_scenario(void) {
  tell("occupied", in_child(occupy));
  tell("first place occupied", in_child(occupy_first));
  tell("without descriptors", in_child(without_descriptors));
  tell("without memory", in_child(without_memory));
  tell("not dumpable", in_child(not_dumpable));
  tell("with dispatch", in_child(with_dispatch));
  tell("without stack", in_child(without_stack));
  tell("at stack end", in_child(at_stack_end));
  tell("own", open_and_check());
  tell("filled hole", in_child(fill_hole));
  stolen = open("/proc/self/map_files/11000-100000", O_RDONLY);
  if (stolen >= 0) tell("stolen", in_child(fill_hole_with_stolen));
  tell("after", open_and_check());
  return 0;
}

int window_scenario(const char *name, char **arguments) {
  int which = strcmp(name, "tamper") == 0    ? 0
              : strcmp(name, "replace") == 0 ? 1
              : strcmp(name, "without") == 0 ? 2
                                             : -1;
  if (which < 0) return -1;
  make_file("ok", 'o');
  make_file("nk", 'n');
  confine();
  return which == 0 ? tamper_scenario() : which == 1 ? replace_scenario(atoi(arguments[0])) : without_window_scenario();
}
