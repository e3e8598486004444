// SPDX-License-Identifier: MIT
/*
 * Windows: our memory in the callers' address spaces, which the callers can read but not change.
 *
 * | addresses | memory | mapped |
 * | --- | --- | --- |
 * | the first of a place | the stub, the same in all | shared, r-x |
 * | the others | the data, each address space its own | shared, r--, not inherited by a fork (MADV_DONTFORK) |
 *
 * Both are memfds, mapped from descriptors that were opened read-only, so the kernel clears VM_MAYWRITE: no mprotect(2), no
 * ptrace(2) and no /proc/TID/mem makes them writable. A seal ensures that no other descriptor or mapping of the memfd does.
 * mseal(2) or the filter ensures that the mapping itself is not replaced. A window is identified by its inode alone; memfds
 * number theirs with a counter of 64 bits (Linux 5.9).
 *
 * Another supervisor that goes on with the tree can neither write to a window of the former one, because of that seal, nor
 * unmap it. So it makes one in another place (pin.h). Memory in other places does not matter to a window.
 *
 * A child inherits the stub, because the call that makes it returns there in both processes. It must not see the data,
 * because its parent may have other rights, and its arguments are there.
 */
#define _GNU_SOURCE
#include "../base/old_libc.h"
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

enum { FIRST_SWEEP = 32 };

/* ── Memory ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * Makes a memfd of this size with our only writable mapping of it, and opens it read-only, too. While the descriptor is in
 * the caller's table, another thread can open the memfd anew (/proc/self/fd), and root always can (/proc/PID/map_files). So
 * the seal F_SEAL_FUTURE_WRITE (5.1) forbids all other writes. Returns 0 or a negative errno.
 */
