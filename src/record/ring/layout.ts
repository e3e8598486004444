/**
 * Records in the ring buffer of a recording, little-endian. A call has one of `callSize` bytes, and behind it, with nothing
 * in between, a record of bytes for each part of its memory that was copied:
 *
 * ```
 *   0  u64 time            CLOCK_MONOTONIC, ns
 *   8  u64 serial          how many calls there have been, this one included: a gap are calls for which there was no room
 *  16  u32 tid, 20 u32 pid in the pid namespace of the launcher
 *  24  u64 former          16 of the task's previous record; 0 if this is its first
 *  32  u64 maker           16 of the task that made this process
 *  40  u64 creation        8 of the call that made it; both are 0 for threads and the command's first task
 *  48  struct seccomp_data 64 bytes: number, architecture, instruction pointer, six registers
 * 112  three memories, for the reads of this call in their order:
 *        i32 length        of a text or an address, or how many texts a list has; or a negative errno
 *        u32 copied        1 if a record with its bytes follows
 * ```
 */
export const layout = {
  time: 0,
  serial: 8,
  task: 16,
  former: 24,
  maker: 32,
  creation: 40,
  call: 48,
  memory: 112,
} as const;
export const callSize = 136;
export const mostReads = 3;
export const memorySize = 8;
