/**
 * The records of seccomp programs in a ring buffer (BPF_MAP_TYPE_RINGBUF), one record for each report and for each
 * verdict that is not a plain allow. Little-endian, 96 bytes and the values of a report:
 *
 * ```
 *   0  u32 kind                1 a verdict, 2 a report
 *   4  u32 which               an index into Program.verdicts (so the rule) or Program.reports; or one of `refusals`
 *   8  u64 now                 CLOCK_MONOTONIC, ns
 *  16  u32 tid, 20 u32 pid     in the pid namespace of the process that attached the program; 0 if not visible there
 *  24  u32 returned            of a verdict: SECCOMP_RET_…
 *  28  u32 values              how many values follow
 *  32  struct seccomp_data     64 bytes: number, arch, ip, six arguments
 *  96  u64 value, …
 * ```
 *
 * The reports of an evaluation stand in order and before its verdict; one that ends in a plain allow has no record of its
 * verdict. Records of different threads interleave; those of one `tid` are in order. If the buffer is full, the record is
 * dropped and counted: one u64 in the map `dropped`, which only ever grows.
 */
export const recordKind = { verdict: 1, report: 2 } as const;

/**
 * Verdicts that do not belong to a rule.
 *
 * | which | when | the call gets |
 * | --- | --- | --- |
 * | refused | a foreign ABI or a number that the policy never judges | ENOSYS |
 * | noState | the program runs unattached, so the kernel has no state for it | ENOSYS |
 * | invisible | the policy reads the caller's ids, and the caller is not visible in the namespaces of the command's start | EPERM |
 * | unseen | the policy reads memory of a process that is not dumpable | EPERM |
 */
export const refusals = { refused: 0xff_ffff, noState: 0xff_fffe, invisible: 0xff_fffd, unseen: 0xff_fffc } as const;

export const recordLayout = {
  kind: 0,
  which: 4,
  now: 8,
  tid: 16,
  pid: 20,
  returned: 24,
  values: 28,
  call: 32,
  size: 96,
} as const;

export interface ProgramRecord {
  readonly kind: "verdict" | "report";
  readonly which: number;
  readonly now: bigint;
  readonly tid: number;
  readonly pid: number;
  readonly returned: number;
  readonly number: number;
  readonly architecture: number;
  readonly instructionPointer: bigint;
  readonly arguments: readonly bigint[];
  readonly values: readonly bigint[];
}

/** Throws a RangeError if the bytes are not a record. */
export function decodeRecord(bytes: Uint8Array): ProgramRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (offset: number) => view.getUint32(offset, true);
  if (bytes.length < recordLayout.size) throw new RangeError(`a record has ${recordLayout.size} bytes at least`);
  const [kind, count] = [word(recordLayout.kind), word(recordLayout.values)];
  if (kind !== recordKind.verdict && kind !== recordKind.report)
    throw new RangeError(`unknown kind of record: ${kind}`);
  if (bytes.length < recordLayout.size + 8 * count) throw new RangeError(`a record without its ${count} values`);
  const wide = (offset: number) => view.getBigUint64(offset, true);
  const { call } = recordLayout;
  return {
    kind: kind === recordKind.verdict ? "verdict" : "report",
    which: word(recordLayout.which),
    now: wide(recordLayout.now),
    tid: word(recordLayout.tid),
    pid: word(recordLayout.pid),
    returned: word(recordLayout.returned),
    number: view.getInt32(call, true),
    architecture: word(call + 4),
    instructionPointer: wide(call + 8),
    arguments: Array.from({ length: 6 }, (_, index) => wide(call + 16 + 8 * index)),
    values: Array.from({ length: count }, (_, index) => wide(recordLayout.size + 8 * index)),
  };
}
