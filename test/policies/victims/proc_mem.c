/*
 * proc_mem: a master binds, listens and forks a worker of the same user. The worker serves, and then tries to open the
 * master's memory as a file in all the ways that it knows. Where one succeeds it writes an order there, and the
 * master binds another address. Prints a line for each: "name ok" or "name ERRNO-NUMBER"; then what the master did.
 *
 * Compiled with -shared -fPIC, for LD_PRELOAD: on SIGURG a server's worker does the same to its parent, in the folder
 * HIJACK, and prints "end".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RACES = 2000, TEXT = 256 };

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

static volatile int order; /* the worker writes it in the master */
static pid_t master;

/* Uses a descriptor of the memory, and closes it. */
static void tell(const char *name, int descriptor) {
  static const int wanted = 1;
  struct statfs system;
  if (descriptor < 0) {
    printf("%s %d\n", name, errno);
  } else {
    const int is_memory = fstatfs(descriptor, &system) == 0 && system.f_type == PROC_SUPER_MAGIC &&
                          pwrite(descriptor, &wanted, sizeof(wanted), (off_t)&order) == sizeof(wanted);
    printf("%s %s\n", name, is_memory ? "ok" : "is another file");
    close(descriptor);
  }
  fflush(stdout);
}

static const char *of_master(const char *format) {
  static char text[TEXT];
  snprintf(text, sizeof(text), format, master, master);
  return text;
}

static int open_at(int directory, const char *path, int flags) {
  return syscall(SYS_openat, directory, path, flags, 0);
}

/* A descriptor that only names the file, opened again by its own name. */
static int again(int descriptor) {
  char text[TEXT];
  if (descriptor < 0) return -1;
  snprintf(text, sizeof(text), "/proc/self/fd/%d", descriptor);
  int opened = open_at(AT_FDCWD, text, O_RDWR), error = errno;
  close(descriptor);
  errno = error;
  return opened;
}

static void by_paths(void) {
  tell("absolute", open_at(AT_FDCWD, of_master("/proc/%d/mem"), O_RDWR));
  tell("to read", again(open_at(AT_FDCWD, of_master("/proc/%d/mem"), O_RDONLY)));
  tell("name only", again(open_at(AT_FDCWD, of_master("/proc/%d/mem"), O_PATH)));
  tell("thread", open_at(AT_FDCWD, of_master("/proc/%d/task/%d/mem"), O_RDWR));
  tell("slashes", open_at(AT_FDCWD, of_master("//proc//%d///mem"), O_RDWR));
  tell("dots", open_at(AT_FDCWD, of_master("/proc/self/../%d/./task/../mem"), O_RDWR));
  tell("root", open_at(AT_FDCWD, of_master("/proc/self/root/proc/%d/mem"), O_RDWR));
  tell("slash behind it", open_at(AT_FDCWD, of_master("/proc/%d/mem/"), O_RDWR));
  tell("dot behind it", open_at(AT_FDCWD, of_master("/proc/%d/mem/."), O_RDWR));
  tell("directory", open_at(AT_FDCWD, of_master("/proc/%d/mem"), O_RDWR | O_DIRECTORY));
#ifdef SYS_open
  tell("open", syscall(SYS_open, of_master("/proc/%d/mem"), O_RDWR, 0));
  tell("creat", syscall(SYS_creat, of_master("/proc/%d/mem"), 0600));
#endif
  struct open_how how = {.flags = O_RDWR};
  tell("openat2", syscall(SYS_openat2, AT_FDCWD, of_master("/proc/%d/mem"), &how, sizeof(how)));
}

static void by_directories(void) {
  int directory = open_at(AT_FDCWD, of_master("/proc/%d"), O_RDONLY);
  tell("descriptor", open_at(directory, "mem", O_RDWR));
  tell("descriptor and dot", open_at(directory, "./mem", O_RDWR));
  struct open_how how = {.flags = O_RDWR, .resolve = RESOLVE_BENEATH};
  tell("beneath", syscall(SYS_openat2, directory, "mem", &how, sizeof(how)));
  how.resolve = RESOLVE_IN_ROOT;
  tell("in root", syscall(SYS_openat2, directory, "/mem", &how, sizeof(how)));
  if (fchdir(directory) == 0) tell("working directory", open_at(AT_FDCWD, "mem", O_RDWR));
  close(directory);
}

static void by_links(const char *folder) {
  if (chdir(folder) != 0) return;
  symlink(of_master("/proc/%d/mem"), "link");
  tell("link", open_at(AT_FDCWD, "link", O_RDWR));
  symlink(of_master("/proc/%d"), "directory");
  tell("linked directory", open_at(AT_FDCWD, "directory/mem", O_RDWR));
  symlink("directory/mem", "second");
  tell("link of a link", open_at(AT_FDCWD, "second", O_RDWR));
  int is_linked = link(of_master("/proc/%d/mem"), "hard") == 0;
  tell("hard link", is_linked ? open_at(AT_FDCWD, "hard", O_RDWR) : -1);
}

