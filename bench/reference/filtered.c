/* filtered FILE COMMAND...: runs a command under the classic filter that FILE has, as struct sock_filter records. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  static struct sock_filter filter[BPF_MAXINSNS];
  struct sock_fprog program = {.filter = filter};
  FILE *file = argc < 3 ? NULL : fopen(argv[1], "re");

  if (!file) {
    fprintf(stderr, "usage: %s FILE COMMAND...\n", argv[0]);
    return 125;
  }
  program.len = fread(filter, sizeof(filter[0]), BPF_MAXINSNS, file);
  fclose(file);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) {
    perror("seccomp");
    return 125;
  }
  execvp(argv[2], argv + 2);
  perror(argv[2]);
  return 127;
}
