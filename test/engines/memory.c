// SPDX-License-Identifier: MIT
/*
 * A program under a policy about memory: one thread makes calls, another one changes what they point to. It prints how many
 * calls were allowed, how many were denied, and how many did what the policy forbids.
 *
 *     memory paths ALLOWED REFUSED COUNT     two files of one length; the first byte of the forbidden one is 'r'
 *     memory addresses ALLOWED REFUSED COUNT   two ports of 127.0.0.1
 *     memory how COUNT                       openat2 with and without O_CREAT; the policy forbids O_CREAT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static union {
  char path[4096];
  struct sockaddr_in address;
  struct open_how how;
} memory, one, other;
static size_t size;
static atomic_int over;

static void *flip(void *unused) {
  while (!over) {
    memcpy(&memory, &other, size);
    sched_yield();
    memcpy(&memory, &one, size);
    sched_yield();
  }
  return unused;
}

static unsigned long allowed, denied, forbidden;

static void try_path(void) {
  char first = 0;
  int file = open(memory.path, O_RDONLY);
  if (file < 0 || read(file, &first, 1) != 1) {
    denied++;
    return;
  }
  allowed++;
  forbidden += first == 'r';
  close(file);
}

static void try_address(void) {
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  int handle = socket(AF_INET, SOCK_DGRAM, 0);
  if (connect(handle, (struct sockaddr *)&memory, sizeof memory.address) < 0) denied++;
  else {
    allowed++;
    getpeername(handle, (struct sockaddr *)&peer, &length);
    forbidden += peer.sin_port == other.address.sin_port;
  }
  close(handle);
}

static void try_how(void) {
  int file = (int)syscall(SYS_openat2, AT_FDCWD, "/tmp", &memory.how, sizeof memory.how);
  if (file < 0) {
    denied++;
    return;
  }
  allowed++;
  struct stat status;
  /* With O_TMPFILE a file without links is made. */
  forbidden += fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  close(file);
}

int main(int count, char **words) {
  if (count < 3) return 2;
  void (*attempt)(void) = try_how;
  if (strcmp(words[1], "paths") == 0 && count == 5) {
    attempt = try_path;
    strcpy(one.path, words[2]);
    strcpy(other.path, words[3]);
    size = strlen(one.path) + 1;
  } else if (strcmp(words[1], "addresses") == 0 && count == 5) {
    attempt = try_address;
    size = sizeof one.address;
    one.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    other.address = one.address;
    one.address.sin_port = htons((uint16_t)atoi(words[2]));
    other.address.sin_port = htons((uint16_t)atoi(words[3]));
  } else {
    size = sizeof one.how;
    one.how = (struct open_how){.flags = O_PATH};
    other.how = (struct open_how){.flags = O_TMPFILE | O_RDWR, .mode = 0600};
  }
  memcpy(&memory, &one, size);
  pthread_t thread;
  if (pthread_create(&thread, NULL, flip, NULL) != 0) return 2;
  for (long left = atol(words[count - 1]); left > 0; left--) attempt();
  over = 1;
  pthread_join(thread, NULL);
  printf("allowed %d denied %d forbidden %lu\n", allowed > 0, denied > 0, forbidden);
  return 0;
}
