// SPDX-License-Identifier: MIT
/* Lists directories by getdents64(2). */
#include "listing.h"

#include "kernel.h"

/* struct linux_dirent64 of getdents64(2). */
struct directory_entry {
  uint64_t inode;
  int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[];
};

void begin_listing(struct listing *listing, long directory) {
  listing->directory = directory;
  listing->at = listing->count = 0;
}

const char *next_name(struct listing *listing, long *error) {
  *error = 0;
  for (;;) {
    if (listing->at >= listing->count) {
      listing->at = 0;
      listing->count = CALL(__NR_getdents64, listing->directory, listing->entries, sizeof listing->entries);
      if (listing->count < 0) *error = listing->count;
      if (listing->count <= 0) return NULL;
    }
    const struct directory_entry *entry = (const struct directory_entry *)(listing->entries + listing->at);
    listing->at += entry->length;
    if (!strings_equal(entry->name, ".") && !strings_equal(entry->name, "..")) return entry->name;
  }
}
