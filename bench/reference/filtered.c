/* filtered FILE COMMAND...: runs a command under the classic filter that FILE has, as struct sock_filter records. */
#include "under_filter.h"

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
  return under_filter(&program, argv + 2);
}
