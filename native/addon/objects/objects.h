/* SPDX-License-Identifier: MIT */
/*
 * Serving objects: the supervisor resolves the path of a caller's open(2) or connect(2) to an object and holds that object.
 * The policy judges it. Then the supervisor opens it, or connects to it, on the caller's behalf.
 *
 * For one call, in this order:
 *   1. `hold_object` copies the order. A thread of the pool (objects.c) compares the caller with us (caller.c), walks the
 *      path (walk.c) and finds which of the policy's constants the object is or lies under (place.c).
 *   2. `next_held` returns the notification to the loop, which judges it.
 *   3. `serve_object` lets a thread open the object (serve.c), install the descriptor in the caller and answer. Or
 *      `drop_object` releases the object, and the loop refuses the call.
 *
 * Only the loop's thread calls the functions under "Functions of the loop".
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <limits.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/vfs.h>

/* Why an object is not served; src/events/record.ts has the same order. */
enum obstacle {
  NO_OBSTACLE = 0,
  OTHER_CREDENTIALS,    /* the caller's users, groups or capabilities differ from ours */
  OTHER_USER_NAMESPACE, /* its user namespace does */
  OTHER_MOUNTS,         /* its mount namespace does */
  OTHER_ROOT,           /* its root directory does: chroot(2) */
  OTHER_LABEL,          /* its label of a security module does */
  OTHER_NAMESPACES,     /* another namespace does; a device or a file of /proc can depend on its opener's */
  OTHER_CGROUP,         /* its cgroup does, which can forbid a device */
  OWN_PROCESS,          /* below our own /proc/PID */
  OTHER_PROCESS,        /* a link of another process, or a file that the kernel protects as it protects tracing */
  OTHER_PROC,           /* a mount of procfs that is not /proc */
  OTHER_TERMINAL,       /* /dev/tty, and the caller's terminal is not ours */
  PLACE_UNKNOWN,        /* the object's directories cannot be determined, or change at each look */
  UNREADABLE_CALLER,    /* /proc/TID cannot be read */
  NO_DESCRIPTORS,       /* our table of descriptors is full */
  NOT_ENOUGH_MEMORY,
  TOO_MANY,    /* too many calls wait */
  OTHER_UMASK, /* the caller's umask is not ours, and our thread cannot set its own, because unshare(2) is refused */
  PATH_ONLY,   /* O_PATH: the kernel installs no such descriptor (seccomp_notify_addfd(), 6.12) */
  RESTRICTED_WALK, /* openat2's `resolve` restricts the walk, which leads into procfs */
};

/* A failed step: `error` is a positive errno, the call's own if `why` is NO_OBSTACLE, else that of the refusal. */
struct failure {
  int error;
  enum obstacle why;
};

/* ── Ourselves and a caller (caller.c) ───────────────────────────────────────────────────────────────────────────── */

struct identity {
  uint64_t device, inode, mount;
  bool has_lasting_mount; /* no later mount gets this number of `mount` (Linux 6.8) */
  uint32_t mode;
  uint64_t special; /* the device of a device file */
};

enum { CREDENTIAL_BYTES = 4096, LINK_BYTES = 64, NAMESPACES = 8, TEXT_BYTES = 1024 };

/* The first module's label is also in the file of the module. */
enum module { FIRST_MODULE, APPARMOR, SMACK, LABELS };

struct self {
  int proc;        /* /proc */
  int descriptors; /* /proc/self/fd, the working directory of the pool's threads */
  int tasks;       /* /proc/self/task */
  struct identity proc_root, root;
  char credentials[CREDENTIAL_BYTES], namespaces[NAMESPACES][LINK_BYTES], labels[LABELS][TEXT_BYTES],
      cgroup[TEXT_BYTES];
  bool has_label[LABELS];
  bool has_local_root; /* lookups in the root directory's file system never wait for a server */
  bool is_real;        /* access(2), which takes the real users and groups, looks up a path as open(2) does */
  mode_t umask;
  unsigned protects_links, protects_files, protects_fifos; /* fs.protected_… */
};

struct caller {
  pid_t tid, process;
  mode_t umask;
  uint32_t user; /* for access to files: fsuid */
};

enum { MOST_GROUPS = 256 };

