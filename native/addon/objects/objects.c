// SPDX-License-Identifier: MIT
/*
 * The pool of threads that serves objects. Each step of a call has a thread of its own, so the open of a FIFO or a slow
 * file server delays only its caller. The pool starts threads when it needs them. One more thread, the watchdog, looks
 * every few milliseconds for callers that have died or have a signal, and interrupts the step that is made for them.
 */
#define _GNU_SOURCE
#include "../base/detached.h"
#include "../base/listener.h"
#include "objects.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum {
  MOST_CALLS = 4096,
  MOST_THREADS = 256,
  FILE_SYSTEMS = 16,
  STACK = 256 * 1024,
  WATCH_INTERVAL = 10 * 1000 * 1000, /* ns */
};

enum state {
  WAITS,  /* until a thread is free */
  RUNS,   /* a thread makes its step */
  HELD,   /* its step is made; the loop has not taken it yet */
  JUDGED, /* the loop has taken it */
};

struct call {
  struct seccomp_notif notification;
  struct order order;
  enum state state;
  bool is_service; /* the step is to serve the object, else to hold it */
  pthread_t thread;
  struct timespec since;
  struct caller caller;
  struct target target;
  struct failure failure;
  bool lacks_rights;
  bool at_once; /* its object is a file or a directory that can be opened without waiting */
  struct call *next;
  size_t count;
  uint32_t *wanted;
  unsigned char *matches;
  char path[PATH_MAX];
};

struct objects {
  struct self ours;
  int listener, event;
  bool is_killable, reads_proc, ends;
  bool takes_rights; /* the callers are in a container */
  int root;          /* our root directory, if `takes_rights`; else −1 */
  bool opens_apart;  /* the loop must not open: a fanotify listener of the tree can decide about it */
  struct constant *constants;
  size_t constant_count;
  pthread_mutex_t lock;
  pthread_cond_t work, change;
  struct call *calls; /* the newest first */
  size_t count;
  unsigned threads, idle, next_local;
  uint64_t local[FILE_SYSTEMS]; /* numbers of file systems whose lookups never wait */
};

/* ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static struct call *find(struct objects *self, uint64_t id) {
  struct call *one = self->calls;
  while (one != NULL && one->notification.id != id) one = one->next;
  return one;
}

/* The oldest call in this state: the last of the list. */
static struct call *oldest(struct objects *self, enum state state) {
  struct call *found = NULL;
  for (struct call *one = self->calls; one != NULL; one = one->next)
    if (one->state == state) found = one;
  return found;
}

static void release(struct target *target) {
  if (target->object >= 0) close(target->object);
  if (target->parent >= 0) close(target->parent);
  target->object = target->parent = -1;
}

static void forget(struct objects *self, struct call *call) {
  struct call **at = &self->calls;
  while (*at != call) at = &(*at)->next;
  *at = call->next;
  self->count--;
  release(&call->target);
  free(call->wanted);
  free(call->matches);
  free(call);
}

/* ── File systems whose lookups never wait ───────────────────────────────────────────────────────────────────────── */

/*
 * A number that no other file system gets while this process lives, or 0. The number of a file system without a device,
 * such as a tmpfs, is that of a later one, such as a FUSE server's, once it has ended. Before Linux 6.8 such a file system
 * has a lasting number only if it is the root directory's. A later one of the same device (fuseblk) is mounted by root.
 */
static uint64_t lasting_number(const struct objects *self, const struct identity *object) {
  if (object->has_lasting_mount) return object->mount;
  return major(object->device) != 0 || object->device == self->ours.root.device ? object->device : 0;
}

static bool is_local(const struct objects *self, uint64_t number) {
  for (unsigned i = 0; i < FILE_SYSTEMS; i++)
    if (self->local[i] == number && number != 0) return true;
  return false;
}

/* A thread of the pool calls fstatfs(2), which may wait for the file system. Remembers the last FILE_SYSTEMS numbers. */
static void learn(struct objects *self, int object) {
  struct identity identity;
  struct statfs system;
  const uint64_t number = identify(object, &identity) ? lasting_number(self, &identity) : 0;
  if (number == 0) return;
  pthread_mutex_lock(&self->lock);
  bool is_known = is_local(self, number);
  pthread_mutex_unlock(&self->lock);
  if (is_known || fstatfs(object, &system) != 0 || !never_waits(&system)) return;
  pthread_mutex_lock(&self->lock);
  self->local[self->next_local++ % FILE_SYSTEMS] = number;
  pthread_mutex_unlock(&self->lock);
}

