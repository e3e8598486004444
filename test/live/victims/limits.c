// SPDX-License-Identifier: MIT
/*
 * limits [early] RESOURCE...: sets limits of its supervisor to 0, as any process of the same user can, then makes
 * supervised calls. It makes one before that, so that the supervisor is at work; with "early" not.
 * limits daemon: sets the limit of its parent, the launcher, and leaves a process behind that ends by a signal only.
 */
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

/* From /proc/PID/status, which shows the name before the parent. */
static pid_t parent_of(pid_t pid, char name[32]) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  int parent = 0;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    sscanf(line, "Name: %31s", name);
    if (sscanf(line, "PPid: %d", &parent) == 1) break;
  }
  if (file != NULL) fclose(file);
  return parent;
}

/* The launcher's parent. */
static pid_t find_supervisor(void) {
  for (pid_t pid = getpid(); pid > 1;) {
    char name[32] = "";
    pid_t parent = parent_of(pid, name);
    if (!strcmp(name, "launcher")) return parent;
    pid = parent;
  }
  return -1;
}

static void tell(long result) {
  if (result >= 0) printf("call allowed\n");
  else printf("call errno %ld\n", -result);
}

static int daemonise(void) {
  const struct rlimit nothing = {0, 0};
  if (prlimit(getppid(), RLIMIT_NOFILE, &nothing, NULL) != 0) return 1;
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
  pid_t supervisor = find_supervisor();
  for (int i = first; i < argc; i++)
    if (prlimit(supervisor, (enum __rlimit_resource)resource_named(argv[i]), &nothing, NULL) != 0)
      printf("prlimit %s errno %d\n", argv[i], errno);
  for (int i = 0; i < 5; i++) tell(add_one());
  return 0;
}
