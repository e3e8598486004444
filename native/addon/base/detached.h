/* SPDX-License-Identifier: MIT */
/* Threads of the addon that end by themselves. */
#ifndef DETACHED_H
#define DETACHED_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/* Returns 0 or an errno. The new thread blocks all signals, which Node's threads handle. */
static inline int start_detached(void *(*function)(void *), void *data, size_t stack) {
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  sigfillset(&all);
  int result = pthread_attr_init(&attributes);
  if (result != 0) return result;
  pthread_attr_setstacksize(&attributes, stack);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  result = pthread_create(&thread, &attributes, function, data);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return result;
}

#endif
