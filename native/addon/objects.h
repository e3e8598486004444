/* SPDX-License-Identifier: MIT */
/*
 * Serving objects: the supervisor resolves the path of a caller's open(2) or connect(2), holds the object that it leads
 * to, has the policy judge that object, and then opens or connects to that object on the caller's behalf.
 *
 * For one call, in this order:
 *   1. `hold_object` copies the order; a thread of the pool (objects.c) compares the caller with us (caller.c), walks the
 *      path (walk.c) and says which of the policy's constants the object is or lies under (place.c);
 *   2. `next_held` gives the notification to the loop, which judges it;
 *   3. `serve_object` has a thread open the object (serve.c), install the descriptor in the caller and answer; or
 *      `drop_object` lets it go, and the loop refuses the call.
 *
 * Only the loop's thread calls the functions under "The loop's".
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <limits.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Why an object is not served; src/events/record.ts has the same order. */
enum obstacle {
  NO_OBSTACLE = 0,
  OTHER_CREDENTIALS,    /* users, groups or capabilities are not ours */
  OTHER_USER_NAMESPACE, /* nor the user namespace */
  OTHER_MOUNTS,         /* nor the mount namespace */
  OTHER_ROOT,           /* chroot(2) */
  OTHER_LABEL,          /* a security module's */
  OTHER_NAMESPACES,     /* of a device or a file of /proc, which can mean those of its opener */
  OTHER_CGROUP,         /* of a device: a cgroup can forbid it */
  OWN_PROCESS,          /* below our own /proc/PID */
  OTHER_PROCESS,        /* a magic link of another process */
  OTHER_PROC,           /* a mount of procfs that is not /proc */
  OTHER_TERMINAL,       /* /dev/tty, and the caller's is not ours */
  PLACE_UNKNOWN,        /* whether it lies under a directory cannot be seen, or changes each time */
  UNREADABLE_CALLER,    /* /proc/TID cannot be read */
  NO_DESCRIPTORS,       /* we have none left */
  NOT_ENOUGH_MEMORY,
  TOO_MANY,    /* calls wait */
  OTHER_UMASK, /* and the thread cannot have one of its own: unshare(2) is refused */
  PATH_ONLY,   /* O_PATH: the kernel installs no such descriptor (seccomp_notify_addfd(), 6.12) */
};

/* A failed step: `error` is the call's own errno (positive), or that of a refusal where `why` says so. */
struct failure {
  int error;
  enum obstacle why;
};

/* ── Ourselves and a caller (caller.c) ───────────────────────────────────────────────────────────────────────────── */

struct identity {
  uint64_t device, inode, mount;
  uint32_t mode;
  uint64_t special; /* of a device file: which device */
};

enum { CREDENTIAL_BYTES = 4096, LINK_BYTES = 64, NAMESPACES = 8, LABELS = 3, TEXT_BYTES = 1024 };

struct self {
  int proc;        /* /proc */
  int descriptors; /* /proc/self/fd, the working directory of the pool's threads */
  int tasks;       /* /proc/self/task */
  struct identity proc_root, root;
  char credentials[CREDENTIAL_BYTES], namespaces[NAMESPACES][LINK_BYTES], labels[LABELS][TEXT_BYTES],
      cgroup[TEXT_BYTES];
  bool has_label[LABELS];
  mode_t umask;
  unsigned protects_links, protects_files, protects_fifos; /* fs.protected_… */
};

struct caller {
  pid_t tid, process;
  mode_t umask;
  uint32_t user; /* of the file system */
};

/* 0, or a negative errno. */
int know_self(struct self *self);
void forget_self(struct self *self);
/* False where it is not as we are. */
bool know_caller(const struct self *self, pid_t tid, struct caller *caller, struct failure *failure);
bool has_own_namespaces(const struct self *self, pid_t tid);
bool has_own_cgroup(const struct self *self, pid_t tid);
/* Whether /dev/tty means the same to both: 1; 0: the caller has none; −1: it does not. */
int shares_terminal(const struct self *self, pid_t tid);
/* A signal waits for it that interrupts a call. */
bool has_signal(const struct self *self, pid_t tid);
bool identify(int descriptor, struct identity *identity);
bool is_same(const struct identity *a, const struct identity *b);
/* Bytes read, with a NUL behind them; a negative errno; −E2BIG where they do not fit. */
ssize_t read_text(int directory, const char *path, char *into, size_t size);

/* ── The path's object (walk.c) ──────────────────────────────────────────────────────────────────────────────────── */

