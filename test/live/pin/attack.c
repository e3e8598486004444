// SPDX-License-Identifier: MIT
/*
 * Attacks of a confined program on the supervisor of its pinned calls, for test/live/pinned-attacks.test.ts. The policy
 * refuses openat of the file "forbidden" with EXFULL and allows the rest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "from_stub.h"
#include "never.h"

enum { THREADS = 600, LONG_PATH = 4000 };

static void stub(void) {
  tell("first", open_path("allowed"));
  tell("allowed", from_stub(SYS_openat, AT_FDCWD, (long)"allowed", O_RDONLY));
  tell("forbidden", from_stub(SYS_openat, AT_FDCWD, (long)"forbidden", O_RDONLY));
  /* The window has the path of the last pinned call, which was allowed: it is judged again like any other. */
  tell("window", from_stub(SYS_openat, AT_FDCWD, STUB + PAGE, O_RDONLY));
  tell("unpinned", from_stub(SYS_getpid, 0, 0, 0));
  tell("denied", from_stub(SYS_getpgid, 0, 0, 0));
  tell("after", open_path("allowed"));
}

static char *mapped_file(void) {
  int file = open("mapped", O_RDWR | O_CREAT, 0600);
  if (ftruncate(file, PAGE) != 0) exit(2);
  char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  strcpy(memory, "allowed");
  tell("whole", open_path(memory));
  if (ftruncate(file, 0) != 0) exit(2);
  return memory;
}

static void truncated(void) {
  tell("truncated", open_path(mapped_file()));
  tell("after", open_path("allowed"));
}

static char long_path[LONG_PATH];
static void *open_pipe(void *unused) {
  (void)unused;
  return (void *)open_path(long_path);
}

/* Calls that wait in open(2) of a pipe hold their room in the window. */
static void fill(void) {
  static pthread_t threads[THREADS];
  memset(long_path, '/', sizeof long_path - 1);
  memcpy(long_path, "./", 2);
  strcpy(long_path + sizeof long_path - 5, "pipe");
  mkfifo("pipe", 0600);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], &small, open_pipe, NULL) != 0) exit(2);
  /* Until one of them is refused, which ends. */
  long refused = 0, served = 0;
  void *result;
  while (refused == 0) {
    for (int i = 0; i < THREADS && refused == 0; i++)
      if (threads[i] != 0 && pthread_tryjoin_np(threads[i], &result) == 0) {
        threads[i] = 0;
        refused = (long)result;
      }
    usleep(1000);
  }
  tell("refused", refused);
  /* A writer lets the rest go: a child, which has a window of its own. */
  int until_end[2];
  if (pipe(until_end) != 0) exit(2);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(until_end[1]);
    long writer = syscall(SYS_openat, AT_FDCWD, "pipe", O_WRONLY, 0);
    _exit(writer >= 0 && read(until_end[0], &byte, 1) == 0 ? 0 : 1);
  }
  for (int i = 0; i < THREADS; i++) {
    if (threads[i] == 0) continue;
    pthread_join(threads[i], &result);
    if ((long)result >= 0) served++;
    else if ((long)result != -EPERM) tell("other", (long)result);
  }
  close(until_end[1]);
  int status;
  waitpid(child, &status, 0);
  tell("child", -status);
  tell("served", served > 100 ? 0 : -served);
  tell("after", open_path("allowed"));
}

static int parent_of(int pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int file = open(path, O_RDONLY), parent = 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = 0;
  sscanf(strrchr(text, ')') + 1, " %*c %d", &parent);
  return parent;
}

/* The launcher's parent is the supervisor's process. */
static void limit(void) {
  int supervisor = parent_of(getppid());
  struct rlimit none = {0, 0};
  tell("first", open_path("allowed"));
  if (prlimit(supervisor, RLIMIT_NOFILE, &none, NULL) != 0) tell("prlimit", -errno);
  tell("allowed", open_path("allowed"));
  tell("forbidden", open_path("forbidden"));
  pid_t child = fork();
  if (child == 0) {
    tell("child", open_path("allowed"));
    tell("child's forbidden", open_path("forbidden"));
    _exit(0);
  }
  waitpid(child, NULL, 0);
  tell("after", open_path("allowed"));
}

