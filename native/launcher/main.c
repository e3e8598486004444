// SPDX-License-Identifier: MIT
/*
 * The launcher: puts a filter on a command, and waits for it or becomes it.
 *
 *     launcher supervise NODE SCRIPT [WORD...]       front.c: the last words are the command, as Node says
 *     launcher serve COMMAND [ARGUMENT...]           launcher.c alone, with a socket to Node as descriptor 3
 *     launcher run [OPTIONS] BUNDLE [--] COMMAND [ARGUMENT...]   in_place.c
 *     portcullis [WORD...]                           under this name: bin/portcullis without a shell
 *
 * Freestanding on purpose: no code runs here that is not in this folder.
 */
#include "front.h"
#include "in_place.h"
#include "kernel.h"
#include "launcher.h"
#include "say.h"
#include "search.h"

#include <linux/fcntl.h>

enum { SOCKET = 3, LONGEST_PATH = 4096, FOLDERS = 4 /* dist/native/ARCHITECTURE/launcher */ };

static const char *last_component(const char *path) {
  const char *last = path;
  for (; *path != 0; path++)
    if (*path == '/') last = path + 1;
  return last;
}

/*
 * As bin/portcullis, which a shell interprets: it sorts the environment anew, leaves out what it could not set, and
 * changes an ignored SIGCHLD.
 */
static void start_portcullis(char **argv, uint32_t count, char **environment, struct inheritance *inheritance)
    __attribute__((noreturn));
static void start_portcullis(char **argv, uint32_t count, char **environment, struct inheritance *inheritance) {
  static const char name[] = "/bin/portcullis.cjs";
  static char script[LONGEST_PATH + sizeof name];
  long length = CALL(__NR_readlinkat, AT_FDCWD, "/proc/self/exe", script, LONGEST_PATH);
  for (int above = 0; length > 0 && above < FOLDERS; length--)
    if (script[length - 1] == '/') above++;
  if (length < 0) refuse(FAILED, NULL, "/proc is not there", NULL);
  memcpy(script + length, name, sizeof name);

  char **words = allocate((count + 2) * sizeof *words);
  if (words == NULL) refuse(FAILED, NULL, "there is no memory", NULL);
  words[0] = (char *)"node";
  words[1] = script;
  for (uint32_t i = 1; i < count; i++) words[i + 1] = argv[i];
  if (count > 1 && is_word(argv[1], "run")) supervise(words, count + 1, environment, inheritance);
  const char *file;
  if (find_command(words[0], environment, &file) < 0)
    refuse(FAILED, words[0], "command not found", "install Node 20.19 or newer");
  give_inheritance(inheritance);
  CALL(__NR_execve, file, words, environment);
  refuse(FAILED, file, "cannot be run", NULL);
}

void start(long *stack) __attribute__((noreturn, used));
void start(long *stack) {
  static struct inheritance inheritance;
  uint32_t count = (uint32_t)stack[0];
  char **argv = (char **)(stack + 1);
  char **environment = argv + count + 1;
  if (count < 1) leave(FAILED);

  take_inheritance(&inheritance);
  if (is_word(last_component(argv[0]), "portcullis")) start_portcullis(argv, count, environment, &inheritance);
  if (count < 2) leave(FAILED);
  if (is_word(argv[1], "run")) run_bundle(argv + 2, environment, &inheritance);
  if (is_word(argv[1], "supervise")) supervise(argv + 2, count - 2, environment, &inheritance);
  if (!is_word(argv[1], "serve")) leave(FAILED);
  CALL(__NR_fcntl, SOCKET, F_SETFD, FD_CLOEXEC);
  struct launch launch = {argv + 2, count - 2, environment, &inheritance, SOCKET, -1};
  serve(&launch);
}
