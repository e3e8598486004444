// SPDX-License-Identifier: MIT
/*
 * replaced COUNT: COUNT times, a child's leader opens its first file, and so is stopped to make calls for its window, while
 * another thread executes this program anew, which gets the leader's id. Prints how many of the new programs have ended
 * otherwise than they do by themselves.
 *
 * replaced fails: the execution fails, and its thread makes no call until the leader has opened the file.
 */
#include "victim.h"
#include <fcntl.h>
#include <stdbool.h>

/* The kernel copies the words before the execution takes the mutex that delays a seizure of the leader. */
enum { LONGEST = 100000, WORDS = 1000, ENDS_WITH = 3 };

static atomic_bool is_executing;

static void *executes(void *unused) {
  (void)unused;
  char *words[WORDS + 1], *const environment[] = {NULL};
  for (int i = 0; i < WORDS; i++) words[i] = "one word of a long command line";
  words[WORDS] = NULL;
  atomic_store(&is_executing, true);
  execve("/proc/self/exe", words, environment);
  _exit(errno);
}

static atomic_bool has_opened;

static void *executes_in_vain(void *unused) {
  (void)unused;
  char *const none[] = {NULL};
  atomic_store(&is_executing, true);
  execve("/dev/null/none", none, none);
  while (!atomic_load(&has_opened)) {
  }
  return NULL;
}

static int outlive(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, executes_in_vain, NULL) != 0) return errno;
  while (!atomic_load(&is_executing)) {
  }
  const long file = result_of(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR));
  atomic_store(&has_opened, true);
  pthread_join(thread, NULL);
  puts(file >= 0 ? "opened" : "not opened");
  return 0;
}

static void be_replaced(unsigned delay) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, executes, NULL) != 0) _exit(errno);
  while (!atomic_load(&is_executing)) {
  }
  for (volatile unsigned i = 0; i < delay; i++) {
  }
  for (;;) syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR));
}

int main(int count, char **words) {
  if (count == WORDS) return ENDS_WITH;
  if (strcmp(words[1], "fails") == 0) return outlive();
  const int rounds = atoi(words[1]);
  int changed = 0;
  for (int i = 0; i < rounds; i++) {
    const pid_t child = fork();
    if (child == 0) be_replaced((unsigned)i * 2654435761u % LONGEST);
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    changed += status != ENDS_WITH << 8;
  }
  printf("%d changed\n", changed);
  return 0;
}