/* Memory that never comes: a page of userfaultfd(2) that nothing fills. NULL where that is not permitted. */
static int fault;

static char *page_that_never_comes(void) {
  fault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  struct uffdio_api api = {.api = UFFD_API};
  char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_register range = {.range = {(unsigned long)memory, PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (fault >= 0 && ioctl(fault, UFFDIO_API, &api) == 0 && ioctl(fault, UFFDIO_REGISTER, &range) == 0) return memory;
  tell("userfaultfd", -errno);
  return NULL;
}

static void block(void) { block_by_path(page_that_never_comes); }

static void block_stack(void) {
  block_by_stack(page_that_never_comes);
  tell("after", open_path("allowed"));
}

/* The memory of two arguments is in one page, which comes when both are being read. The policy judges both. */
enum { LATE_PATH = 64 };
static atomic_bool is_answered;

static void *open_late(void *page) {
  char *how = page;
  const long result = syscall(SYS_openat2, AT_FDCWD, how + LATE_PATH, how, sizeof(struct open_how));
  const long error = result < 0 ? -errno : 0;
  is_answered = true;
  if (result >= 0) close((int)result);
  return (void *)error;
}

/* A late read of the page, or the call's answer. */
static void await_read(void) {
  struct uffd_msg message;
  while (!is_answered && read(fault, &message, sizeof message) != sizeof message) usleep(100);
}

static void late_arguments(void) {
  enum { ROUNDS = 50 };
  static char content[PAGE];
  strcpy(content + LATE_PATH, "allowed");
  char *page = page_that_never_comes();
  if (page == NULL) return;
  struct uffdio_copy copy = {.dst = (unsigned long)page, .src = (unsigned long)content, .len = PAGE};
  void *result = NULL;
  for (int round = 0; round < ROUNDS && result == NULL; round++) {
    pthread_t caller;
    is_answered = false;
    pthread_create(&caller, NULL, open_late, page);
    await_read();
    await_read();
    if (!is_answered && ioctl(fault, UFFDIO_COPY, &copy) != 0) exit(2);
    pthread_join(caller, &result);
    madvise(page, PAGE, MADV_DONTNEED);
  }
  tell("late", (long)result);
  struct open_how how = {0};
  tell("after", syscall(SYS_openat2, AT_FDCWD, "allowed", &how, sizeof how) < 0 ? -errno : 0);
}

/* A fork that is stuck in a page that never comes, while other processes make calls. */
static atomic_int has_forked;

static void *fork_once(void *unused) {
  (void)unused;
  const long child = syscall(SYS_fork);
  if (child == 0) _exit(0);
  has_forked = 1;
  return (void *)(child > 0 ? (long)waitpid((pid_t)child, NULL, 0) : -errno);
}

static void stuck_fork(void) {
  enum { CALLS = 20, PATIENCE = 5000 /* ms, of the supervisor */ };
  pid_t child;
  char *page = page_in_child(page_that_never_comes, &child);
  if (page != NULL) {
    syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, 0, page, 0, 0);
    _exit(0);
  }
  pthread_t thread;
  void *result;
  pthread_create(&thread, NULL, fork_once, NULL);
  usleep(100000);
  for (int i = 0; i < CALLS; i++) syscall(SYS_getpgid, 0);
  tell("late", has_forked ? -1 : 0);
  pthread_join(thread, &result);
  tell("forked", (long)result);
  const long begin = now();
  for (int i = 0; i < 3; i++) fork_once(NULL);
  tell("late again", now() - begin < 2 * PATIENCE ? 0 : -1);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  tell("after", (long)fork_once(NULL));
}

/* The number of the call that the thread is in, and its first argument; −1 if it runs. */
static long call_of(pid_t pid, pid_t tid, unsigned long *first) {
  char path[64], text[256] = "";
  long number = -1;
  snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, tid);
  int file = (int)syscall(SYS_open, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  if (read(file, text, sizeof text - 1) <= 0 || sscanf(text, "%ld %lx", &number, first) != 2) number = -1;
  close(file);
  return number;
}

static bool has_child(pid_t pid) {
  char path[64], byte;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
  int file = (int)syscall(SYS_open, path, O_RDONLY | O_CLOEXEC);
  const bool has = file >= 0 && read(file, &byte, 1) == 1;
  close(file);
  return has;
}

/*
 * The call of a third process arrives while the supervisor prepares the first pinned call of a victim, which is killed before
 * it can make that call. Another thread of the victim delays the preparation: while it populates memory, no mapping is made.
 */
enum { VICTIMS = 5, POPULATED = 256 << 20 };

struct victim {
  pid_t pid;
  int start; /* a pipe's end */
  atomic_bool *is_done;
};

static atomic_bool delays;
static atomic_int caller, wanted_calls, made_calls;

static void *delay_mappings(void *unused) {
  (void)unused;
  while (!delays) usleep(100);
  for (;;) {
    char *memory = mmap(NULL, POPULATED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, POPULATED, MADV_NOHUGEPAGE);
    madvise(memory, POPULATED, MADV_POPULATE_WRITE);
    munmap(memory, POPULATED);
  }
  return NULL;
}

static struct victim make_victim(void) {
  struct victim own = {.is_done = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
  int ends[2];
  char byte;
  if (pipe(ends) != 0) exit(2);
  own.start = ends[1];
  own.pid = fork();
  if (own.pid < 0) exit(2);
  if (own.pid > 0) {
    close(ends[0]);
    return own;
  }
  close(ends[1]);
  pthread_t thread;
  pthread_create(&thread, NULL, delay_mappings, NULL);
  if (read(ends[0], &byte, 1) != 1) _exit(1);
  delays = true;
  usleep(1000);
  syscall(SYS_fchmodat, AT_FDCWD, "allowed", 0600);
  *own.is_done = true;
  for (;;) pause();
}

static void *call_when_wanted(void *unused) {
  (void)unused;
  caller = (int)syscall(SYS_gettid);
  for (;;) {
    while (made_calls == wanted_calls) usleep(100);
    if (syscall(SYS_getpgid, 0) < 0) exit(3);
    made_calls++;
  }
  return NULL;
}

/* Calls of all kinds, while a fork is stuck: the supervisor looks for the end of the fork all the time. */
static void beside_stuck_fork(void) {
  struct victim victims[VICTIMS];
  pid_t child;
  unsigned long first = 0;
  pthread_t thread;
  pthread_create(&thread, NULL, call_when_wanted, NULL);
  for (int i = 0; i < VICTIMS; i++) victims[i] = make_victim();
  /* From now on the supervisor can hold the file at once. */
  for (int i = 0; i < 2; i++) close((int)open_path("allowed"));
  char *page = page_in_child(page_that_never_comes, &child);
  if (page != NULL) {
    syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, 0, page, 0, 0);
    _exit(0);
  }
  while (!has_child(child)) usleep(100);
  tell("opened", open_path("allowed"));
  for (int i = 0; i < VICTIMS; i++) {
    if (write(victims[i].start, "", 1) != 1) exit(2);
    while (!*victims[i].is_done && (call_of(victims[i].pid, victims[i].pid, &first) != SYS_mmap || first != STUB))
      sched_yield();
    wanted_calls++;
    while (made_calls < wanted_calls && call_of(getpid(), caller, &first) != SYS_getpgid) sched_yield();
    usleep(8000);
    kill(victims[i].pid, SIGKILL);
    waitpid(victims[i].pid, NULL, 0);
    while (made_calls < wanted_calls) usleep(1000);
  }
  tell("called", VICTIMS - made_calls);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

/* Passes a descriptor in a message whose length of control data another thread changes all the time. */
static struct msghdr raced;
static atomic_int has_raced;

static void *change_length(void *unused) {
  (void)unused;
  volatile size_t *length = &raced.msg_controllen;
  while (!has_raced) {
    *length = 0;
    for (volatile int i = 0; i < 50; i++) {
    }
    *length = CMSG_SPACE(sizeof(int));
    for (volatile int i = 0; i < 50; i++) {
    }
  }
  return NULL;
}

/* Whether a descriptor comes. */
static int receives(int socket) {
  char byte, control[64];
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, MSG_DONTWAIT) != 1) return 0;
  struct cmsghdr *first = CMSG_FIRSTHDR(&message);
  if (first == NULL || first->cmsg_type != SCM_RIGHTS) return 0;
  close(*(int *)(void *)CMSG_DATA(first));
  return 1;
}

