/**
 * The addon's functions for served objects (native/addon/objects.h says what they do). Results are 0 or more, or a negative
 * errno, where nothing else is said.
 */
export interface HeldObjectFunctions {
  /**
   * Begins, once in a thread. `paths`: one after the other, each with its NUL; `kinds`: a byte for each, 1: `under`.
   * `killable`: only a signal that kills ends a received caller's wait (Linux 5.19). The result is a descriptor that can be
   * read when an object is held.
   */
  startObjects(listener: number, paths: Uint8Array, kinds: Uint8Array, killable: boolean): number;
  /** `order`: kind (0 open, 1 openat2, 2 connect), directory, flags, mode, resolve, socket. `wanted`: indexes of paths. */
  holdObject(notification: Uint8Array, order: BigInt64Array, path: Uint8Array, wanted: Uint32Array): number;
  /** -1: no such call; else an errno in the low 16 bits and an obstacle above. 0: `matches` has a byte for each wanted. */
  heldObject(id: bigint, matches: Uint8Array): number;
  /** Opens or connects, and answers the call: true where it has its answer already. */
  serveObject(id: bigint): boolean;
  dropObject(id: bigint): void;
  /** Whether something is still done for this call. */
  isServed(id: bigint): boolean;
}