/* ── A step ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

static struct lookup lookup_of(const struct objects *self, const struct call *call) {
  return (struct lookup){
      .ours = &self->ours,
      .caller = &call->caller,
      .path = call->path,
      .directory = call->order.directory,
      .flags = call->order.flags,
      .mode = call->order.mode,
      .resolve = call->order.resolve,
  };
}

static void hold(struct objects *self, struct call *call) {
  release(&call->target);
  call->failure = (struct failure){0, NO_OBSTACLE};
  if (!know_caller(&self->ours, (pid_t)call->notification.pid, &call->caller, &call->failure)) return;
  const struct lookup lookup = lookup_of(self, call);
  if (find_target(&lookup, &call->target, &call->failure))
    place_target(&self->ours, &call->target, self->constants, call->wanted, call->count, 0, call->matches,
                 &call->failure);
  if (call->failure.error != 0) release(&call->target);
  else if (call->target.object >= 0) learn(self, call->target.object);
}

static struct service service_of(const struct objects *self, const struct call *call) {
  return (struct service){
      .ours = &self->ours,
      .caller = &call->caller,
      .listener = self->listener,
      .id = call->notification.id,
      .flags = call->order.flags,
      .mode = call->order.mode,
      .is_killable = self->is_killable,
      .reads_proc = self->reads_proc,
  };
}

/* The caller's rights let it find an object of its root. False if the thread must end. */
static bool hold_as_caller(struct objects *self, struct call *call) {
  release(&call->target);
  call->failure = (struct failure){0, NO_OBSTACLE};
  struct rights its;
  if (!know_other(&self->ours, (pid_t)call->notification.pid, &call->caller, &its, &call->failure)) return true;
  struct lookup lookup = lookup_of(self, call);
  const struct base base = open_base(&lookup);
  lookup.base = &base;
  call->lacks_rights = lacks_capabilities(&its);
  struct taken_rights taken;
  if (take_rights(&self->ours, &its, &taken, &call->failure) && find_target(&lookup, &call->target, &call->failure))
    place_target(&self->ours, &call->target, self->constants, call->wanted, call->count, 0, call->matches,
                 &call->failure);
  const bool goes_on = return_rights(&self->ours, self->root, &taken);
  if (base.descriptor >= 0) close(base.descriptor);
  close(its.root);
  if (call->failure.error != 0) release(&call->target);
  const bool is_refused = call->failure.error == EACCES || call->failure.error == EPERM;
  if (is_refused && call->failure.why == NO_OBSTACLE && call->lacks_rights) call->failure.why = OTHER_CREDENTIALS;
  return goes_on;
}

static enum served serve_as_caller(struct objects *self, struct call *call, struct service *service, bool *goes_on) {
  struct rights its;
  if (!know_other(&self->ours, (pid_t)call->notification.pid, &call->caller, &its, &call->failure)) return FAILED;
  /* The rights are the caller's, and not those of another thread with its id, if it still waits. */
  if (!awaits_answer(self->listener, call->notification.id)) {
    close(its.root);
    return ANSWERED;
  }
  service->lacks_rights = call->lacks_rights;
  struct taken_rights taken;
  const enum served served = take_rights(&self->ours, &its, &taken, &call->failure)
                                 ? serve_open(service, &call->target, &call->failure)
                                 : FAILED;
  *goes_on = return_rights(&self->ours, self->root, &taken);
  close(its.root);
  return served;
}

/* As `make_step`, for a caller in a container. */
static bool make_step_as_caller(struct objects *self, struct call *call, bool has_own_directory, bool *goes_on) {
  struct service service = service_of(self, call);
  service.has_own_directory = has_own_directory;
  enum served served = RACED;
  /* A connect would also need the caller's socket; its server sees our process. */
  if (!has_own_directory || call->order.kind == CONNECTS) {
    call->failure = (struct failure){EACCES, has_own_directory ? OTHER_CREDENTIALS : OTHER_ROOT};
    served = FAILED;
  } else if (call->is_service) {
    served = serve_as_caller(self, call, &service, goes_on);
  }
  if (served == FAILED) release(&call->target);
  if (served == RACED && *goes_on) {
    allow_interruption(true);
    *goes_on = hold_as_caller(self, call);
    allow_interruption(false);
  } else if (served == RACED) {
    call->failure = (struct failure){EACCES, OTHER_CREDENTIALS};
  }
  if (served != ANSWERED && call->failure.error == EINTR) {
    answer_error(&service, EINTR);
    served = ANSWERED;
  }
  return served == ANSWERED;
}

