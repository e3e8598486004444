// SPDX-License-Identifier: MIT
/*
 * Opens a judged object or connects to it, in a thread of the pool, which waits as long as the call. The thread names the
 * object by our descriptor in /proc/self/fd, its working directory. So it reaches the judged object, even if the path
 * leads elsewhere by now.
 *
 * Our copy of the descriptor is closed before the caller continues. Otherwise a lock, an end of a FIFO or a file open for
 * writing could outlive the caller's close(2) by a moment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/listener.h"
#include "../base/old_libc.h"
#include "objects.h"

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND 2
#endif
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

enum { ERESTARTSYS = 512 };

/*
 * The watchdog interrupts our thread if the caller has a signal. The kernel's own open(2) and connect(2) then return
 * ERESTARTSYS: the caller gets EINTR, or makes the call again if the handler has SA_RESTART.
 */
static enum served answered(const struct service *service, int64_t value, int error) {
  if (error == EINTR && has_signal(service->ours, service->caller->tid)) error = ERESTARTSYS;
  struct seccomp_notif_resp response = {.id = service->id, .val = value, .error = -error};
  send_response(service->listener, &response);
  return ANSWERED;
}

void answer_error(const struct service *service, int error) { answered(service, 0, error); }

static enum served fail(struct failure *failure, int error, enum obstacle why) {
  *failure = (struct failure){error, why};
  return FAILED;
}

/* A failure with our errno. It is the call's own errno if `why` is NO_OBSTACLE. */
static enum served of_errno(const struct service *service, int error, struct failure *failure) {
  *failure = failure_of(error);
  if (service->lacks_rights && (error == EACCES || error == EPERM)) failure->why = OTHER_CREDENTIALS;
  return failure->why != NO_OBSTACLE ? FAILED : answered(service, 0, error);
}

/* ── Descriptors ─────────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * Takes over the descriptor. If a signal can end the caller's wait, the kernel installs and answers in one step. A signal
 * of ours could end that step when the answer is on its way without the descriptor: then the caller's open returns 0
 * (kernel/seccomp.c, seccomp_notify_addfd(), 6.18).
 */
static enum served install(const struct service *service, int descriptor) {
  sigset_t all, before;
  sigfillset(&all);
  struct seccomp_notif_addfd order = {
      .id = service->id,
      .srcfd = (uint32_t)descriptor,
      .newfd_flags = (uint32_t)(service->flags & O_CLOEXEC),
      .flags = service->is_killable ? 0 : SECCOMP_ADDFD_FLAG_SEND,
  };
  if (!service->is_killable) pthread_sigmask(SIG_SETMASK, &all, &before);
  int number = add_descriptor(service->listener, &order);
  if (!service->is_killable) pthread_sigmask(SIG_SETMASK, &before, NULL);
  bool is_sent = number >= 0 && order.flags != 0;
  if (number == -EINVAL && order.flags != 0) { /* before Linux 5.14 */
    order.flags = 0;
    number = add_descriptor(service->listener, &order);
  }
  close(descriptor);
  return is_sent ? ANSWERED : answered(service, number < 0 ? 0 : number, number < 0 ? -number : 0);
}

/* ── Opening ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

enum { MEMORY_DEVICES = 1, TERMINALS = 5 };

/* A device can behave differently for each opener: by its namespaces, its cgroup's rules or its terminal. */
static bool may_open_device(const struct service *service, const struct identity *object, struct failure *failure) {
  const pid_t tid = service->caller->tid;
  const unsigned major = major(object->special), minor = minor(object->special);
  if (!S_ISCHR(object->mode) && !S_ISBLK(object->mode)) return true;
  /* null, zero, full, random, urandom */
  if (S_ISCHR(object->mode) && major == MEMORY_DEVICES && (minor == 3 || minor == 5 || (minor >= 7 && minor <= 9)))
    return true;
  if (S_ISCHR(object->mode) && major == TERMINALS && minor == 0) {
    switch (shares_terminal(service->ours, tid)) {
      case 1:
        return true;
      case 0:
        *failure = (struct failure){ENXIO, NO_OBSTACLE};
        return false;
      default:
        *failure = (struct failure){EACCES, OTHER_TERMINAL};
        return false;
    }
  }
  const enum obstacle why = !has_own_namespaces(service->ours, tid) ? OTHER_NAMESPACES
                            : !has_own_cgroup(service->ours, tid)   ? OTHER_CGROUP
                                                                    : NO_OBSTACLE;
  if (why != NO_OBSTACLE) *failure = (struct failure){EACCES, why};
  return why == NO_OBSTACLE;
}

/* fs/namei.c, may_create_in_sticky(): an O_CREAT that finds a file of another user. */
static bool may_find(const struct service *service, int object, struct failure *failure) {
  struct stat its, directory;
  const struct self *ours = service->ours;
  if (stat_of_descriptor(object, &its) != 0) return false;
  const unsigned protects = S_ISFIFO(its.st_mode)  ? ours->protects_fifos
                            : S_ISREG(its.st_mode) ? ours->protects_files
                                                   : 0;
  if (protects == 0 || its.st_uid == service->caller->user) return true;
  int parent = parent_of(ours, object, 0, failure);
  if (parent < 0) return failure->why == NO_OBSTACLE;
  bool is_known = stat_of_descriptor(parent, &directory) == 0;
  close(parent);
  if (is_known && ((directory.st_mode & S_ISVTX) == 0 || its.st_uid == directory.st_uid)) return true;
  if (is_known && (directory.st_mode & S_IWOTH) == 0 && !((directory.st_mode & S_IWGRP) != 0 && protects >= 2))
    return true;
  *failure = (struct failure){EACCES, NO_OBSTACLE};
  return false;
}

