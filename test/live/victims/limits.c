// SPDX-License-Identifier: MIT
/*
 * limits [early] RESOURCE...: sets limits of its supervisor, the launcher's parent, to 0, as any process of the same
 * user can, then makes supervised calls. Without "early" it makes one call before that, so that the supervisor is
 * running. limits daemon: prints the launcher's pid, waits for a line, and leaves a process that ends only by a signal.
 */
#include "parent.h"
#include "victim.h"
#include <sys/resource.h>

static int resource_named(const char *name) {
  static const struct {
    const char *name;
    int resource;
  } known[] = {{"nofile", RLIMIT_NOFILE}, {"as", RLIMIT_AS},     {"nproc", RLIMIT_NPROC},
               {"cpu", RLIMIT_CPU},       {"data", RLIMIT_DATA}, {"sigpending", RLIMIT_SIGPENDING}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(known[i].name, name)) return known[i].resource;
  return -1;
}

static void tell(long result) {
  if (result >= 0) printf("call allowed\n");
  else printf("call errno %ld\n", -result);
}

static int daemonise(void) {
  printf("%d\n", find_launcher(getpid()));
  getchar();
  pid_t pid = fork();
  if (pid != 0) return pid < 0;
  for (int i = 0; i < 3; i++) close(i);
  setsid();
  for (;;) pause();
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1 && !strcmp(argv[1], "daemon")) return daemonise();
  int first = argc > 1 && !strcmp(argv[1], "early") ? 2 : 1;
  if (first == 1) tell(add_one());
  const struct rlimit nothing = {0, 0};
  pid_t supervisor = parent_of(find_launcher(getpid()));
  for (int i = first; i < argc; i++)
    if (prlimit(supervisor, (enum __rlimit_resource)resource_named(argv[i]), &nothing, NULL) != 0)
      printf("prlimit %s errno %d\n", argv[i], errno);
  for (int i = 0; i < 5; i++) tell(add_one());
  return 0;
}
