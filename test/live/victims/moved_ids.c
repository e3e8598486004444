// SPDX-License-Identifier: MIT
/*
 * moved_ids CASE: tasks that lose their ids, or end, while portcullis follows their calls. `programs.ts` has the policies.
 *
 * execution     a thread executes a program. Before the execution ends, a thread of another process gets its former id and
 *               makes a judged call. The program must have the state of its own thread and process.
 * leader-forks  the leader forks while another thread executes a program, which ends the leader.
 * killed        children are killed as soon as the kernel has written their ids, before their first stop.
 * calls         a thread waits in calls that a stop ends with EINTR, after a fork that has failed.
 */
#include "victim.h"
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>

static const char *self;

struct shared {
  /* The id that the taker gives to a thread of its own; 0: none. */
  atomic_int wanted;
  atomic_int taken, born;
};
static struct shared *shared;

static void pin_to(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static pid_t child(void (*life)(void)) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  life();
  _exit(0);
}

/* With this process on its processor, a thread with SCHED_IDLE makes hardly any progress. */
static void hog(void) {
  pin_to(0);
  for (;;)
    if (atomic_load(&shared->wanted) == 0) usleep(200);
}

static int brief_thread(void *unused) {
  (void)unused;
  if (atomic_load(&shared->wanted) != syscall(SYS_gettid)) return 0;
  tally();
  atomic_fetch_add(&shared->taken, 1);
  atomic_store(&shared->wanted, 0);
  return 0;
}

static void take_ids(void) {
  static char stack[65536] __attribute__((aligned(16)));
  static atomic_int runs;
  const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID;
  int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  pin_to(1);
  for (;;) {
    int wanted = atomic_load(&shared->wanted);
    if (wanted == 0) {
      usleep(100);
      continue;
    }
    char text[16];
    int size = snprintf(text, sizeof text, "%d", wanted - 1);
    if (pwrite(last, text, (size_t)size, 0) != size) _exit(1);
    atomic_store(&runs, 1);
    if (clone(brief_thread, stack + sizeof stack, flags, NULL, NULL, NULL, &runs) < 0) continue;
    while (atomic_load(&runs) != 0) sched_yield();
  }
}

static void *executing_thread(void *unused) {
  for (int i = 0; i < 3; i++) add_one();
  pin_to(0);
  sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
  atomic_store(&shared->wanted, (int)syscall(SYS_gettid));
  execl(self, self, "tell", NULL);
  return unused;
}

static void execute_in_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, executing_thread, NULL);
  for (;;) pause();
}

static void execution(void) {
  int lost = 0;
  if (access("/proc/sys/kernel/ns_last_pid", W_OK) != 0) {
    puts("not possible");
    return;
  }
  const pid_t others[] = {child(hog), child(take_ids)};
  while (atomic_load(&shared->taken) < 5) {
    int status;
    pid_t pid = child(execute_in_thread);
    waitpid(pid, &status, 0);
    atomic_store(&shared->wanted, 0);
    lost += !WIFEXITED(status) || WEXITSTATUS(status) != 3;
  }
  for (int i = 0; i < 2; i++) kill(others[i], SIGKILL);
  printf("execution: %d lost\n", lost);
}

static void *execute_later(void *delay) {
  for (volatile int i = *(int *)delay; i > 0; i--) continue;
  execl(self, self, "fork", NULL);
  return delay;
}

static int delay;

static void fork_beside_execution(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, execute_later, &delay);
  if (fork() == 0) {
    atomic_fetch_add(&shared->born, 1);
    _exit(0);
  }
  for (;;) pause();
}

/* Until enough forks were in time, and enough in vain. */
static void leader_forks(void) {
  unsigned seed = 1;
  int vain = 0;
  for (int round = 0; round < 3000 && (atomic_load(&shared->born) < 60 || vain < 60); round++) {
    int before = atomic_load(&shared->born);
    delay = rand_r(&seed) % 100000;
    pid_t pid = child(fork_beside_execution);
    waitpid(pid, NULL, 0);
    vain += atomic_load(&shared->born) == before;
  }
  puts("leader-forks: done");
}

static atomic_int newborn, killed;

static void *killing_thread(void *unused) {
  for (;;) {
    int pid = atomic_exchange(&newborn, 0);
    if (pid > 0 && kill(pid, SIGKILL) == 0) atomic_fetch_add(&killed, 1);
  }
  return unused;
}

static void killed_children(void) {
  pthread_t thread;
  signal(SIGCHLD, SIG_IGN);
  pthread_create(&thread, NULL, killing_thread, NULL);
  while (atomic_load(&killed) < 500) {
    long pid = syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, 0, &newborn, 0, 0);
    if (pid < 0) usleep(1000);
    if (pid != 0) continue;
    usleep(100000);
    _exit(0);
  }
  puts("killed: done");
}

static void fail_to_fork(void) {
  if (syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0) >= 0) puts("a clone with wrong flags passes");
}

static void report(const char *name, long result) {
  printf("%s: %ld %s\n", name, result, result < 0 ? strerror(errno) : "-");
}

static void on_signal(int signal) { (void)signal; }

static void calls(void) {
  const struct timespec tenth = {.tv_nsec = 100 * 1000 * 1000};
  struct timeval limit = {.tv_usec = 100 * 1000};
  struct sembuf down = {.sem_op = -1};
  struct epoll_event event;
  char byte;
  int sockets[2];
  sigset_t set;
  siginfo_t info;
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  fail_to_fork();
  report("epoll_wait", epoll_wait(epoll, &event, 1, 100));
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  fail_to_fork();
  report("sigtimedwait", sigtimedwait(&set, &info, &tenth));
  int semaphore = semget(IPC_PRIVATE, 1, 0600);
  fail_to_fork();
  report("semtimedop", semtimedop(semaphore, &down, 1, &tenth));
  semctl(semaphore, 0, IPC_RMID);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets);
  setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  fail_to_fork();
  report("recv", recv(sockets[0], &byte, 1, 0));
  /* A handler still ends the call, whether its signal comes before our stop or after it. */
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_RESTART}, NULL);
  for (useconds_t microseconds = 1000; microseconds <= 30000; microseconds += 1000) {
    fail_to_fork();
    ualarm(microseconds, 20000);
    if (epoll_wait(epoll, &event, 1, -1) != -1 || errno != EINTR) puts("a handler did not end epoll_wait");
    ualarm(0, 0);
  }
  puts("handlers: done");
}

int main(int count, char **words) {
  const char *which = count > 1 ? words[1] : "";
  self = words[0];
  if (!strcmp(which, "tell")) return (int)tally();
  if (!strcmp(which, "fork")) {
    if (fork() == 0) _exit(0);
    wait(NULL);
    return 0;
  }
  shared = shared_page();
  /* Give the supervisor's thread the time to start. */
  if (fork() == 0) _exit(0);
  wait(NULL);
  if (!strcmp(which, "execution")) execution();
  else if (!strcmp(which, "leader-forks")) leader_forks();
  else if (!strcmp(which, "killed")) killed_children();
  else if (!strcmp(which, "calls")) calls();
  else return 1;
  fflush(stdout);
  _exit(0);
}