/* An open that the kernel makes for a ring. */
static int open_by_ring(const char *path) {
  struct io_uring_params ring = {0};
  int fd = syscall(SYS_io_uring_setup, 1, &ring);
  if (fd < 0) return -1;
  size_t size = ring.sq_off.array + ring.cq_off.cqes + 4096;
  char *queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
  char *results = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_CQ_RING);
  struct io_uring_sqe *entry = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
  if (queue == MAP_FAILED || results == MAP_FAILED || entry == MAP_FAILED) return -1;
  entry->opcode = IORING_OP_OPENAT;
  entry->fd = AT_FDCWD;
  entry->addr = (unsigned long)path;
  entry->open_flags = O_RDWR;
  __atomic_store_n((unsigned *)(queue + ring.sq_off.tail), 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1) return -1;
  int result = ((struct io_uring_cqe *)(results + ring.cq_off.cqes))->res;
  if (result >= 0) return result;
  errno = -result;
  return -1;
}

#ifndef SYS_fsopen
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
enum { CREATE = 6 /* FSCONFIG_CMD_CREATE */ };

/* A mount that is nowhere, of a new instance of procfs. */
static int new_proc(void) {
  int context = syscall(SYS_fsopen, "proc", 0);
  if (context < 0 || syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0) != 0) return -1;
  int mounted = syscall(SYS_fsmount, context, 0, 0);
  if (mounted < 0) return -1;
  return open_at(mounted, of_master("%d/mem"), O_RDWR);
}

/* A file of a user namespace is reached from outside by /proc/PID/root. */
static void by_mounts(const char *folder) {
  tell("open_tree", again(syscall(SYS_open_tree, AT_FDCWD, of_master("/proc/%d/mem"), 0)));
  tell("open_tree, cloned", again(syscall(SYS_open_tree, AT_FDCWD, of_master("/proc/%d/mem"), OPEN_TREE_CLONE)));
  tell("new procfs", new_proc());
  tell("ring", open_by_ring(of_master("/proc/%d/mem")));
  char place[TEXT], path[2 * TEXT];
  snprintf(place, sizeof(place), "%s/place", folder);
  close(open(place, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  int ready[2], end[2];
  if (pipe(ready) != 0 || pipe(end) != 0) return;
  pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) mount(of_master("/proc/%d/mem"), place, NULL, MS_BIND, NULL);
    close(end[1]);
    if (write(ready[1], "", 1) == 1) read(end[0], path, 1);
    _exit(0);
  }
  read(ready[0], path, 1);
  snprintf(path, sizeof(path), "/proc/%d/root%s", child, place);
  tell("mounted", open_at(AT_FDCWD, path, O_RDWR));
  close(end[1]);
  waitpid(child, NULL, 0);
}

static char raced[TEXT];
static volatile int is_over;

static void *flip(void *name) {
  while (!is_over) {
    *(volatile char *)name = 'x';
    *(volatile char *)name = 'm';
  }
  return NULL;
}

static void by_a_race(void) {
  pthread_t other;
  strcpy(raced, of_master("/proc/%d/mem"));
  if (pthread_create(&other, NULL, flip, strrchr(raced, '/') + 1) != 0) return;
  int opened = -1;
  for (int i = 0; i < RACES && opened < 0; i++) opened = open_at(AT_FDCWD, raced, O_RDWR);
  is_over = 1;
  pthread_join(other, NULL);
  tell("race", opened);
}

static void attack(const char *folder) {
  by_paths();
  by_directories();
  by_links(folder);
  by_mounts(folder);
  by_a_race();
}

static char folder[TEXT]; /* the server changes its environment */

static void hijacked(int signal) {
  (void)signal;
  master = getppid();
  attack(folder);
  puts("end");
  fflush(stdout);
}

__attribute__((constructor)) static void prepare(void) {
  struct sigaction action = {.sa_handler = hijacked};
  if (getenv("HIJACK") == NULL) return;
  snprintf(folder, sizeof(folder), "%s", getenv("HIJACK"));
  sigaction(SIGURG, &action, NULL);
}

int main(int argc, char **argv) {
  sa_family_t unnamed = AF_UNIX; /* the kernel chooses an abstract address */
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), status;
  if (argc != 2) return 125;
  master = getpid();
  /* Without a policy the attacks succeed even where Yama lets only ancestors trace. */
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  if (bind(fd, (struct sockaddr *)&unnamed, sizeof(unnamed))) return 125;
  listen(fd, 16); /* denied for a build step */
  pid_t worker = fork();
  if (worker == 0) {
    eventfd(0, 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    accept4(fd, NULL, NULL, 0);
    attack(argv[1]);
    _exit(0);
  }
  if (worker < 0 || waitpid(worker, &status, 0) != worker || status != 0) return 125;
  int second = socket(AF_UNIX, SOCK_STREAM, 0);
  const int is_bound = order != 0 && bind(second, (struct sockaddr *)&unnamed, sizeof(unnamed)) == 0;
  puts(is_bound ? "master bound" : "master untouched");
  return 0;
}
