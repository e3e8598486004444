// SPDX-License-Identifier: MIT
/* Chooses the way to write by the type of standard error. */
#include "output.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time_types.h>

#include "inheritance.h"
#include "kernel.h"
#include "orders.h"

enum { STANDARD_ERROR = 2, DONT_WAIT = 0x40 /* MSG_DONTWAIT */, NO_WAIT = 8 /* RWF_NOWAIT */ };

static enum { CLOSED, REGULAR, SOCKET, OWN, SHARED } way;
static int own = -1;
static long error;

void open_output(int is_open) {
  struct statx status;
  if (!is_open || CALL(__NR_statx, STANDARD_ERROR, "", AT_EMPTY_PATH, STATX_TYPE, &status) < 0) return;
  switch (status.stx_mode & S_IFMT) {
    case S_IFREG:
      way = REGULAR;
      return;
    case S_IFSOCK:
      way = SOCKET;
      return;
    default:
      break;
  }
  /* O_NONBLOCK on the description itself would apply to every process that shares it, the command included. */
  own = (int)CALL(__NR_openat, AT_FDCWD, "/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
  if (own >= 0 && own <= STANDARD_ERROR) {
    const int low = own;
    own = (int)CALL(__NR_fcntl, low, F_DUPFD_CLOEXEC, STANDARD_ERROR + 1);
    CALL(__NR_close, low);
  }
  way = own < 0 ? SHARED : OWN;
}

void close_output(void) {
  if (own >= 0) CALL(__NR_close, own);
  own = -1;
  way = CLOSED;
}

int output_to_poll(void) { return way == OWN ? own : way == SOCKET || way == SHARED ? STANDARD_ERROR : -1; }

long output_error(void) { return error; }

static long write_shared(const char *text, size_t size) {
  struct pollfd room = {STANDARD_ERROR, POLLOUT, 0};
  struct __kernel_timespec none = {0, 0};
  if (CALL(__NR_ppoll, &room, 1, &none, 0, 0) == 0) return -EAGAIN;
  struct {
    const void *base;
    size_t length;
  } vector = {text, size};
  /* Another writer can have taken the room. Linux before 6.4 does not know the flag for pipes. */
  const long count = CALL(__NR_pwritev2, STANDARD_ERROR, &vector, 1, -1, -1, NO_WAIT);
  return count == -EOPNOTSUPP ? CALL(__NR_write, STANDARD_ERROR, text, size) : count;
}

long write_output(const char *text, size_t size) {
  long count = (long)size;
  if (way == REGULAR) count = CALL(__NR_write, STANDARD_ERROR, text, size);
  if (way == SOCKET) count = CALL(__NR_sendto, STANDARD_ERROR, text, size, DONT_WAIT | MSG_NOSIGNAL, 0, 0);
  if (way == OWN) count = CALL(__NR_write, own, text, size);
  if (way == SHARED) count = write_shared(text, size);
  if (count == -EAGAIN || count == -EINTR) return 0;
  /* The command shall not get the signals of a write that failed. */
  if (count == -EPIPE) cancel(SIGPIPE);
  if (count == -EFBIG) cancel(SIGXFSZ);
  if (error == 0 && (count == -ENOSPC || count == -EDQUOT || count == -EFBIG)) error = count;
  return count;
}
