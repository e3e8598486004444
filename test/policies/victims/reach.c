/*
 * reach: a master binds, listens and forks a worker of the same user. The worker serves like nginx's (eventfd2) and
 * like others (accept4), and then makes the calls by which processes of one user can access each other. Prints a line
 * for each: "name ok" or "name ERRNO-NUMBER".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* A separate page, because process_madvise works on whole pages. */
static char secret[4096] __attribute__((aligned(4096))) = "secret";

static void tell(const char *what, long result) {
  if (result < 0) printf("%s %d\n", what, errno);
  else printf("%s ok\n", what);
  fflush(stdout);
}

static void attack(pid_t master, int descriptor) {
  char copy[sizeof(secret)] = "stolen";
  struct iovec here = {copy, sizeof(copy)}, there = {secret, sizeof(secret)};
  int pidfd = syscall(SYS_pidfd_open, master, 0);
  long traced;

  tell("process_vm_readv", process_vm_readv(master, &here, 1, &there, 1, 0));
  tell("process_vm_writev", process_vm_writev(master, &here, 1, &there, 1, 0));
  tell("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, descriptor, 0));
  tell("kcmp", syscall(SYS_kcmp, master, getpid(), KCMP_FILES, 0, 0));
  tell("process_madvise", syscall(SYS_process_madvise, pidfd, &there, 1, MADV_COLD, 0));
  traced = ptrace(PTRACE_SEIZE, master, NULL, NULL);
  tell("ptrace", traced);
  if (traced == 0) ptrace(PTRACE_DETACH, master, NULL, NULL);
  /* Servers need this: signals make the master reload. */
  tell("signal", kill(master, 0));
}

int main(void) {
  sa_family_t unnamed = AF_UNIX; /* the kernel chooses an abstract address */
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), status;
  pid_t master = getpid(), worker;

  /* Without a policy the attacks succeed even where Yama lets only ancestors trace. */
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  if (bind(fd, (struct sockaddr *)&unnamed, sizeof(unnamed))) return 125;
  listen(fd, 16); /* denied for a build step */
  worker = fork();
  if (worker == 0) {
    eventfd(0, 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    accept4(fd, NULL, NULL, 0);
    attack(master, fd);
    _exit(0);
  }
  if (worker < 0 || waitpid(worker, &status, 0) != worker) return 125;
  return WIFSIGNALED(status) ? 1 : WEXITSTATUS(status);
}