static int make_memory(size_t size, unsigned char **bytes, int *read_only, struct stat *identity) {
  enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL };
  /* With vm.memfd_noexec = 2 a memfd requires this flag (6.3), which does not forbid executable mappings. */
  int made = (int)syscall(SYS_memfd_create, "portcullis", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (made < 0 && errno == EINVAL) made = (int)syscall(SYS_memfd_create, "portcullis", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (made < 0) return -errno;
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", made);
  unsigned char *memory = MAP_FAILED;
  int again = -1, result = 0;
  if (ftruncate(made, (off_t)size) != 0 ||
      (memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0)) == MAP_FAILED ||
      fcntl(made, F_ADD_SEALS, SEALS) != 0 || stat_of_descriptor(made, identity) != 0 ||
      (again = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
    result = -errno;
    if (memory != MAP_FAILED) munmap(memory, size);
  }
  close(made);
  *bytes = memory;
  *read_only = again;
  return result;
}

int start_windows(struct windows *self, enum protection protection) {
  struct stat identity;
  unsigned char *code;
  int read_only;
  int result = make_memory(CODE_SIZE, &code, &read_only, &identity);
  if (result < 0) return result;
  write_stubs(code);
  munmap(code, CODE_SIZE);
  *self = (struct windows){.protection = protection,
                           .code = read_only,
                           .code_device = identity.st_dev,
                           .code_inode = identity.st_ino,
                           .memory = access("/proc/self/pagemap", F_OK) == 0 ? "pagemap" : "mem",
                           .sweep_at = FIRST_SWEEP};
  return 0;
}

struct window *make_window(int *read_only) {
  struct window *window = calloc(1, sizeof *window);
  struct stat identity;
  if (window == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  int result = make_memory(DATA_SIZE, &window->bytes, read_only, &identity);
  if (result < 0) {
    free(window);
    errno = -result;
    return NULL;
  }
  window->device = identity.st_dev;
  window->inode = identity.st_ino;
  window->memory = -1;
  return window;
}

static void free_window(struct window *window) {
  munmap(window->bytes, DATA_SIZE);
  while (window->slots != NULL) {
    struct slot *one = window->slots;
    window->slots = one->next;
    free(one);
  }
  if (window->memory >= 0) close(window->memory);
  free(window);
}

/*
 * After the end of its address space a read gives 0 bytes. A read of "mem" waits for the lock of the address space, which a
 * thread of the caller can hold for ever (mmap(2) of a file on a FUSE server). "pagemap", which a kernel can lack
 * (CONFIG_PROC_PAGE_MONITOR), refuses to read a single byte before it takes the lock (pagemap_read(), fs/proc/task_mmu.c).
 */
static bool has_ended(const struct window *window) {
  char byte;
  return pread(window->memory, &byte, 1, WINDOW_DATA) == 0;
}

static void remove_window(struct windows *self, struct window **at) {
  struct window *window = *at;
  *at = window->next;
  self->count--;
  free_window(window);
}

static bool is_used(const struct window *window) { return window->users > 0 || window->taken_pins > 0; }

/* Frees the windows whose address space has ended. */
static void sweep_windows(struct windows *self) {
  for (struct window **at = &self->first; *at != NULL;) {
    if (is_used(*at) || !has_ended(*at)) at = &(*at)->next;
    else remove_window(self, at);
  }
  self->sweep_at = 2 * self->count + FIRST_SWEEP;
}

int add_window(struct windows *self, struct window *window, pid_t tid) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/%s", tid, self->memory);
  window->memory = open(path, O_RDONLY | O_CLOEXEC);
  if (window->memory < 0) {
    const int error = errno;
    free_window(window);
    return -error;
  }
  window->users = 1;
  window->next = self->first;
  self->first = window;
  if (++self->count >= self->sweep_at) sweep_windows(self);
  return 0;
}

void drop_window(struct windows *self, struct window *window) {
  if (is_used(window)) return;
  struct window **at = &self->first;
  while (*at != window) at = &(*at)->next;
  remove_window(self, at);
}

void end_windows(struct windows *self) {
  while (self->first != NULL) {
    struct window *one = self->first;
    self->first = one->next;
    free_window(one);
  }
  close(self->code);
}

/* ── Room in the data ────────────────────────────────────────────────────────────────────────────────────────────── */

static size_t granules_of(size_t length) { return (length + GRANULE - 1) / GRANULE; }
static size_t granules_in(const struct window *window) {
  return (end_of_place(window->place) - data_of_place(window->place)) / GRANULE;
}

int take_room(struct window *window, size_t length) {
  size_t wanted = length == 0 ? 1 : granules_of(length), run = 0;
  const size_t present = granules_in(window);
  if (wanted > present) return -1;
  for (size_t i = 0; i < present; i++) {
    run = window->taken[i] ? 0 : run + 1;
    if (run < wanted) continue;
    size_t first = i + 1 - wanted;
    memset(window->taken + first, 1, wanted);
    window->taken_pins++;
    return (int)(first * GRANULE);
  }
  return -1;
}

void give_room(struct window *window, int at, size_t length) {
  memset(window->taken + at / GRANULE, 0, length == 0 ? 1 : granules_of(length));
  window->taken_pins--;
}

struct slot *take_slot(struct window *window, const struct slot_record *record, uint32_t length) {
  for (struct slot *one = window->slots; one != NULL; one = one->next)
    if (!one->is_taken && one->length >= length && memcmp(&one->record, record, sizeof *record) == 0) {
      one->is_taken = true;
      return one;
    }
  struct slot *one = window->slot_count < granules_in(window) / 2 ? calloc(1, sizeof *one) : NULL;
  int at = one == NULL ? -1 : take_room(window, sizeof *record + length);
  if (at < 0) {
    free(one);
    return NULL;
  }
  window->taken_pins--; /* slots do not keep their window alive */
  memcpy(window->bytes + at, record, sizeof *record);
  *one = (struct slot){*record, at + (int)sizeof *record, length, true, window->slots};
  window->slots = one;
  window->slot_count++;
  return one;
}

/* ── The mappings of a thread ────────────────────────────────────────────────────────────────────────────────────── */

/* Reads lines of a file in /proc in small pieces, because the kernel generates only the requested bytes. */
struct lines {
  int descriptor;
  size_t piece;
  size_t length, at;
  char text[4096];
};

static char *next_line(struct lines *from) {
  for (;;) {
    char *start = from->text + from->at;
    char *end = memchr(start, '\n', from->length - from->at);
    if (end != NULL) {
      *end = 0;
      from->at = (size_t)(end + 1 - from->text);
      return start;
    }
    memmove(from->text, start, from->length - from->at);
    from->length -= from->at;
    from->at = 0;
    if (from->length == sizeof from->text) {
      /* A longer line has a long file name; the fields that we need are in front of it. */
      from->length = sizeof from->text / 2;
    }
    size_t room = sizeof from->text - from->length;
    ssize_t count = read(from->descriptor, from->text + from->length, room < from->piece ? room : from->piece);
    if (count <= 0) return NULL;
    from->length += (size_t)count;
  }
}

struct mapping {
  unsigned long start, end, offset;
  char permissions[5];
  unsigned device_major, device_minor;
  ino_t inode;
};

static bool is_mapping(const char *line, struct mapping *into) {
  unsigned long inode;
  int found = sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &into->start, &into->end, into->permissions, &into->offset,
                     &into->device_major, &into->device_minor, &inode);
  into->inode = (ino_t)inode;
  return found == 7;
}