/* Returns true if the call has got its answer. */
static bool make_step(struct objects *self, struct call *call, bool has_own_directory) {
  struct service service = service_of(self, call);
  service.has_own_directory = has_own_directory;
  enum served served = RACED;
  if (call->is_service)
    served = call->order.kind == CONNECTS ? serve_connect(&service, &call->target, call->order.socket, &call->failure)
                                          : serve_open(&service, &call->target, &call->failure);
  if (served == FAILED) release(&call->target);
  if (served == RACED) {
    allow_interruption(true);
    hold(self, call);
    allow_interruption(false);
  }
  /* A signal has interrupted the step. */
  if (served != ANSWERED && call->failure.error == EINTR) {
    answer_error(&service, EINTR);
    served = ANSWERED;
  }
  return served == ANSWERED;
}

/*
 * Makes the step in the loop's own thread, which saves two switches between threads. True if the object is held, or if
 * the caller is refused; the pool makes all other steps.
 */
static bool hold_at_once(struct objects *self, struct call *call, bool has_our_rights) {
  const pid_t tid = (pid_t)call->notification.pid;
  struct identity object;
  if (self->takes_rights) return false;
  call->caller = (struct caller){.tid = tid};
  const struct lookup lookup = lookup_of(self, call);
  if (!find_at_once(&lookup, &call->target, &object)) return false;
  pthread_mutex_lock(&self->lock);
  bool goes_on = is_local(self, lasting_number(self, &object));
  pthread_mutex_unlock(&self->lock);
  const bool is_file = S_ISREG(object.mode) || S_ISDIR(object.mode);
  goes_on = goes_on && (call->order.kind == CONNECTS ? S_ISSOCK(object.mode) : is_file);
  /* A connect also needs the caller's process. */
  const bool compares = !has_our_rights || call->order.kind == CONNECTS;
  if (goes_on && compares && !know_caller(&self->ours, tid, &call->caller, &call->failure)) {
    release(&call->target);
    return true;
  }
  goes_on = goes_on && place_target(&self->ours, &call->target, self->constants, call->wanted, call->count,
                                    RESOLVE_CACHED, call->matches, &call->failure);
  call->failure = (struct failure){0, NO_OBSTACLE};
  call->at_once = goes_on && call->order.kind != CONNECTS;
  if (!goes_on) release(&call->target);
  return goes_on;
}

/* The loop polls the event while a fork is traced or a call waits for a room. */
static void announce(const struct objects *self) {
  const uint64_t one = 1;
  if (write(self->event, &one, sizeof one) < 0) return; /* the counter is full, so it is readable already */
}

static void interrupt_nothing(int signal) { (void)signal; }

/* Returns 0 or an errno. A step unblocks the interrupting signal where it allows it. */
static int start_thread(struct objects *self, void *(*function)(void *)) {
  const int result = start_detached(function, self, STACK);
  if (result == 0) self->threads++;
  return result;
}

static void *work(void *argument) {
  struct objects *self = argument;
  /* Gives the thread its own working directory and umask. */
  bool has_own_directory = unshare(CLONE_FS) == 0 && fchdir(self->ours.descriptors) == 0;
  pthread_mutex_lock(&self->lock);
  for (;;) {
    struct call *call;
    self->idle++;
    while ((call = oldest(self, WAITS)) == NULL && !self->ends) pthread_cond_wait(&self->work, &self->lock);
    self->idle--;
    if (call == NULL) break;
    call->state = RUNS;
    call->thread = pthread_self();
    clock_gettime(CLOCK_MONOTONIC, &call->since);
    pthread_cond_signal(&self->change);
    pthread_mutex_unlock(&self->lock);
    bool goes_on = true;
    const bool is_answered = self->takes_rights ? make_step_as_caller(self, call, has_own_directory, &goes_on)
                                                : make_step(self, call, has_own_directory);
    pthread_mutex_lock(&self->lock);
    call->state = HELD;
    if (is_answered) forget(self, call);
    else announce(self);
    /* It has another's rights, which it cannot give back. */
    if (goes_on) continue;
    if (oldest(self, WAITS) != NULL) start_thread(self, work);
    break;
  }
  self->threads--;
  pthread_cond_signal(&self->change);
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

/* ── Callers that no longer wait ─────────────────────────────────────────────────────────────────────────────────── */

static bool is_long_since(const struct timespec *since) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - since->tv_sec) * 1000000000LL + (now.tv_nsec - since->tv_nsec) >= WATCH_INTERVAL;
}

