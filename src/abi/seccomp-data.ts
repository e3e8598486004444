/**
 * `struct seccomp_data` (include/uapi/linux/seccomp.h): the data of a call that a filter sees. Classic filters load it, eBPF programs
 * have it as their context, and a notification carries it.
 */

/** Bytes from the start, and sizes; the arguments are `count` words. */
export const seccompData = {
  number: { offset: 0, size: 4 },
  architecture: { offset: 4, size: 4 },
  instructionPointer: { offset: 8, size: 8 },
  arguments: { offset: 16, size: 8, count: 6 },
} as const;

export const seccompDataSize = seccompData.arguments.offset + seccompData.arguments.size * seccompData.arguments.count;