/* What decides about a thread's access to files. */
struct rights {
  unsigned user, group, file_user, file_group; /* effective, and those for access to files */
  uint64_t effective;                          /* capabilities in our user namespace */
  uint64_t capabilities;                       /* the effective ones in its own user namespace */
  bool is_of_other_namespace;                  /* of users */
  int root;                                    /* its root directory; −1 */
  size_t count;
  unsigned groups[MOST_GROUPS];
};

/* Returns 0 or a negative errno. */
int know_self(struct self *ours);
void forget_self(struct self *ours);
/* False with a failure if its rights differ from ours. */
bool know_caller(const struct self *ours, pid_t tid, struct caller *caller, struct failure *failure);
/* The same of a caller in a container, which has other rights. True with rights->root, which the caller closes. */
bool know_other(const struct self *ours, pid_t tid, struct caller *caller, struct rights *rights,
                struct failure *failure);
bool has_own_namespaces(const struct self *ours, pid_t tid);
bool has_own_cgroup(const struct self *ours, pid_t tid);
/* 1: /dev/tty is the same terminal for the caller and for us; 0: the caller has no terminal; −1: the terminals differ. */
int shares_terminal(const struct self *ours, pid_t tid);
/* Whether a security module of this kernel has labels, which a process can change unseen. */
bool has_label(const struct self *ours);
/* Whether the security modules have the same labels for the thread as for us. Only the thread itself changes its label. */
bool has_our_labels(const struct self *ours, pid_t tid);
/* The parent of the thread's process; 0 if it is not visible, negative if it is unknown. */
pid_t parent_process(const struct self *ours, pid_t tid);
/* Whether a descriptor can be added to the thread's table. False if that is unknown. */
bool has_free_descriptor(const struct self *ours, pid_t tid);
/* True if a signal is pending that interrupts the thread's call. */
bool has_signal(const struct self *ours, pid_t tid);
/* Whether lookups in a file system of this type never wait for a file server. */
bool never_waits(const struct statfs *system);
bool identify(int descriptor, struct identity *identity);
bool is_same(const struct identity *a, const struct identity *b);
/* Reads a file and appends a NUL. Returns the number of bytes or a negative errno: −E2BIG if they do not fit. */
ssize_t read_text(int directory, const char *path, char *into, size_t size);

/* ── Another's rights (rights.c) ─────────────────────────────────────────────────────────────────────────────────── */

struct taken_rights {
  struct rights former;
  bool has_root, has_users;
};

/*
 * Takes these rights for the calling thread, which has its own working directory. With or without a failure,
 * `return_rights` must follow, with our root directory; if that returns false, the thread must end.
 */
bool take_rights(const struct self *ours, const struct rights *its, struct taken_rights *taken,
                 struct failure *failure);
bool return_rights(const struct self *ours, int root, struct taken_rights *taken);
/* Whether the caller may access files that we may not access for it. */
bool lacks_capabilities(const struct rights *its);

/* ── The path's object (walk.c) ──────────────────────────────────────────────────────────────────────────────────── */

/* The result of a walk: an object, or a name that does not exist yet in `parent`. Unused descriptors are −1. */
struct target {
  int object, parent;
  char name[NAME_MAX + 1];
};

/* The directory from which a relative path leads, opened with our own rights: a descriptor, AT_FDCWD, or −1. */
struct base {
  int descriptor;
  struct failure failure;
};

struct lookup {
  const struct self *ours;
  const struct caller *caller;
  const char *path;
  int directory;                 /* the caller's dirfd */
  uint64_t flags, mode, resolve; /* of openat2(2) */
  const struct base *base;       /* NULL: it is opened when it is needed */
};

struct base open_base(const struct lookup *lookup);

bool find_target(const struct lookup *lookup, struct target *target, struct failure *failure);
/*
 * The same for an existing object, if neither the walk nor the open can wait for a disk or a file server, because the
 * kernel has all names in its cache (RESOLVE_CACHED, Linux 5.12). Else false.
 */