/* What a path leads to: an object; or a name that is not there yet, in `parent`. Descriptors are −1 where not used. */
struct target {
  int object, parent;
  char name[NAME_MAX + 1];
};

struct lookup {
  const struct self *self;
  const struct caller *caller;
  const char *path;
  int directory;                 /* the caller's dirfd */
  uint64_t flags, mode, resolve; /* of openat2(2) */
};

bool find_target(const struct lookup *lookup, struct target *target, struct failure *failure);
/*
 * The same for an object that is there, where neither the walk nor opening it can wait for a disk or a file server: the
 * kernel has all names in its cache (RESOLVE_CACHED, Linux 5.12). False where that is not so, or not known.
 */
bool find_at_once(const struct lookup *lookup, struct target *target, struct identity *object);
/* openat2(2): a descriptor, closed on exec, or a negative errno. */
int open_at(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
/* Our own errno, as a failure. */
struct failure failure_of(int error);

/* ── Where it lies (place.c) ─────────────────────────────────────────────────────────────────────────────────────── */

struct constant {
  bool is_directory; /* `under`, else `is` */
  const char *path;
};

/* matches[i]: whether the target is, or lies under, constants[wanted[i]]. `resolve`: 0, or RESOLVE_CACHED as above. */
bool place_target(const struct self *self, const struct target *target, const struct constant *constants,
                  const uint32_t *wanted, size_t count, uint64_t resolve, unsigned char *matches,
                  struct failure *failure);
/* The directory in which the object has its name, −1 where it has none (failure->why is set where that is unknown). */
int parent_of(const struct self *self, int object, uint64_t resolve, struct failure *failure);

/* ── The service (serve.c) ───────────────────────────────────────────────────────────────────────────────────────── */

struct service {
  const struct self *self;
  const struct caller *caller;
  int listener;
  uint64_t id;
  uint64_t flags, mode;
  bool has_own_directory; /* the thread has a working directory and an umask of its own */
  bool is_killable;       /* a signal that does not kill does not end the caller's wait */
};

enum served {
  ANSWERED,
  RACED,  /* what was not there is there now: to be judged anew */
  FAILED, /* *failure: the call is to be refused */
};
enum served serve_open(const struct service *service, const struct target *target, struct failure *failure);
/* A file or a directory as it is, without waiting even for the holder of a lease. False where nothing was done. */
bool serve_open_at_once(const struct service *service, int object);
enum served serve_connect(const struct service *service, const struct target *target, int socket,
                          struct failure *failure);
/*
 * Whether this thread can be interrupted. It must not be while it answers: the kernel then drops the answer, or of a
 * descriptor and its answer the descriptor alone, and the call returns 0 (seccomp_notify_addfd(), kernel/seccomp.c, 6.12).
 */
void allow_interruption(bool allow);
/* An errno of the call's own. */
void answer_error(const struct service *service, int error);

/* ── The loop's (objects.c) ──────────────────────────────────────────────────────────────────────────────────────── */

struct objects;

enum order_kind { OPENS, OPENS_STRICTLY /* openat2(2) */, CONNECTS };

struct order {
  enum order_kind kind;
  int directory;
  uint64_t flags, mode, resolve; /* as openat2(2) takes them */
  int socket;                    /* the caller's, of a connect */
};

/* NULL with an errno. Else `constants` is freed at the end, and what they point at must lie in the same block. */
struct objects *start_objects(int listener, struct constant *constants, size_t count, bool is_killable);
void end_objects(struct objects *own);
/* Can be read when an object is held, or a service has failed. */
int event_of(const struct objects *own);
/*
 * 0, or a negative errno: then nothing has begun. `path` has `length` bytes without a NUL. What can be done at once is done
 * here, and `next_held` then has the call.
 */
int hold_object(struct objects *own, const struct seccomp_notif *call, const struct order *order, const char *path,
                size_t length, const uint32_t *wanted, size_t count);
/* The notification of a call whose object is held, or which has failed. */
bool next_held(struct objects *own, struct seccomp_notif *into);
/* What came of it; −1 where there is no such call. `matches` gets a byte for each that was wanted, at most `size`. */
int held_object(struct objects *own, uint64_t id, unsigned char *matches, size_t size, struct failure *failure);
/* True where the call has its answer. */
bool serve_object(struct objects *own, uint64_t id);
void drop_object(struct objects *own, uint64_t id);
/* Whether something is still done for this call. */
bool is_under_way(struct objects *own, uint64_t id);

#endif
