/**
 * What a program works on besides its context, as its target lays it out: maps, and the state objects of the kernel's
 * seccomp programs. Whoever loads a program (a test, an ELF object's loader, the launcher with a bundle) makes these.
 */
import type { OnFork, Scope } from "../../../ir/program.ts";

export interface TargetStorage {
  /** In the order in which instructions name them. */
  readonly maps: readonly MapDescription[];
  /** In the order of `bpf_seccomp_state(index, …)`; empty where the target keeps state in maps. At most 8. */
  readonly states: readonly StateObject[];
}

export interface MapDescription {
  /** A C identifier of at most 15 characters, no other map's. */
  readonly name: string;
  readonly type: "array" | "hash" | "ring-buffer";
  /** Bytes; both are 0 for a ring buffer. */
  readonly keySize: number;
  readonly valueSize: number;
  /** Entries; bytes of a ring buffer: a power of two, and a multiple of the page's 4096. */
  readonly capacity: number;
  /**
   * | holds | means |
   * | --- | --- |
   * | state | the policy's; starts as `initial` |
   * | launch | what each start brings (`launch`); written before loading, then frozen: constants to the verifier |
   * | events | what the program tells; only its reader consumes it |
   */
  readonly holds: "state" | "launch" | "events";
  /** How a value is put together, for people who look at it; what no field covers is left out. */
  readonly fields: readonly MapField[];
  /** Where a value holds its `struct bpf_spin_lock` of 4 bytes. */
  readonly lock?: number;
  /**
   * Of an array: the value behind each key, from 0 on; what lacks is zeros. With `launch` it is what an object file has
   * there, the parameters' defaults.
   */
  readonly initial?: readonly Uint8Array[];
  /** With `launch`: what belongs where in the value of key 0. */
  readonly launch?: readonly LaunchField[];
}

export interface MapField {
  readonly name: string;
  /** Bytes from the value's start. */
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
  /** More than one: an array. */
  readonly count?: number;
}

/**
 * | is | what the loader puts there |
 * | --- | --- |
 * | token | 16 random bytes, the same that the launcher's own execve carries in argument registers 4 and 5 |
 * | secret | random bytes, the key of the tables' hash |
 * | parameter | the word of that parameter of the program, which lies in the parameter's range |
 */
export type LaunchField = {
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
} & ({ readonly is: "token" | "secret" } | { readonly is: "parameter"; readonly parameter: number });

/** `struct seccomp_ebpf_state`. Starts as zeros. */
export interface StateObject {
  readonly name: string;
  /** The tree's is a process's object that is shared with all of its children. */
  readonly scope: Scope;
  readonly fork: Extract<OnFork, string> | "share";
  /** Bytes: 8 … 4096, a multiple of 8. */
  readonly size: number;
  readonly fields: readonly MapField[];
}