bool find_at_once(const struct lookup *lookup, struct target *target, struct identity *object);
/* openat2(2): a descriptor, closed on exec, or a negative errno. */
int open_at(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
/* Our own errno, as a failure. */
struct failure failure_of(int error);

/* ── Proc file systems (procfs.c) ────────────────────────────────────────────────────────────────────────────────── */

/* Whether the object is a part of a proc file system. May wait for a file server. */
bool is_proc(int object);
/* The same without a wait, because no file system is asked; true if that is unknown. */
bool can_be_proc(const struct self *ours, const struct identity *object);
/* Whether the kernel lets every process open the file of this name in another's directory of /proc, or look below it. */
bool is_public(const char *name);
/* Whether /proc protects all files of a process (its mount option `hidepid`), or that is unknown. */
bool hides_processes(const struct self *ours);

/* ── The object's directories (place.c) ──────────────────────────────────────────────────────────────────────────── */

struct constant {
  bool is_directory; /* `under`, else `is` */
  const char *path;
};

/* matches[i]: whether the target is, or lies under, constants[wanted[i]]. `resolve`: 0, or RESOLVE_CACHED as above. */
bool place_target(const struct self *ours, const struct target *target, const struct constant *constants,
                  const uint32_t *wanted, size_t count, uint64_t resolve, unsigned char *matches,
                  struct failure *failure);
/* The directory with the object's name; −1 if it has no name, or, with failure->why, if that is unknown. */
int parent_of(const struct self *ours, int object, uint64_t resolve, struct failure *failure);

/* ── The service (serve.c) ───────────────────────────────────────────────────────────────────────────────────────── */

struct service {
  const struct self *ours;
  const struct caller *caller;
  int listener;
  uint64_t id;
  uint64_t flags, mode;
  bool has_own_directory; /* the thread has its own working directory and umask */
  bool is_killable;       /* only a fatal signal ends the caller's wait */
  bool reads_proc;        /* the caller's Landlock domain forbids the writing of files of proc file systems */
  bool lacks_rights;      /* an error of permissions can be ours alone */
};

enum served {
  ANSWERED,
  RACED,  /* the name exists now, and did not before: the object must be judged anew */
  FAILED, /* the call must be refused, with *failure */
};
enum served serve_open(const struct service *service, const struct target *target, struct failure *failure);
/* Opens an existing file or directory without any wait, not even for the holder of a lease. False without an effect. */
bool serve_open_at_once(const struct service *service, int object);
enum served serve_connect(const struct service *service, const struct target *target, int socket,
                          struct failure *failure);
/*
 * Whether a signal can interrupt this thread. It must not while the thread answers: the kernel then drops the answer, or
 * drops the descriptor of an answer with a descriptor, so that the call returns 0 (seccomp_notify_addfd(),
 * kernel/seccomp.c, 6.12).
 */
void allow_interruption(bool allow);
/* Answers with an errno that the kernel itself would give to the call. */
void answer_error(const struct service *service, int error);

/* ── Functions of the loop (objects.c) ───────────────────────────────────────────────────────────────────────────── */

struct objects;

enum order_kind { OPENS, OPENS_STRICTLY /* openat2(2) */, CONNECTS };

struct order {
  enum order_kind kind;
  int directory;
  uint64_t flags, mode, resolve; /* as openat2(2) takes them */
  int socket;                    /* the caller's, of a connect */
};

/*
 * `takes_rights`: the callers are those of a container. Their objects are opened with their rights, in their root directory.
 *
 * NULL with errno. Else takes over `constants`, one allocated block that also contains their paths. */
struct objects *start_objects(int listener, struct constant *constants, size_t count, bool is_killable, bool reads_proc,
                              bool takes_rights);
void end_objects(struct objects *self);
/* A descriptor that is readable when an object is held, or a service has failed. */
int event_of(const struct objects *self);
/*
 * Returns 0, or a negative errno without an effect. `path` has `length` bytes without a NUL. If the object can be held
 * without a wait, this function holds it, and `next_held` returns the call. `has_our_rights`: the caller's rights are known
 * to be ours, otherwise they are compared.
 */
int hold_object(struct objects *self, const struct seccomp_notif *call, bool has_our_rights, const struct order *order,
                const char *path, size_t length, const uint32_t *wanted, size_t count);
/* The notification of a call whose object is held, or which has failed. */
bool next_held(struct objects *self, struct seccomp_notif *into);
/* The result of the first step: 0 with *failure and a byte in `matches` for each wanted constant, at most `size`; or −1
   for an unknown call. */
int held_object(struct objects *self, uint64_t id, unsigned char *matches, size_t size, struct failure *failure);
/* From now on an open can wait for a process of the tree, so only the pool's threads open. */
void open_apart(struct objects *self);
/* True if the call has got its answer. */
bool serve_object(struct objects *self, uint64_t id);
void drop_object(struct objects *self, uint64_t id);
/* Whether this call is neither answered nor dropped. */
bool is_under_way(struct objects *self, uint64_t id);

#endif
