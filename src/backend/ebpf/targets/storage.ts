/**
 * The memory of a program besides its context: maps, and the state objects of the kernel's seccomp programs. A loader
 * (a test, libbpf, the launcher with a bundle) creates them.
 */
import type { OnFork, Scope } from "../../../ir/program.ts";

export interface TargetStorage {
  /** In the order in which instructions name them. */
  readonly maps: readonly MapDescription[];
  /** In the order of `bpf_seccomp_state(index, …)`; empty if the target has state in maps. At most 8. */
  readonly states: readonly StateObject[];
}

export interface MapDescription {
  /** A unique C identifier of at most 15 characters. */
  readonly name: string;
  readonly type: "array" | "hash" | "ring-buffer";
  /** In bytes; both are 0 for a ring buffer. */
  readonly keySize: number;
  readonly valueSize: number;
  /** In entries; for a ring buffer in bytes: a power of two, and a multiple of the page size 4096. */
  readonly capacity: number;
  /**
   * | holds | meaning |
   * | --- | --- |
   * | state | the policy's state; starts as `initial` |
   * | launch | values of each start (`launch`); written before loading, then frozen: constants to the verifier |
   * | events | the program's records; only the reader consumes them |
   * | constants | an array that stays as `initial`, for the kernel's functions |
   */
  readonly holds: "state" | "launch" | "events" | "constants";
  /** The fields of a value, for people; padding is left out. */
  readonly fields: readonly MapField[];
  /** The offset of the value's 4-byte `struct bpf_spin_lock`. */
  readonly lock?: number;
  /**
   * For an array: the values from key 0 on; missing ones are zeros. With `launch`, the content in an object file: the
   * parameters' defaults.
   */
  readonly initial?: readonly Uint8Array[];
  /** With `launch`: the fields in the value of key 0. */
  readonly launch?: readonly LaunchField[];
}

export interface MapField {
  readonly name: string;
  /** Bytes from the value's start. */
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
  /** More than one means an array. */
  readonly count?: number;
}

/**
 * | is | the loader writes |
 * | --- | --- |
 * | token | 16 random bytes, which the launcher's own execve carries in argument registers 4 and 5 |
 * | secret | random bytes, the key of the tables' hash |
 * | parameter | the word of that parameter, in the parameter's range |
 */
export type LaunchField = {
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
} & ({ readonly is: "token" | "secret" } | { readonly is: "parameter"; readonly parameter: number });

/** `struct seccomp_ebpf_state`; starts as zeros. */
export interface StateObject {
  readonly name: string;
  /** The tree's is a process's object, shared with all its children. */
  readonly scope: Scope;
  readonly fork: Extract<OnFork, string> | "share";
  /** In bytes: 8 … 4096, a multiple of 8. */
  readonly size: number;
  readonly fields: readonly MapField[];
}
