/*
 * attempt WHAT [N]: makes calls that a policy may deny, and prints one result per line: "name ok" or "name
 * ERRNO-NUMBER". Built dynamic and static, because the policy must also be enforced on static binaries.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *what, long result) {
  if (result < 0) printf("%s %d\n", what, errno);
  else printf("%s ok\n", what);
  fflush(stdout);
}

static long run_true(void) {
  int status;
  pid_t child = vfork();

  if (child == 0) {
    execl("/bin/true", "true", (char *)NULL);
    _exit(errno);
  }
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  errno = WEXITSTATUS(status);
  return errno ? -1 : 0;
}

static void *end_thread(void *nothing) { return nothing; }

static void thread(void) {
  pthread_t other;

  puts(pthread_create(&other, NULL, end_thread, NULL) == 0 && pthread_join(other, NULL) == 0 ? "ended" : "not created");
}

/* Forks `wanted` children that wait until the pipe closes, and prints the number of successful forks. */
static void crowd(int wanted) {
  int ends[2], made = 0, refused = 0, status;
  pid_t last = 0;
  char byte;

  if (pipe(ends)) exit(125);
  for (int i = 0; i < wanted; i++) {
    pid_t child = fork();

    if (child == 0) {
      close(ends[1]);
      _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    if (child < 0) refused++;
    else last = child, made++;
  }
  printf("made %d refused %d\n", made, refused);
  if (made == 0) exit(1); /* kill(0) would end the tests */
  kill(last, SIGKILL);
  waitpid(last, &status, 0);
  last = fork();
  if (last == 0) _exit(0);
  tell("after one ended", last);
  close(ends[1]);
  while (wait(&status) > 0);
}

/*
 * Every process forks as fast as it can, until the total number of denials is high enough; without a limit the machine
 * would run out of processes before that. The counters are in shared memory.
 */
static void bomb(void) {
  enum { enough = 500, full = 5000 };
  atomic_int *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  atomic_int *refused = made + 1;
  pid_t first = getpid();

  while (*refused < enough && *made < full) {
    pid_t child = fork();

    if (child > 0) ++*made;
    if (child < 0 && ++*refused < enough) usleep(500);
  }
  if (getpid() != first) _exit(0);
  printf("%s\n", *refused >= enough ? "refused until it gave up" : "never refused");
}

/*
 * Eight processes fork concurrently and repeatedly, with a limit of `most` processes including them and the first one.
 * Tests whether an evaluation between another evaluation and the creation of its child exceeds the limit. All eight
 * live from before the first of these children until after the last.
 */
static void rush(int most) {
  enum { forkers = 8, rounds = 300 };
  struct {
    atomic_int ready, done, now, peak, refused;
  } *children = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  for (int i = 0; i < forkers; i++) {
    pid_t forker = fork();

    if (forker < 0) exit(125);
    if (forker > 0) continue;
    children->ready++;
    while (children->ready < forkers) sched_yield();
    for (int round = 0; round < rounds; round++) {
      pid_t child = fork();

      if (child == 0) {
        int now = ++children->now, peak = children->peak;

        while (now > peak && !atomic_compare_exchange_weak(&children->peak, &peak, now));
        sched_yield();
        children->now--;
        _exit(0);
      }
      if (child > 0) continue;
      children->refused++;
      sched_yield();
      while (waitpid(-1, NULL, WNOHANG) > 0);
    }
    while (wait(NULL) > 0);
    children->done++;
    while (children->done < forkers) sched_yield();
    _exit(0);
  }
  while (wait(NULL) > 0);
  if (children->peak > most - forkers - 1) printf("%d children at once, of %d\n", children->peak, most - forkers - 1);
  else printf("%s, and never one too many\n", children->refused > 0 ? "some refused" : "none refused");
}

static int listening(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4)) return -1;
  return fd;
}

/* Accepts one connection over loopback, before any fork. */
static long serve_one(int server) {
  struct sockaddr_in address;
  socklen_t length = sizeof(address);
  int client = socket(AF_INET, SOCK_STREAM, 0);

  if (getsockname(server, (struct sockaddr *)&address, &length) || connect(client, (struct sockaddr *)&address, length))
    return -1;
  return accept4(server, NULL, NULL, 0);
}

static void order(void) {
  int server = listening();
  pid_t child;

  tell("setgid before", setgid(getgid()));
  tell("accept", serve_one(server));
  tell("setgid after", setgid(getgid()));
  child = fork();
  if (child == 0) {
    tell("child socket", socket(AF_INET, SOCK_STREAM, 0));
    tell("child socket, high bits", syscall(SYS_socket, AF_INET | 1L << 40, SOCK_STREAM, 0));
    tell("child unix socket", socket(AF_UNIX, SOCK_STREAM, 0));
    _exit(0);
  }
  waitpid(child, NULL, 0);
  tell("parent socket", socket(AF_INET6, SOCK_STREAM, 0));
}