/* We are outside the caller's domain (native/launcher/domain.h), so the kernel would not refuse such a file to us. */
static bool writes_proc(const struct service *service, int object) {
  const uint64_t mode = service->flags & O_ACCMODE;
  return service->reads_proc && (mode == O_WRONLY || mode == O_RDWR) && is_proc(object);
}

static int open_target(const struct service *service, const struct target *target, struct failure *failure) {
  char number[16];
  struct identity object;
  uint64_t flags = service->flags | O_NOCTTY;
  *failure = (struct failure){0, NO_OBSTACLE};
  const bool is_new = (flags & O_TMPFILE) == O_TMPFILE;
  if (target->object < 0 || is_new) {
    if (service->has_own_directory) {
      umask(service->caller->umask);
    } else if (service->caller->umask != service->ours->umask) {
      *failure = (struct failure){EACCES, OTHER_UMASK};
      return -EACCES;
    }
  }
  if (target->object < 0) {
    return open_at(target->parent, target->name, flags | O_EXCL, service->mode, 0);
  }
  if ((flags & O_PATH) != 0) {
    *failure = (struct failure){EACCES, PATH_ONLY};
    return -EACCES;
  }
  if (!identify(target->object, &object)) return -errno;
  if (S_ISLNK(object.mode)) return -ELOOP;
  if (writes_proc(service, target->object)) return -EACCES;
  if ((flags & O_CREAT) != 0 && S_ISDIR(object.mode)) return -EISDIR;
  if (!may_open_device(service, &object, failure)) return -failure->error;
  if ((flags & O_CREAT) != 0 && !may_find(service, target->object, failure)) return -failure->error;
  /* With O_CREAT, O_EXCL has been answered (find_target()). Without, it means something to block devices (block/fops.c). */
  flags &= ~(uint64_t)(O_CREAT | O_NOFOLLOW);
  snprintf(number, sizeof number, "%d", target->object);
  return open_at(service->ours->descriptors, number, flags, is_new ? service->mode : 0, 0);
}

/* Opens a file or a directory. With O_NONBLOCK this fails if another process holds a lease on the file. */
static int open_at_once(const struct service *service, int object) {
  char number[16];
  const uint64_t flags = (service->flags & ~(uint64_t)O_NOFOLLOW) | O_NOCTTY;
  snprintf(number, sizeof number, "%d", object);
  int opened = open_at(service->ours->descriptors, number, flags | O_NONBLOCK, 0, 0);
  if (opened >= 0 && (flags & O_NONBLOCK) == 0) fcntl(opened, F_SETFL, (int)flags);
  return opened;
}

/* The caller knows that the object's file system is local, which a proc file system or a file server's is not. */
bool serve_open_at_once(const struct service *service, int object) {
  int opened = open_at_once(service, object);
  return opened >= 0 && install(service, opened) == ANSWERED;
}

void allow_interruption(bool allow) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGRTMAX);
  pthread_sigmask(allow ? SIG_UNBLOCK : SIG_BLOCK, &one, NULL);
}

enum served serve_open(const struct service *service, const struct target *target, struct failure *failure) {
  allow_interruption(true);
  int opened = open_target(service, target, failure);
  allow_interruption(false);
  if (opened >= 0) return install(service, opened);
  if (failure->why != NO_OBSTACLE) return FAILED;
  if (opened == -EEXIST && target->object < 0 && (service->flags & O_EXCL) == 0) return RACED;
  return of_errno(service, -opened, failure);
}

/* ── Connecting ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The caller's own socket, or a negative errno. Before Linux 6.9 only the process can be asked, whose threads usually
   share their descriptors. */
static int take_socket(const struct caller *caller, int number) {
  int process = (int)syscall(SYS_pidfd_open, caller->tid, PIDFD_THREAD);
  if (process < 0 && errno == EINVAL) {
    enum { KCMP_FILES = 2 };
    if (caller->tid != caller->process && syscall(SYS_kcmp, caller->process, caller->tid, KCMP_FILES, 0, 0) != 0)
      return -EPERM;
    process = (int)syscall(SYS_pidfd_open, caller->process, 0);
  }
  if (process < 0) return -errno;
  int socket = (int)syscall(SYS_pidfd_getfd, process, number, 0);
  int error = errno;
  close(process);
  return socket < 0 ? -error : socket;
}

enum served serve_connect(const struct service *service, const struct target *target, int number,
                          struct failure *failure) {
  int socket = take_socket(service->caller, number);
  if (socket == -EPERM || socket == -ESRCH) return fail(failure, EACCES, UNREADABLE_CALLER);
  if (socket < 0) return of_errno(service, -socket, failure);
  /* Another process may have the caller's id by now, so the notification is checked after the socket was taken. */
  if (!awaits_answer(service->listener, service->id)) {
    close(socket);
    return ANSWERED;
  }
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *directory = service->has_own_directory ? "" : "/proc/self/fd/";
  snprintf(address.sun_path, sizeof address.sun_path, "%s%d", directory, target->object);
  allow_interruption(true);
  int result = connect(socket, (const struct sockaddr *)&address, sizeof address);
  int error = result == 0 ? 0 : errno;
  allow_interruption(false);
  close(socket);
  return answered(service, 0, error);
}
