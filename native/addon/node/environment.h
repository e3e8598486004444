/* SPDX-License-Identifier: MIT */
/* The state of a thread of JavaScript that has loaded the addon. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <pthread.h>
#include <sys/epoll.h>

#include "../loop/loop.h"
#include "node.h"

struct tree;
enum { MOST_READY = 64 };

struct queue {
  pthread_mutex_t lock;
  struct tree *first, **last;
  int event; /* readable when a tree has got into the empty queue, or another thread has something to say; or -1 */
  int epoll; /* watches `event`, and the listeners of trees whose step is made in the thread of JavaScript */
  struct epoll_event ready[MOST_READY];
  int ready_count;
};

struct environment {
  struct loop single; /* of a thread that supervises one tree */
  struct loop *loop;  /* that of the functions that JavaScript calls */
  struct queue queue;
};

/* NULL if Node has no memory. */
struct environment *environment_of(napi_env env);

#endif
