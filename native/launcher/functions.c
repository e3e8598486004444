// SPDX-License-Identifier: MIT
/* Reads and searches the kernel's BTF. */
#include "functions.h"

#include <linux/btf.h>
#include <linux/fcntl.h>

#include "kernel.h"

/* The BTF of a distribution kernel has about 6 MiB. */
enum { MAX_TYPES_SIZE = 64 << 20, FIRST_GUESS = 8 << 20 };

static long read_types(unsigned char **bytes, size_t *size) {
  static const char path[] = "/sys/kernel/btf/vmlinux";
  long file = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return file;
  size_t room = FIRST_GUESS, have = 0;
  unsigned char *into = allocate(room);
  long result = into == NULL ? -ENOMEM : 0;
  while (result == 0) {
    long count = CALL(__NR_read, file, into + have, room - have);
    if (count == -EINTR) continue;
    if (count <= 0) {
      result = count;
      break;
    }
    have += (size_t)count;
    if (have == room) {
      unsigned char *more = room >= MAX_TYPES_SIZE ? NULL : allocate(2 * room);
      if (more == NULL) {
        result = -ENOMEM;
        break;
      }
      memcpy(more, into, have);
      CALL(__NR_munmap, into, room);
      into = more;
      room *= 2;
    }
  }
  CALL(__NR_close, file);
  *bytes = into;
  *size = have;
  return result;
}

/* Returns the number of bytes after a type's fixed part, or -1 for an unknown kind: the rest cannot be parsed then. */
static long extra_size(uint32_t kind, uint32_t elements) {
  switch (kind) {
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case BTF_KIND_TYPE_TAG:
      return 0;
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG:
      return 4;
    case BTF_KIND_ARRAY:
      return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      return (long)elements * (long)sizeof(struct btf_member);
    case BTF_KIND_ENUM:
      return (long)elements * (long)sizeof(struct btf_enum);
    case BTF_KIND_ENUM64:
      return (long)elements * (long)sizeof(struct btf_enum64);
    case BTF_KIND_FUNC_PROTO:
      return (long)elements * (long)sizeof(struct btf_param);
    case BTF_KIND_DATASEC:
      return (long)elements * (long)sizeof(struct btf_var_secinfo);
    default:
      return -1;
  }
}

static int is_string_at(const char *strings, uint32_t length, uint32_t offset, const char *expected) {
  size_t size = string_length(expected) + 1;
  return offset < length && length - offset >= size && memcmp(strings + offset, expected, size) == 0;
}

static long look_up(const unsigned char *bytes, size_t size, const char *const *names, uint32_t *ids, uint32_t count) {
  struct btf_header header;
  if (size < sizeof header) return -EBADMSG;
  memcpy(&header, bytes, sizeof header);
  if (header.magic != BTF_MAGIC || header.version != BTF_VERSION || header.hdr_len < sizeof header ||
      header.hdr_len > size)
    return -EBADMSG;
  size_t rest = size - header.hdr_len;
  if (header.type_off > rest || header.type_len > rest - header.type_off || header.str_off > rest ||
      header.str_len > rest - header.str_off)
    return -EBADMSG;
  const unsigned char *types = bytes + header.hdr_len + header.type_off;
  const char *strings = (const char *)bytes + header.hdr_len + header.str_off;
  uint32_t missing = count, id = 1;
  for (size_t at = 0; missing > 0 && at < header.type_len; id++) {
    struct btf_type type;
    if (header.type_len - at < sizeof type) return -EBADMSG;
    memcpy(&type, types + at, sizeof type);
    long more = extra_size(BTF_INFO_KIND(type.info), BTF_INFO_VLEN(type.info));
    if (more < 0 || header.type_len - at - sizeof type < (size_t)more) return -EBADMSG;
    at += sizeof type + (size_t)more;
    if (BTF_INFO_KIND(type.info) != BTF_KIND_FUNC) continue;
    for (uint32_t i = 0; i < count; i++) {
      if (ids[i] != 0 || !is_string_at(strings, header.str_len, type.name_off, names[i])) continue;
      ids[i] = id;
      missing--;
    }
  }
  return missing == 0 ? 0 : -ESRCH;
}

long find_kernel_functions(const char *const *names, uint32_t *ids, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) ids[i] = 0;
  if (count == 0) return 0;
  unsigned char *bytes;
  size_t size;
  long result = read_types(&bytes, &size);
  /* The following execve frees the memory. */
  return result < 0 ? result : look_up(bytes, size, names, ids, count);
}