static long send_raced(int socket) { return syscall(SYS_sendmsg, socket, &raced, 0) < 0 ? -errno : 0; }

static void control(const char *tries) {
  static union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
  } rights;
  char byte = 'x';
  struct iovec data = {&byte, 1};
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) exit(2);
  rights.header =
      (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  *(int *)(void *)CMSG_DATA(&rights.header) = 0;
  raced = (struct msghdr){.msg_iov = &data, .msg_iovlen = 1, .msg_control = &rights};
  tell("without", send_raced(pair[0]));
  receives(pair[1]);
  raced.msg_controllen = sizeof rights;
  tell("with", send_raced(pair[0]));
  tell("arrived", -receives(pair[1]));
  raced.msg_controllen = 1;
  tell("one byte", send_raced(pair[0]));
  struct mmsghdr many = {.msg_hdr = raced};
  many.msg_hdr.msg_controllen = sizeof rights;
  tell("many", syscall(SYS_sendmmsg, pair[0], &many, 1, 0) < 0 ? -errno : 0);
  tell("arrived by many", -receives(pair[1]));
  pthread_t thread;
  pthread_create(&thread, NULL, change_length, NULL);
  long arrived = 0, sent = 0;
  for (int i = 0; i < atoi(tries); i++) {
    sent += send_raced(pair[0]) == 0;
    arrived += receives(pair[1]);
  }
  has_raced = 1;
  pthread_join(thread, NULL);
  tell("sent in the race", sent > 0 ? 0 : -1);
  tell("arrived in the race", -arrived);
}