/* The watchdog repeats this until the step is over, because a signal that arrives before the thread waits has no effect. */
static void look_after(struct objects *self, struct call *call) {
  const pid_t caller = (pid_t)call->notification.pid;
  if (self->ends || !awaits_answer(self->listener, call->notification.id) || has_signal(&self->ours, caller))
    pthread_kill(call->thread, SIGRTMAX);
}

static void *watchdog(void *argument) {
  struct objects *self = argument;
  pthread_mutex_lock(&self->lock);
  while (!self->ends || self->threads > 1) {
    if (self->ends) pthread_cond_broadcast(&self->work);
    struct call *running = oldest(self, RUNS);
    if (running == NULL && !self->ends) {
      pthread_cond_wait(&self->change, &self->lock);
      continue;
    }
    pthread_mutex_unlock(&self->lock);
    const struct timespec moment = {0, WATCH_INTERVAL};
    nanosleep(&moment, NULL);
    pthread_mutex_lock(&self->lock);
    for (struct call *one = self->calls; one != NULL; one = one->next)
      if (one->state == RUNS && (self->ends || is_long_since(&one->since))) look_after(self, one);
  }
  self->threads--;
  pthread_cond_signal(&self->change);
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

/* ── The loop's ──────────────────────────────────────────────────────────────────────────────────────────────────── */

struct objects *start_objects(int listener, struct constant *constants, size_t count, bool is_killable, bool reads_proc,
                              bool takes_rights) {
  struct objects *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  *self = (struct objects){.listener = listener, .constants = constants, .constant_count = count};
  self->is_killable = is_killable;
  self->reads_proc = reads_proc;
  self->takes_rights = takes_rights;
  self->root = -1;
  struct sigaction nothing = {.sa_handler = interrupt_nothing};
  int error = -know_self(&self->ours);
  if (error == 0 && takes_rights) {
    self->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (self->root < 0) error = errno;
  }
  if (error == 0) {
    self->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->event < 0 || sigaction(SIGRTMAX, &nothing, NULL) != 0) error = errno;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->change, NULL);
    pthread_mutex_lock(&self->lock);
    if (error == 0) error = start_thread(self, watchdog);
    pthread_mutex_unlock(&self->lock);
    if (error != 0 && self->event >= 0) close(self->event);
    if (error != 0) forget_self(&self->ours);
  }
  if (error == 0) return self;
  if (self->root >= 0) close(self->root);
  free(self);
  errno = error;
  return NULL;
}

void end_objects(struct objects *self) {
  pthread_mutex_lock(&self->lock);
  self->ends = true;
  pthread_cond_broadcast(&self->work);
  pthread_cond_broadcast(&self->change);
  while (self->threads > 0) pthread_cond_wait(&self->change, &self->lock);
  while (self->calls != NULL) forget(self, self->calls);
  pthread_mutex_unlock(&self->lock);
  close(self->event);
  if (self->root >= 0) close(self->root);
  forget_self(&self->ours);
  free(self->constants);
  free(self);
}

int event_of(const struct objects *self) { return self->event; }

static bool begin(struct objects *self, struct call *call, bool is_service) {
  call->is_service = is_service;
  call->state = WAITS;
  unsigned waiting = 0;
  for (struct call *one = self->calls; one != NULL; one = one->next) waiting += one->state == WAITS;
  /* One of the threads is the watchdog. */
  const unsigned workers = self->threads - 1;
  if (self->idle < waiting && workers < MOST_THREADS && start_thread(self, work) != 0 && workers == 0) return false;
  pthread_cond_signal(&self->work);
  return true;
}

