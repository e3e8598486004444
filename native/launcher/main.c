// SPDX-License-Identifier: MIT
/*
 * The entry point of the native program. It installs a filter for a command, and waits for it or executes it in place.
 *
 *     launcher supervise NODE SCRIPT [WORD...]       front.c: the last words are the command
 *     launcher serve COMMAND [ARGUMENT...]           launcher.c alone, with a socket to Node as descriptor 3
 *     launcher run [OPTIONS] BUNDLE [--] COMMAND [ARGUMENT...]   in_place.c
 *     launcher container VERB [WORD...]              container.c
 *     portcullis [WORD...]                           if argv[0] is portcullis: bin/portcullis without a shell
 *
 * The program is freestanding, so that all its code is in this folder.
 */
#include "container.h"
#include "front.h"
#include "in_place.h"
#include "kernel.h"
#include "launcher.h"
#include "print.h"
#include "search.h"

#include <linux/fcntl.h>
#include <linux/limits.h>

enum { SOCKET = 3, FOLDERS = 4 /* dist/native/ARCHITECTURE/launcher */ };

static const char *last_component(const char *path) {
  const char *last = path;
  for (; *path != 0; path++)
    if (*path == '/') last = path + 1;
  return last;
}

/*
 * Does what bin/portcullis does. A shell reorders the environment, drops entries that are not valid variables, and
 * resets an ignored SIGCHLD; this does not.
 */
static void start_portcullis(char **argv, uint32_t count, char **environment, struct inheritance *inheritance)
    __attribute__((noreturn));
static void start_portcullis(char **argv, uint32_t count, char **environment, struct inheritance *inheritance) {
  static const char name[] = "/bin/portcullis.cjs";
  static char script[PATH_MAX + sizeof name];
  long length = CALL(__NR_readlinkat, AT_FDCWD, "/proc/self/exe", script, PATH_MAX);
  for (int above = 0; length > 0 && above < FOLDERS; length--)
    if (script[length - 1] == '/') above++;
  if (length < 0) die(FAILED, NULL, "/proc is not mounted", NULL);
  memcpy(script + length, name, sizeof name);

  char **words = allocate((count + 2) * sizeof *words);
  if (words == NULL) die(FAILED, NULL, "out of memory", NULL);
  words[0] = (char *)"node";
  words[1] = script;
  for (uint32_t i = 1; i < count; i++) words[i + 1] = argv[i];
  if (count > 1 && (strings_equal(argv[1], "run") || strings_equal(argv[1], "record")))
    supervise(words, count + 1, environment, inheritance);
  const char *file;
  if (find_command(words[0], environment, &file) < 0)
    die(FAILED, words[0], "command not found", "install Node 20.19 or newer");
  restore_inheritance(inheritance);
  CALL(__NR_execve, file, words, environment);
  die(FAILED, file, "cannot be run", NULL);
}

/* `serve` is for Node only. */
static const char help[] =
    "usage: launcher run [--best-effort] [--set NAME=VALUE]... BUNDLE [--] COMMAND [ARGUMENT...]\n"
    "       launcher container VERB [WORD...]\n"
    "       launcher supervise NODE SCRIPT [WORD...]\n"
    "\n"
    "run        installs the policy of a bundle and executes the command in this process (launcher run --help)\n"
    "container  installs it in a container, for deploy/crun/portcullis-crun (launcher container --help)\n"
    "supervise  starts Node with bin/portcullis.cjs, as bin/portcullis does, and represents the command\n"
    "\n"
    "Under the name portcullis (a symbolic link) it does what bin/portcullis does.\n";

static void print_help(const char *word) {
  if (!strings_equal(word, "--help") && !strings_equal(word, "-h") && !strings_equal(word, "help")) return;
  write_all(1, help, sizeof help - 1);
  exit_process(0);
}

void start(long *stack) __attribute__((noreturn, used));
void start(long *stack) {
  static struct inheritance inheritance;
  uint32_t count = (uint32_t)stack[0];
  char **argv = (char **)(stack + 1);
  char **environment = argv + count + 1;
  if (count < 1) exit_process(FAILED);

  save_inheritance(&inheritance);
  if (strings_equal(last_component(argv[0]), "portcullis")) start_portcullis(argv, count, environment, &inheritance);
  if (count < 2) die(FAILED, NULL, "the verb is missing", "launcher --help");
  print_help(argv[1]);
  if (strings_equal(argv[1], "run")) run_bundle(argv + 2, environment, &inheritance);
  if (strings_equal(argv[1], "container")) confine_container(argv + 2, environment, &inheritance);
  if (strings_equal(argv[1], "supervise")) supervise(argv + 2, count - 2, environment, &inheritance);
  if (!strings_equal(argv[1], "serve")) die(FAILED, argv[1], "unknown verb", "launcher --help");
  CALL(__NR_fcntl, SOCKET, F_SETFD, FD_CLOEXEC);
  struct launch launch = {argv + 2, count - 2, environment, &inheritance, SOCKET, -1, (int)CALL(__NR_getpgid, 0), 0};
  serve(&launch);
}
