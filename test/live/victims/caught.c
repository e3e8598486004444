// SPDX-License-Identifier: MIT
/*
 * caught WHAT: handles SIGALRM without SA_RESTART, and prints `WHAT RESULT`. The policy counts the calls in question.
 *
 * storm       supervised calls that never return EINTR, while a timer interrupts them: how often they do
 * threads     the same in four threads at once
 * late        the same, in a thread that makes its calls since before another one installs the handler
 * children    the same in children that inherit the handler, by fork, vfork and a raw clone
 * own         calls that wait by themselves, interrupted there: how many return EINTR
 * again       the same, each call equal to the one before
 * ignored     an ignored signal, and one that another process takes, do not end epoll_wait
 * stopped     SIGSTOP and SIGCONT, as the parent sees them
 * information siginfo of sigqueue
 * traced      PTRACE_ATTACH, PTRACE_SEIZE and PTRACE_TRACEME
 * executed    TracerPid before and after an execve
 * killed      the parent gets the end of a process that is killed
 * flood       supervised calls while another process is flooded with signals
 * reaping     forks of a server whose handler of SIGCHLD reaps the children, which end at once: how many forks fail
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "victim.h"

static atomic_long handled;
static void on_signal(int signal) {
  (void)signal;
  handled++;
}

static void catch(int signal) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(signal, &action, NULL);
}

static void every(long microseconds) {
  const struct itimerval timer = {{0, microseconds}, {0, microseconds}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

static atomic_long interrupted, failed;
static void judge(long result) {
  if (result == -1 && errno == EINTR) interrupted++;
  else if (result == -1) failed++;
}

static int await_end(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

/* One of each. Names differ between threads. */
static void make_calls(const char *folder) {
  judge(syscall(SYS_getppid));
  judge(syscall(SYS_mkdir, folder, 0700));
  judge(syscall(SYS_rmdir, folder));
  for (int i = 0; i < 2; i++) {
    const long file = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
    judge(file);
    if (file >= 0) close((int)file);
  }
}

static void fork_once(void) {
  const long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  judge(child);
  if (child > 0) await_end((pid_t)child);
}

/* Until so many signals have been handled, or in vain: how long that takes is the machine's matter. */
static void storm(long signals, bool forks) {
  char folder[64];
  snprintf(folder, sizeof folder, "/tmp/caught-%ld", (long)syscall(SYS_gettid));
  for (long round = 0; handled < signals; round++) {
    make_calls(folder);
    if (forks && round % 8 == 0) fork_once();
  }
}

static atomic_long reaped;
static void on_end(int signal) {
  (void)signal;
  const int error = errno;
  while (waitpid(-1, NULL, WNOHANG) > 0) reaped++;
  errno = error;
}

/* A server for each connection, such as vsftpd, drops the client if its fork returns an error. */
static long reaping(long forks) {
  struct sigaction action = {.sa_handler = on_end};
  sigaction(SIGCHLD, &action, NULL);
  for (long i = 0; i < forks; i++) {
    const long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    judge(child);
  }
  while (reaped + interrupted + failed < forks) usleep(1000);
  return interrupted;
}

static void *storm_in_thread(void *signals) {
  storm((long)signals, false);
  return NULL;
}

static long tracer_of(pid_t pid) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  if (length <= 0) return -1;
  text[length] = 0;
  const char *line = strstr(text, "TracerPid:");
  return line == NULL ? -1 : atol(line + 10);
}

static bool expects(const char *what, long result, int error) {
  const bool is = result == -1 && errno == error;
  if (!is) printf("%s returned %ld, errno %d\n", what, result, errno);
  return is;
}

/* Each waits until the alarm. `again`: after an equal call that did not have to wait. */
static long own_waits(bool again) {
  long count = 0;
  int pipes[2], word = 0;
  char byte = 0;
  if (pipe(pipes) != 0) return -1;
  const struct timespec second = {100, 0}, nothing = {0, 1};
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 8) != 0) return -2;
  getsockname(server, (struct sockaddr *)&address, &length);
  struct timespec time = second;
#define ALARM(call)                                      \
  {                                                      \
    const struct itimerval once = {{0, 0}, {0, 100000}}; \
    setitimer(ITIMER_REAL, &once, NULL);                 \
    count += expects(#call, call, EINTR);                \
  }
  if (again) {
    time = nothing;
    for (int i = 0; i < 2; i++) {
      if (i == 0) {
        if (write(pipes[1], "x", 1) != 1) return -3;
        syscall(SYS_read, pipes[0], &byte, 1);
      } else {
        ALARM(syscall(SYS_read, pipes[0], &byte, 1))
      }
    }
    for (int i = 0; i < 2; i++) {
      if (i == 0) {
        const int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (struct sockaddr *)&address, sizeof address) != 0) return -4;
        syscall(SYS_accept, server, NULL, NULL);
      } else {
        ALARM(syscall(SYS_accept, server, NULL, NULL))
      }
    }
    return count;
  }
  ALARM(nanosleep(&time, NULL))
  ALARM(syscall(SYS_read, pipes[0], &byte, 1))
  ALARM(syscall(SYS_accept, server, NULL, NULL))
  ALARM(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0))
  struct pollfd polled = {.fd = pipes[0], .events = POLLIN};
  ALARM(syscall(SYS_poll, &polled, 1, -1))
  char fifo[64];
  snprintf(fifo, sizeof fifo, "/tmp/caught-fifo-%d", getpid());
  if (mkfifo(fifo, 0600) != 0) return -5;
  ALARM(syscall(SYS_openat, AT_FDCWD, fifo, O_RDONLY, 0))
  unlink(fifo);
  return count;
}