/* open(2) and openat(2) ignore flags that openat2(2) refuses (fs/open.c, build_open_how()), so they are removed. */
static struct order strict(struct order order) {
  const uint64_t known = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC |
                         O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE;
  if (order.kind != OPENS) return order;
  order.flags &= (order.flags & O_PATH) != 0 ? (uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : known;
  bool creates = (order.flags & O_CREAT) != 0 || (order.flags & O_TMPFILE) == O_TMPFILE;
  order.mode = creates ? order.mode & 07777 : 0;
  return order;
}

int hold_object(struct objects *self, const struct seccomp_notif *notification, bool has_our_rights,
                const struct order *order, const char *path, size_t length, const uint32_t *wanted, size_t count) {
  if (length >= PATH_MAX) return -ENAMETOOLONG;
  for (size_t i = 0; i < count; i++)
    if (wanted[i] >= self->constant_count) return -EINVAL;
  struct call *call = calloc(1, sizeof *call);
  if (call == NULL) return -ENOMEM;
  *call = (struct call){.notification = *notification, .order = strict(*order), .count = count};
  call->target.object = call->target.parent = -1;
  call->wanted = calloc(count + 1, sizeof *call->wanted);
  call->matches = calloc(count + 1, 1);
  memcpy(call->path, path, length);
  int result = call->wanted == NULL || call->matches == NULL ? -ENOMEM : 0;
  if (result == 0) {
    memcpy(call->wanted, wanted, count * sizeof *wanted);
    const bool is_held = hold_at_once(self, call, has_our_rights);
    pthread_mutex_lock(&self->lock);
    if (self->count >= MOST_CALLS) {
      result = -EAGAIN;
    } else {
      call->next = self->calls;
      self->calls = call;
      self->count++;
      if (is_held) {
        call->state = HELD;
        announce(self);
        call = NULL;
      } else if (begin(self, call, false)) {
        call = NULL;
      } else {
        self->calls = call->next;
        self->count--;
        result = -EAGAIN;
      }
    }
    pthread_mutex_unlock(&self->lock);
  }
  if (call != NULL) {
    release(&call->target);
    free(call->wanted);
    free(call->matches);
    free(call);
  }
  return result;
}

bool next_held(struct objects *self, struct seccomp_notif *into) {
  pthread_mutex_lock(&self->lock);
  struct call *call;
  while ((call = oldest(self, HELD)) != NULL && !awaits_answer(self->listener, call->notification.id))
    forget(self, call);
  if (call == NULL) {
    uint64_t count;
    if (read(self->event, &count, sizeof count) < 0 && errno != EAGAIN) abort(); /* else it stays readable forever */
  } else {
    call->state = JUDGED;
    *into = call->notification;
  }
  pthread_mutex_unlock(&self->lock);
  return call != NULL;
}

int held_object(struct objects *self, uint64_t id, unsigned char *matches, size_t size, struct failure *failure) {
  pthread_mutex_lock(&self->lock);
  struct call *call = find(self, id);
  if (call != NULL && call->state != JUDGED) call = NULL;
  if (call != NULL) {
    *failure = call->failure;
    memcpy(matches, call->matches, size < call->count ? size : call->count);
  }
  pthread_mutex_unlock(&self->lock);
  return call == NULL ? -1 : 0;
}

void open_apart(struct objects *self) { self->opens_apart = true; }

bool serve_object(struct objects *self, uint64_t id) {
  pthread_mutex_lock(&self->lock);
  struct call *call = find(self, id);
  pthread_mutex_unlock(&self->lock);
  /* Only the loop uses a call in state JUDGED, so it needs no lock. */
  if (call == NULL || call->state != JUDGED || call->failure.error != 0) return false;
  const struct service service = service_of(self, call);
  bool is_over = call->at_once && !self->opens_apart && serve_open_at_once(&service, call->target.object);
  call->at_once = false;
  pthread_mutex_lock(&self->lock);
  if (!is_over && !begin(self, call, true)) {
    answer_error(&service, EAGAIN);
    is_over = true;
  }
  if (is_over) forget(self, call);
  pthread_mutex_unlock(&self->lock);
  return is_over;
}

void drop_object(struct objects *self, uint64_t id) {
  pthread_mutex_lock(&self->lock);
  struct call *call = find(self, id);
  if (call != NULL && call->state == JUDGED) forget(self, call);
  pthread_mutex_unlock(&self->lock);
}

bool is_under_way(struct objects *self, uint64_t id) {
  pthread_mutex_lock(&self->lock);
  bool result = find(self, id) != NULL;
  pthread_mutex_unlock(&self->lock);
  return result;
}
