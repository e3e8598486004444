// SPDX-License-Identifier: MIT
/*
 * terminal STEP... -- COMMAND...: a terminal with a shell that does job control, reduced to what the tests need. Any
 * step that takes more than five minutes fails: it hangs.
 *
 * Steps:
 *   expect TEXT     reads the terminal until TEXT was seen
 *   send BYTES      types (\n and \xNN are understood)
 *   answer BYTES    types the six characters before the last TEXT that was seen, and then BYTES
 *   stopped         waits until the job has stopped and prints the signal
 *   continue        takes the job to the foreground again, as fg does
 *   exit            waits for the job's end and prints its status
 *
 * Before the steps: `without-job-control`, a shell that does not notice a stop; `without-shell`, the command leads the
 * session, as in a container, so its process group is orphaned.
 */
#include "victim.h"
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master;
static pid_t shell;

static void fail(const char *step) {
  printf("failed: %s\n", step);
  kill(-shell, SIGKILL);
  exit(1);
}

static void on_alarm(int signal) {
  (void)signal;
  static const char text[] = "failed: out of time\n";
  if (write(1, text, sizeof text - 1) < 0) _exit(2);
  kill(shell, SIGKILL);
  _exit(1);
}

/* The characters before the text of the last `expect`. */
static char before[7];

static void expect(const char *text) {
  static char seen[65536];
  static size_t size;
  for (;;) {
    char *at = memmem(seen, size, text, strlen(text));
    if (at != NULL) {
      if (at - seen >= 6) memcpy(before, at - 6, 6);
      size_t used = (size_t)(at - seen) + strlen(text);
      memmove(seen, seen + used, size - used);
      size -= used;
      return;
    }
    if (size == sizeof seen) fail(text);
    ssize_t count = read(master, seen + size, sizeof seen - size);
    if (count <= 0) fail(text);
    size += (size_t)count;
  }
}

/* In one write: the reader gets all bytes at once, as those that a terminal sends by itself. */
static void type(const char *text) {
  char bytes[4096];
  size_t size = 0;
  for (const char *at = text; *at && size < sizeof bytes; at++) {
    char byte = *at;
    if (at[0] == '\\' && at[1] == 'n') byte = '\n', at++;
    else if (at[0] == '\\' && at[1] == 'x') byte = (char)strtol((char[]){at[2], at[3], 0}, NULL, 16), at += 3;
    bytes[size++] = byte;
  }
  if (write(master, bytes, size) != (ssize_t)size) fail(text);
}

/* The shell: reports the state of its job on a pipe, and moves it to the foreground on request. */
static int has_job_control = 1, has_shell = 1;

static void be_shell(char **command, int orders, int reports) {
  signal(SIGTTOU, SIG_IGN);
  signal(SIGTSTP, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  pid_t job = fork();
  if (job == 0) {
    setpgid(0, 0);
    tcsetpgrp(0, getpid());
    signal(SIGTTOU, SIG_DFL);
    signal(SIGTSTP, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    close(orders);
    close(reports);
    execvp(command[0], command);
    _exit(127);
  }
  setpgid(job, job);
  for (;;) {
    int status;
    if (waitpid(job, &status, has_job_control ? WUNTRACED : 0) != job) _exit(3);
    if (write(reports, &status, sizeof status) != sizeof status) _exit(3);
    if (!WIFSTOPPED(status)) _exit(0);
    tcsetpgrp(0, getpgrp());
    char order;
    if (read(orders, &order, 1) != 1) _exit(3);
    tcsetpgrp(0, job);
    kill(-job, SIGCONT);
  }
}

/* The next state of the job, as wait(2) gives it. */
static int next_status(int reports, const char *step) {
  int status;
  if (has_shell ? read(reports, &status, sizeof status) != sizeof status : waitpid(shell, &status, WUNTRACED) != shell)
    fail(step);
  return status;
}

int main(int argc, char **argv) {
  int end = 1;
  while (end < argc && strcmp(argv[end], "--")) end++;
  int orders[2], reports[2], first = 1;
  if (argc > 1 && !strcmp(argv[1], "without-job-control")) has_job_control = 0, first = 2;
  if (argc > 1 && !strcmp(argv[1], "without-shell")) has_shell = 0, first = 2;
  if (end + 1 >= argc || pipe2(orders, O_CLOEXEC) || pipe2(reports, O_CLOEXEC)) return 2;
  shell = forkpty(&master, NULL, NULL, NULL);
  if (shell == 0 && !has_shell) {
    execvp(argv[end + 1], argv + end + 1);
    _exit(127);
  }
  if (shell == 0) be_shell(argv + end + 1, orders[0], reports[1]);
  close(orders[0]);
  close(reports[1]);
  signal(SIGALRM, on_alarm);
  setvbuf(stdout, NULL, _IONBF, 0);
  for (int i = first; i < end; i++) {
    alarm(300);
    if (!strcmp(argv[i], "expect")) {
      expect(argv[++i]);
    } else if (!strcmp(argv[i], "send")) {
      type(argv[++i]);
    } else if (!strcmp(argv[i], "answer")) {
      char text[4096];
      snprintf(text, sizeof text, "%s%s", before, argv[++i]);
      type(text);
    } else if (!strcmp(argv[i], "stopped")) {
      int status = next_status(reports[0], "stopped");
      if (!WIFSTOPPED(status)) fail("stopped");
      printf("stopped by SIG%s\n", sigabbrev_np(WSTOPSIG(status)));
    } else if (!strcmp(argv[i], "continue")) {
      if (has_shell ? write(orders[1], "c", 1) != 1 : kill(-shell, SIGCONT) != 0) fail("continue");
    } else if (!strcmp(argv[i], "exit")) {
      int status = next_status(reports[0], "exit");
      if (WIFSTOPPED(status)) fail("exit");
      printf("exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
    } else {
      return 2;
    }
  }
  return 0;
}