static int own_file, stub_descriptor;
static atomic_int is_over;

static void *replace_descriptor(void *unused) {
  (void)unused;
  while (!is_over)
    if (fcntl(stub_descriptor, F_GETFD) >= 0) {
      dup2(own_file, stub_descriptor);
      break;
    }
  return NULL;
}

/* Puts a file of its own in the place of the descriptor from which the stub is about to be mapped. */
static void replace(void) {
  static char text[16384];
  int file = (int)syscall(SYS_memfd_create, "own", 0);
  if (ftruncate(file, PAGE) != 0 || (own_file = dup2(file, 20)) < 0) exit(2);
  /* The lowest number is for the data. */
  stub_descriptor = dup(file) + 1;
  close(stub_descriptor - 1);
  pthread_t thread;
  pthread_create(&thread, NULL, replace_descriptor, NULL);
  open_path("allowed");
  is_over = 1;
  pthread_join(thread, NULL);
  int mappings = (int)syscall(SYS_open, "/proc/self/maps", O_RDONLY);
  if (read(mappings, text, sizeof text - 1) <= 0) exit(2);
  const char *line = strstr(text, "00010000-");
  const char *end = line == NULL ? NULL : strchr(line, '\n');
  const char *own = line == NULL ? NULL : strstr(line, "memfd:own");
  tell("own", own != NULL && own < end ? -1 : 0);
}

/* A signal handler holds a judged call before the stub makes it, while what has allowed it changes. */
static const char *const changes[] = {"another thread's call", "its own call", "its own user", "time", "a birth"};
enum change { OTHERS_CALL, OWN_CALL, OWN_USER, TIME, BIRTH };
static enum change change;
static atomic_int calls_now, holds_now, may_continue, child;

static unsigned long instruction_of(const void *context) {
#if defined(__x86_64__)
  return (unsigned long)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
  return ((const ucontext_t *)context)->uc_mcontext.pc;
#endif
}

static bool changes_itself(void) { return change == OWN_CALL || change == OWN_USER; }

static void on_hold(int signal, siginfo_t *information, void *context) {
  (void)signal, (void)information;
  /* At the stub's first instruction, which makes the call. Behind it the call has been made. */
  if (instruction_of(context) != STUB || !calls_now || holds_now) return;
  holds_now = 1;
  if (change == OWN_CALL) syscall(SYS_getpgid, 1);
  if (change == OWN_USER) syscall(SYS_setresuid, -1, 1, -1);
  while (!changes_itself() && !may_continue) {
  }
}

