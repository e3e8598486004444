// SPDX-License-Identifier: MIT
/* Looks at the number of processes of a tree, and at the space of its private directories. */
#include "limit_watch.h"

#include <linux/fcntl.h>
#include <linux/magic.h>

#include "kernel.h"
#include "layer_format.h"
#include "mounts.h"
#include "orders.h"
#include "tree.h"

enum { MAX_DIRECTORIES = 64 };

/* struct statfs of the kernel (include/uapi/asm-generic/statfs.h), the same on both architectures. */
struct space {
  long type, block_size;
  unsigned long blocks, free, available, files, free_files;
  long rest[8];
};

void watch_limits(struct limit_watch *watch, const unsigned char *layers, size_t size) {
  *watch = (struct limit_watch){limit_of(layers, size, PROCESSES), limit_of(layers, size, PRIVATE_SIZE), 0};
}

/* The processes and threads of the whole machine: the last number of the fourth word of /proc/loadavg, or a large one. */
static unsigned long tasks_of_machine(void) {
  char text[128];
  const long file = CALL(__NR_openat, AT_FDCWD, "/proc/loadavg", O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return ~0ul;
  const long length = CALL(__NR_read, file, text, sizeof text);
  CALL(__NR_close, file);
  unsigned long count = 0;
  long at = 0;
  while (at < length && text[at] != '/') at++;
  if (at >= length) return ~0ul;
  for (at++; at < length && text[at] >= '0' && text[at] <= '9'; at++)
    count = count * 10 + (unsigned long)(text[at] - '0');
  return count;
}

static int is_full(int root, const char *path) {
  struct space space;
  const long directory = CALL(__NR_openat, root, path + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (directory < 0) return 0;
  const long result = CALL(__NR_fstatfs, directory, &space);
  CALL(__NR_close, directory);
  if (result < 0 || space.type != TMPFS_MAGIC || space.blocks == 0) return 0;
  return space.available == 0 || (space.files > 0 && space.free_files == 0);
}

void look_at_limits(struct limit_watch *watch, int root, const unsigned char *layers, size_t size, long ended,
                    void (*tell)(uint32_t kind, int value)) {
  const long most = (long)watch->processes;
  /* The walk through a tree takes time for each of its tasks. */
  if (most > 0 && (unsigned long)most <= tasks_of_machine() + (unsigned long)ended &&
      count_tree(most - ended) >= most - ended) {
    watch->processes = 0;
    tell(PROCESSES_REACHED, (int)most);
  }
  if (watch->size == 0 || root < 0) return;
  const struct layer_header *layer = (const struct layer_header *)layers, *end = (const void *)(layers + size);
  int number = 0;
  for (; layer < end; layer = next_layer(layer))
    for (const struct layer_rule *rule = first_rule(layer); rule < end_of_rules(layer); rule = next_rule(rule)) {
      if (rule->kind != PRIVATE || number == MAX_DIRECTORIES) continue;
      const uint64_t bit = 1ull << number;
      if ((watch->full & bit) == 0 && !is_nested(layer, rule) && is_full(root, path_of(rule))) {
        watch->full |= bit;
        tell(PRIVATE_FULL, number);
      }
      number++;
    }
}
