// SPDX-License-Identifier: MIT
/*
 * The launcher: puts a filter on a command, and waits for it or becomes it.
 *
 *     launcher supervise NODE SCRIPT [WORD...]       front.c: the last words are the command, as Node says
 *     launcher serve COMMAND [ARGUMENT...]           launcher.c alone, with a socket to Node as descriptor 3
 *     launcher run [OPTIONS] BUNDLE [--] COMMAND [ARGUMENT...]   in_place.c
 *
 * Freestanding on purpose: no code runs here that is not in this folder.
 */
#include "front.h"
#include "in_place.h"
#include "kernel.h"
#include "launcher.h"
#include "say.h"

#include <linux/fcntl.h>

enum { SOCKET = 3 };

void start(long *stack) __attribute__((noreturn, used));
void start(long *stack) {
  static struct inheritance inheritance;
  uint32_t count = (uint32_t)stack[0];
  char **argv = (char **)(stack + 1);
  char **environment = argv + count + 1;
  if (count < 2) leave(FAILED);

  take_inheritance(&inheritance);
  if (is_word(argv[1], "run")) run_bundle(argv + 2, environment, &inheritance);
  if (is_word(argv[1], "supervise")) supervise(argv + 2, count - 2, environment, &inheritance);
  if (!is_word(argv[1], "serve")) leave(FAILED);
  CALL(__NR_fcntl, SOCKET, F_SETFD, FD_CLOEXEC);
  struct launch launch = {argv + 2, count - 2, environment, &inheritance, SOCKET, -1};
  serve(&launch);
}