static bool is_of(const struct mapping *one, dev_t device, ino_t inode, const char *permissions, unsigned long offset) {
  return one->inode == inode && makedev(one->device_major, one->device_minor) == device &&
         strcmp(one->permissions, permissions) == 0 && one->offset == offset;
}

static struct window *window_of(struct windows *self, const struct mapping *one, int place) {
  for (struct window *window = self->first; window != NULL; window = window->next)
    if (window->place == place && is_of(one, window->device, window->inode, "r--s", one->start - data_of_place(place)))
      return window;
  return NULL;
}

/* The state of a check of a place, mapping by mapping; the kernel may have split a mapping. */
struct survey {
  unsigned long reached; /* 0: nothing is mapped in it */
  bool is_foreign;
  bool is_open; /* a part is not sealed, although it should be */
  struct window *window;
};

static bool overlaps(const struct mapping *one, int place) {
  return one->end > start_of_place(place) && one->start < end_of_place(place);
}

static void survey_place(struct windows *self, struct survey *seen, const struct mapping *one, int place) {
  const unsigned long start = start_of_place(place), data = data_of_place(place);
  struct window *window = NULL;
  bool fits = one->start == (seen->reached == 0 ? start : seen->reached) && one->end <= end_of_place(place);
  if (fits && one->start < data) {
    fits = one->end <= data && is_of(one, self->code_device, self->code_inode, "r-xs", one->start - start);
  } else if (fits) {
    window = window_of(self, one, place);
    fits = window != NULL && (seen->window == NULL || seen->window == window);
  }
  if (!fits) seen->is_foreign = true;
  seen->reached = one->end;
  if (window != NULL) seen->window = window;
}

static enum window_state state_of(const struct survey *seen, int place) {
  if (seen->is_foreign) return FOREIGN;
  if (seen->reached == 0) return ABSENT;
  if (seen->reached == data_of_place(place)) return CODE_ONLY;
  if (seen->reached != end_of_place(place) || seen->window == NULL) return FOREIGN;
  return seen->is_open ? UNSEALED : WHOLE;
}

/* A window that is there comes before a place where it can be. */
static enum window_state choose_place(const struct survey seen[PLACES], int *place) {
  static const enum window_state preferred[] = {WHOLE, UNSEALED, CODE_ONLY, ABSENT};
  for (size_t i = 0; i < sizeof preferred / sizeof *preferred; i++)
    for (*place = 0; *place < PLACES; ++*place)
      if (state_of(&seen[*place], *place) == preferred[i]) return preferred[i];
  *place = 0;
  return FOREIGN;
}

enum window_state look_at(struct windows *self, pid_t tid, struct window **found, int *place) {
  char path[40];
  snprintf(path, sizeof path, self->protection == SEALED ? "/proc/%d/smaps" : "/proc/%d/maps", tid);
  *found = NULL;
  *place = 0;
  /* Room for two mappings and the next. */
  struct lines lines = {.descriptor = open(path, O_RDONLY | O_CLOEXEC),
                        .piece = self->protection == SEALED ? 2048 : 256};
  if (lines.descriptor < 0) return UNKNOWN;
  struct survey seen[PLACES] = {0};
  struct mapping one = {0};
  for (char *line = next_line(&lines); line != NULL; line = next_line(&lines)) {
    struct mapping next;
    const bool is_next = is_mapping(line, &next);
    if (is_next) one = next;
    if (one.start >= WINDOW_END) break;
    const bool is_open = !is_next && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " sl") == NULL;
    for (int at = 0; at < PLACES; at++) {
      if (!overlaps(&one, at)) continue;
      if (is_next) survey_place(self, &seen[at], &one, at);
      if (is_open) seen[at].is_open = true;
    }
  }
  close(lines.descriptor);
  const enum window_state state = choose_place(seen, place);
  if (state == WHOLE) *found = seen[*place].window;
  return state;
}
