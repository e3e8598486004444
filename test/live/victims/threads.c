// SPDX-License-Identifier: MIT
/*
 * threads COUNT COUNT: makes so many threads, one after another, each of which makes a supervised call and ends, for each
 * line of standard input. Prints "begin", and for each line the number of refused calls.
 */
#include "victim.h"

static void *call_once(void *unused) {
  (void)unused;
  return (void *)(long)(add_one() < 0);
}

static void await_line(void) {
  char byte = 0;
  while (byte != '\n')
    if (read(0, &byte, 1) != 1) exit(0);
}

int main(int count, char **words) {
  setvbuf(stdout, NULL, _IONBF, 0);
  add_one();
  printf("begin\n");
  for (int i = 1; i < count; i++) {
    long refused = 0;
    await_line();
    for (int left = atoi(words[i]); left > 0; left--) {
      pthread_t thread;
      void *result;
      if (pthread_create(&thread, NULL, call_once, NULL) != 0) return 2;
      pthread_join(thread, &result);
      refused += (long)result;
    }
    printf("refused %ld\n", refused);
  }
  await_line();
  return 0;
}
