/** Calls that give a process executable memory, each with the bits of an argument that do it. */
export interface ExecutableMemoryCall {
  readonly call: string;
  readonly argument: string;
  readonly mask: bigint;
  readonly value: bigint;
}

/** PROT_EXEC (include/uapi/asm-generic/mman-common.h). */
const protection = { argument: "prot", mask: 4n, value: 4n };

export const executableMemoryCalls: readonly ExecutableMemoryCall[] = [
  ...["mmap", "mprotect", "pkey_mprotect"].map((call) => ({ call, ...protection })),
  // SHM_EXEC (include/uapi/linux/shm.h)
  { call: "shmat", argument: "shmflg", mask: 0o100_000n, value: 0o100_000n },
  // READ_IMPLIES_EXEC (include/uapi/linux/personality.h); 0xffffffff only asks.
  { call: "personality", argument: "personality", mask: 0x8040_0000n, value: 0x40_0000n },
];