static void fork_times(int times) {
  int made = 0, refused = 0;

  for (int i = 0; i < times; i++) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    child < 0 ? refused++ : made++;
  }
  printf("made %d refused %d\n", made, refused);
  fflush(stdout);
}

/*
 * Forks `limit` times, which must succeed; then exceeds the rate: calls that the kernel refuses for their flags use up the
 * rate quickly, so that the next fork exceeds it. If this process pauses long enough that another fork is allowed, it
 * repeats the test.
 */
static void rate(int limit) {
  pid_t child;

  fork_times(limit);
  for (int turn = 0; turn < 1000; turn++) {
    for (int births = 0; births < 100000; births++)
      if (syscall(SYS_clone, CLONE_SIGHAND, NULL, NULL, NULL, NULL) < 0 && errno != EINVAL) break;
    child = fork();
    if (child == 0) _exit(0);
    if (child < 0) break;
  }
  printf("once more than may be, %s\n", child < 0 && errno == EAGAIN ? "refused" : "never refused");
  while (wait(NULL) > 0);
}

static void build(void) {
  char name[] = "/tmp/portcullis-fifo-XXXXXX";

  tell("exec", run_true());
  tell("listen", listen(0, 1));
  tell("socket", socket(AF_INET, SOCK_STREAM, 0));
  tell("unix socket", socket(AF_UNIX, SOCK_STREAM, 0));
  tell("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
  tell("mount", mount("none", "/nonexistent", "tmpfs", 0, NULL));
  tell("unshare", unshare(CLONE_NEWUSER));
  tell("module", syscall(SYS_finit_module, -1, "", 0));
  if (mkstemp(name) < 0 || unlink(name)) exit(125);
  tell("fifo", mkfifo(name, 0600));
  unlink(name);
  tell("device", mknod(name, S_IFCHR | 0600, makedev(1, 3)));
}

/* Sockets that resemble TCP of AF_INET. */
static void transports(void) {
  tell("tcp", socket(AF_INET, SOCK_STREAM, 0));
  tell("udp", socket(AF_INET, SOCK_DGRAM, 17));
  tell("packet", socket(AF_INET, SOCK_PACKET, 0x300));
  tell("mptcp", socket(AF_INET, SOCK_STREAM, 262));
  tell("smc", socket(AF_INET6, SOCK_STREAM, 256));
}

/* In separate namespaces: a mount with a flag bit that the kernel drops. */
static void magic(void) {
  tell("private", mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
  tell("tmpfs", mount("none", "/tmp", "tmpfs", 0xc0ed0000, NULL));
  tell("bind", mount("/tmp", "/tmp", NULL, MS_BIND | MS_PRIVATE, NULL));
}

/* Calls that are newer than Linux 6.12: an older kernel returns ENOSYS. */
static void newer(void) {
  const char *path = "/nonexistent";
  char buffer[64] = {0};

  tell("setxattrat", syscall(463, -100, path, 0, "user.x", buffer, 16));
  tell("getxattrat", syscall(464, -100, path, 0, "user.x", buffer, 16));
  tell("listxattrat", syscall(465, -100, path, 0, buffer, sizeof(buffer)));
  tell("removexattrat", syscall(466, -100, path, 0, "user.x"));
  tell("open_tree_attr", syscall(467, -100, path, 0, 0, 0));
  tell("file_getattr", syscall(468, -100, path, buffer, 24, 0));
  tell("file_setattr", syscall(469, -100, path, buffer, 24, 0));
  tell("listns", syscall(470, 0, 0, 0, 0));
  tell("rseq_slice_yield", syscall(471));
  tell("fchroot", syscall(472, -1, 1));
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  int n = argc > 2 ? atoi(argv[2]) : 0;

  if (!strcmp(what, "exec")) tell("exec", run_true());
  else if (!strcmp(what, "crowd")) crowd(n);
  else if (!strcmp(what, "rush")) rush(n);
  else if (!strcmp(what, "bomb")) bomb();
  else if (!strcmp(what, "order")) order();
  else if (!strcmp(what, "forks")) fork_times(n);
  else if (!strcmp(what, "rate")) rate(n);
  else if (!strcmp(what, "build")) build();
  else if (!strcmp(what, "transports")) transports();
  else if (!strcmp(what, "magic")) magic();
  else if (!strcmp(what, "newer")) newer();
  else if (!strcmp(what, "thread")) thread();
  else return 125;
  return 0;
}
