/*
 * flow [twisted]: a small program with one sequence of calls (getpid, getppid, getuid, write), or, with "twisted",
 * another one, like injected code.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  static const char text[] = "done\n";

  syscall(SYS_getpid);
  if (argc > 1 && strcmp(argv[1], "twisted") == 0) syscall(SYS_getuid);
  syscall(SYS_getppid);
  syscall(SYS_getuid);
  return write(1, text, sizeof(text) - 1) == sizeof(text) - 1 ? 0 : 1;
}
