// SPDX-License-Identifier: MIT
/* ask: one supervised call for each line of standard input; prints "allowed" or the errno. Other cases by argument. */
#include "victim.h"
#include <fcntl.h>

static void tell(const char *what, long result) {
  if (result >= 0) printf("%s allowed\n", what);
  else printf("%s errno %ld\n", what, -result);
}

/* Every call must be allowed, denied or interrupted; repeats until some are denied. */
static void storm(int flags) {
  begin_storm(100, flags);
  long allowed = 0, denied = 0, interrupted = 0, other = 0;
  for (int i = 0; i < 5000 || (denied == 0 && i < 5000000); i++) {
    long result = add_one();
    if (result != -EINTR) storm_let_through();
    if (result >= 0) allowed++;
    else if (result == -EDOM) denied++;
    else if (result == -EINTR) interrupted++;
    else other++;
  }
  end_storm();
  printf("storm: %s, %s, %ld other, %s\n", allowed <= 1000 ? "no more allowed than may be" : "too many allowed",
         denied > 0 ? "denied" : "none denied", other,
         flags && interrupted ? "interrupted although restarted" : "as asked");
}

/* execve like the launcher's, with a guess in the token registers. */
static void guess(char **argv) {
  const unsigned long guesses[][2] = {{0, 0}, {~0ul, ~0ul}, {0x0123456789abcdef, 0xfedcba9876543210}};
  for (unsigned i = 0; i < sizeof guesses / sizeof *guesses; i++)
    tell("guess", result_of(syscall(SYS_execve, argv[0], argv, environ, 0, guesses[i][0], guesses[i][1])));
  tell("plain", result_of(syscall(SYS_execve, argv[0], argv, environ)));
  tell("at", result_of(syscall(SYS_execveat, AT_FDCWD, argv[0], argv, environ, 0)));
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  const char *which = argc > 1 ? argv[1] : "";
  if (!strcmp(which, "guess")) {
    guess(argv);
  } else if (!strcmp(which, "storm")) {
    storm(0);
  } else if (!strcmp(which, "storm-restarted")) {
    storm(SA_RESTART);
  } else if (!strcmp(which, "number")) {
    for (int i = 2; i < argc; i++) tell(argv[i], result_of(syscall(strtol(argv[i], NULL, 0), -1L, 0L, 0L, 0L, 0L, 0L)));
  } else if (!strcmp(which, "int80")) {
    /* i386's number 20 is getpid. Without support for i386 in the kernel this is a SIGSEGV. */
    long result = 20;
#if defined(__x86_64__)
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
#endif
    tell("int80", (int)result);
  } else if (!strcmp(which, "setuid")) {
    tell("before", add_one());
    if (setresuid(65534, 65534, 65534) != 0) return 2;
    tell("after", add_one());
  } else if (!strcmp(which, "open")) {
    for (int i = 2; i < argc; i++) tell(argv[i], result_of(syscall(SYS_openat, AT_FDCWD, argv[i], O_RDONLY, 0)));
  } else if (!strcmp(which, "thrice")) {
    for (int i = 0; i < 3; i++) tell("call", add_one());
  } else if (!strcmp(which, "daemon")) {
    /* The daemon creates argv[2] after the command has ended with status 5. */
    pid_t command = getpid();
    if (fork() != 0) return 5;
    setsid();
    while (kill(command, 0) == 0 || errno != ESRCH) usleep(1000);
    int file = open(argv[2], O_CREAT | O_WRONLY, 0600);
    tell("daemon", add_one());
    return file < 0;
  } else {
    char line[64];
    printf("ready\n");
    while (fgets(line, sizeof line, stdin) != NULL) {
      int pid;
      if (sscanf(line, "after %d", &pid) == 1)
        while (kill(pid, 0) == 0 || errno != ESRCH) usleep(1000);
      tell("call", add_one());
    }
  }
  return 0;
}