static void *interrupt_caller(void *caller) {
  for (;;) {
    usleep(30);
    if (calls_now) pthread_kill(*(pthread_t *)caller, SIGUSR1);
    if (!holds_now || changes_itself() || may_continue) continue;
    if (change == OTHERS_CALL) syscall(SYS_getpgid, 1);
    if (change == BIRTH) {
      const long born = syscall(SYS_fork);
      if (born == 0)
        for (;;) pause();
      if (born < 0) continue;
      child = (int)born;
    }
    usleep(300000);
    may_continue = 1;
  }
  return NULL;
}

/* Counts the calls that pass although the change forbids them (EXFULL). getpgid(0) allows them again. */
static void hold(const char *which) {
  const struct sigaction action = {.sa_sigaction = on_hold, .sa_flags = SA_RESTART | SA_SIGINFO};
  pthread_t self = pthread_self(), thread;
  while (strcmp(changes[change], which) != 0)
    if (++change == sizeof changes / sizeof *changes) exit(2);
  sigaction(SIGUSR1, &action, NULL);
  pthread_create(&thread, NULL, interrupt_caller, &self);
  long held = 0, passed = 0;
  /* The call succeeds, because one that fails by its path is not always pinned. */
  while (held < 3) {
    syscall(SYS_getpgid, 0);
    holds_now = may_continue = 0;
    calls_now = 1;
    const long result = syscall(SYS_fchmodat, AT_FDCWD, "allowed", 0600) < 0 ? -errno : 0;
    calls_now = 0;
    if (!holds_now) continue;
    held++;
    passed += result != -EXFULL;
    syscall(SYS_setresuid, -1, getuid(), -1);
    if (child > 0) {
      kill(child, SIGKILL);
      waitpid(child, NULL, 0);
      child = 0;
    }
  }
  tell("passed", -passed);
}

/* Threads make processes by clone3 at the same moment. The policy limits the living processes. */
enum { MAKERS = 16 };
static pthread_barrier_t together;
static int until_end[2];

static void *make_process(void *unused) {
  struct clone_args {
    uint64_t words[11];
  } arguments = {{[4] = SIGCHLD}};
  (void)unused;
  pthread_barrier_wait(&together);
  const long result = syscall(SYS_clone3, &arguments, sizeof arguments);
  char byte;
  if (result == 0) {
    close(until_end[1]);
    _exit(read(until_end[0], &byte, 1) == 0 ? 0 : 1);
  }
  return (void *)(long)(result > 0);
}

static void crowd(void) {
  long most = 0;
  for (int round = 0; round < 20; round++) {
    pthread_t makers[MAKERS];
    long made = 0;
    if (pipe(until_end) != 0) exit(2);
    pthread_barrier_init(&together, NULL, MAKERS);
    for (int i = 0; i < MAKERS; i++) pthread_create(&makers[i], NULL, make_process, NULL);
    for (int i = 0; i < MAKERS; i++) {
      void *has_made;
      pthread_join(makers[i], &has_made);
      made += (long)has_made;
    }
    close(until_end[1]);
    close(until_end[0]);
    for (long i = 0; i < made; i++) wait(NULL);
    if (made > most) most = made;
  }
  tell("most", -most);
}

int main(int count, char **words) {
  const char *attack = count > 1 ? words[1] : "";
  if (strcmp(attack, "stub") == 0) stub();
  else if (strcmp(attack, "truncated") == 0) truncated();
  else if (strcmp(attack, "fill") == 0) fill();
  else if (strcmp(attack, "limit") == 0) limit();
  else if (strcmp(attack, "control") == 0) control(words[2]);
  else if (strcmp(attack, "block") == 0) block();
  else if (strcmp(attack, "block-stack") == 0) block_stack();
  else if (strcmp(attack, "replace") == 0) replace();
  else if (strcmp(attack, "hold") == 0) hold(words[2]);
  else if (strcmp(attack, "stuck-fork") == 0) stuck_fork();
  else if (strcmp(attack, "beside-stuck-fork") == 0) beside_stuck_fork();
  else if (strcmp(attack, "late-arguments") == 0) late_arguments();
  else if (strcmp(attack, "crowd") == 0) crowd();
  else return 2;
  return 0;
}