static volatile siginfo_t information;
static void on_information(int signal, siginfo_t *given, void *context) {
  (void)signal;
  (void)context;
  memcpy((void *)&information, given, sizeof information);
}

static long trace(void) {
  long right = 0;
  int status;
  for (int how = 0; how < 2; how++) {
    const pid_t child = fork();
    if (child == 0) {
      for (;;) pause();
    }
    const bool is_kept = tracer_of(child) > 0;
    const long traced = how == 0 ? ptrace(PTRACE_ATTACH, child, NULL, NULL) : ptrace(PTRACE_SEIZE, child, NULL, NULL);
    if (how == 1 && traced == 0) ptrace(PTRACE_INTERRUPT, child, NULL, NULL);
    const bool is_stopped = traced == 0 && waitpid(child, &status, __WALL) == child && WIFSTOPPED(status);
    right += is_kept && is_stopped && ptrace(PTRACE_DETACH, child, NULL, NULL) == 0;
    kill(child, SIGKILL);
    await_end(child);
  }
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(1);
    raise(SIGUSR1);
    _exit(7);
  }
  const bool is_stopped = waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1;
  right += is_stopped && ptrace(PTRACE_CONT, child, NULL, NULL) == 0 && WEXITSTATUS(await_end(child)) == 7;
  return right;
}

static long stop(void) {
  long right = 0;
  int status;
  const pid_t child = fork();
  if (child == 0) {
    for (;;) {
      const struct timespec moment = {0, 1000000};
      nanosleep(&moment, NULL);
      syscall(SYS_getppid);
    }
  }
  for (int i = 0; i < 20; i++) {
    kill(child, SIGSTOP);
    right += waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
    kill(child, SIGALRM);
    kill(child, SIGCONT);
    right += waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status);
  }
  kill(child, SIGTERM);
  right += WTERMSIG(await_end(child)) == SIGTERM;
  return right;
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  long result = -1;
  if (strcmp(what, "tracer") == 0) {
    printf("tracer %ld\n", tracer_of(getpid()));
    return 0;
  }
  if (strcmp(what, "late") == 0) {
    pthread_t one;
    pthread_create(&one, NULL, storm_in_thread, (void *)2000L);
    const struct timespec moment = {0, 1000000};
    nanosleep(&moment, NULL);
    catch(SIGALRM);
    while (handled < 2000) pthread_kill(one, SIGALRM), usleep(300);
    pthread_join(one, NULL);
    result = interrupted;
  } else {
    catch(SIGALRM);
  }
  if (strcmp(what, "storm") == 0) {
    every(300);
    storm(4000, true);
    every(0);
    result = interrupted;
  } else if (strcmp(what, "threads") == 0) {
    pthread_t threads[4];
    every(300);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, storm_in_thread, (void *)4000L);
    while (handled < 4000) pthread_kill(threads[0], SIGALRM), usleep(500);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    every(0);
    result = interrupted;
  } else if (strcmp(what, "children") == 0) {
    result = 0;
    for (int i = 0; i < 12; i++) {
      const long child = i % 2 == 0 ? fork() : syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
      if (child == 0) {
        every(300);
        storm(200, i % 3 == 0);
        every(0);
        _exit(interrupted != 0 ? 1 : failed != 0 ? 2 : 0);
      }
      result += await_end((pid_t)child) != 0;
    }
  } else if (strcmp(what, "own") == 0) {
    result = own_waits(false);
  } else if (strcmp(what, "again") == 0) {
    result = own_waits(true);
  } else if (strcmp(what, "ignored") == 0) {
    struct epoll_event event;
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    signal(SIGUSR1, SIG_IGN);
    const pid_t child = fork();
    if (child == 0) {
      usleep(100000);
      kill(getppid(), SIGUSR1);
      usleep(100000);
      _exit(0); /* and SIGCHLD */
    }
    result = epoll_wait(epoll, &event, 1, 600);
    await_end(child);
  } else if (strcmp(what, "stopped") == 0) {
    result = stop();
  } else if (strcmp(what, "information") == 0) {
    struct sigaction action = {.sa_sigaction = on_information, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    const pid_t child = fork();
    if (child == 0) {
      sigqueue(getppid(), SIGUSR1, (union sigval){.sival_int = 4711});
      _exit(0);
    }
    await_end(child);
    while (information.si_signo == 0) usleep(1000);
    result = information.si_pid == child && information.si_code == SI_QUEUE ? information.si_value.sival_int : -1;
  } else if (strcmp(what, "traced") == 0) {
    result = trace();
  } else if (strcmp(what, "executed") == 0) {
    printf("kept %d\n", tracer_of(getpid()) > 0);
    fflush(stdout);
    execl("/proc/self/exe", words[0], "tracer", NULL);
  } else if (strcmp(what, "killed") == 0) {
    result = 0;
    for (int i = 0; i < 50; i++) {
      const pid_t child = fork();
      if (child == 0) {
        every(100);
        for (;;) syscall(SYS_getppid);
      }
      usleep(2000);
      kill(child, SIGKILL);
      result += WTERMSIG(await_end(child)) == SIGKILL;
    }
  } else if (strcmp(what, "reaping") == 0) {
    result = reaping(3000);
  } else if (strcmp(what, "flood") == 0) {
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
      children[i] = fork();
      if (children[i] != 0) continue;
      for (;;) {
        kill(getpid(), SIGALRM);
        kill(getppid(), 0);
      }
    }
    result = 0;
    for (int i = 0; i < 2000; i++) result += syscall(SYS_getppid) > 0;
    for (int i = 0; i < 3; i++) {
      kill(children[i], SIGKILL);
      await_end(children[i]);
    }
  }
  printf("%s %ld\n", what, result);
  if (failed != 0) printf("failed %ld\n", (long)failed);
  return 0;
}
