// SPDX-License-Identifier: MIT
/*
 * attack: attacks of a confined program of the same user on the launcher, the supervisor and the front. Prints those
 * that succeed ("REACHED ..."); none may. "attack descriptors" only lists the inherited descriptors. At the end it
 * kills the supervisor, after which its calls are denied.
 */
#include "victim.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "parent.h"

static void try_open(const char *who, pid_t pid, const char *name, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  int file = open(path, flags);
  if (file >= 0) printf("REACHED %s of %s\n", name, who);
  if (file >= 0) close(file);
}

static void try_on(const char *who, pid_t pid) {
  if (ptrace(PTRACE_ATTACH, pid, 0, 0) == 0) printf("REACHED ptrace attach of %s\n", who);
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) printf("REACHED ptrace seize of %s\n", who);
  try_open(who, pid, "mem", O_RDWR);
  try_open(who, pid, "mem", O_RDONLY);
  try_open(who, pid, "maps", O_RDONLY);
  try_open(who, pid, "syscall", O_RDONLY);
  try_open(who, pid, "environ", O_RDONLY);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR *folder = opendir(path);
  if (folder != NULL) printf("REACHED the descriptors of %s\n", who);
  if (folder != NULL) closedir(folder);
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  for (int i = 0; pidfd >= 0 && i < 64; i++)
    if (syscall(SYS_pidfd_getfd, pidfd, i, 0) >= 0) printf("REACHED descriptor %d of %s\n", i, who);
  char word[8] = "attack";
  struct iovec here = {word, sizeof word}, there = {(void *)0x400000, sizeof word};
  errno = 0;
  if (process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT) printf("REACHED the memory of %s\n", who);
  errno = 0;
  if (process_vm_writev(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT)
    printf("REACHED the memory of %s to write\n", who);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1 && !strcmp(argv[1], "descriptors")) {
    for (int i = 0; i < 4096; i++)
      if (fcntl(i, F_GETFD) >= 0) printf("%d\n", i);
    return 0;
  }
  pid_t launcher = (pid_t)add_one();
  pid_t supervisor = parent_of(launcher);
  pid_t front = parent_of(supervisor);
  printf("call %s\n", launcher > 0 ? "allowed" : "denied");
  try_on("the launcher", launcher);
  try_on("the supervisor", supervisor);
  try_on("the front", front);
  /* On SIGUSR1 Node listens for a debugger by default. The supervisor ignores it, and the front forwards it to us. */
  sigset_t passed_on;
  sigemptyset(&passed_on);
  sigaddset(&passed_on, SIGUSR1);
  sigprocmask(SIG_BLOCK, &passed_on, NULL);
  kill(supervisor, SIGUSR1);
  kill(launcher, SIGUSR1);
  kill(front, SIGUSR1);
  struct timespec patience = {300, 0};
  if (sigtimedwait(&passed_on, NULL, &patience) != SIGUSR1) printf("REACHED the front's signals\n");
  int debugger = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9229), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  if (connect(debugger, (struct sockaddr *)&address, sizeof address) == 0) printf("REACHED the debugger's port\n");
  printf("call %s\n", add_one() > 0 ? "allowed" : "denied");
  if (kill(supervisor, SIGKILL) != 0) printf("SIGKILL not possible\n");
  for (int tries = 0; tries < 300000 && (kill(supervisor, 0) == 0 || errno != ESRCH); tries++) usleep(1000);
  printf("call errno %ld\n", -add_one());
  return 0;
}
