/**
 * The addon's functions for served objects, which native/addon/objects/objects.h describes. Unless stated otherwise, a result is 0
 * or more, or a negative errno.
 */
export interface HeldObjectFunctions {
  /**
   * Begins, once in a thread. `paths`: one after the other, each with its NUL; `kinds`: a byte for each, 1: `under`.
   * `killable`: after the receipt of a call only a fatal signal ends its caller's wait (Linux 5.19). Returns a descriptor
   * that is readable when an object is held. `takesRights`: the callers are in a container, and threads take their rights.
   */
  startObjects(
    listener: number,
    paths: Uint8Array,
    kinds: Uint8Array,
    killable: boolean,
    readsProc: boolean,
    takesRights: boolean,
  ): number;
  /** `order`: kind (`enum order_kind`), directory, flags, mode, resolve, socket. `wanted`: indexes of paths. */
  holdObject(notification: Uint8Array, order: BigInt64Array, path: Uint8Array, wanted: Uint32Array): number;
  /** -1: no such call; else an errno in the low 16 bits and an obstacle above. 0: `matches` has a byte for each wanted. */
  heldObject(id: bigint, matches: Uint8Array): number;
  /** Opens or connects, and answers the call. Returns whether the call already has its answer. */
  serveObject(id: bigint): boolean;
  dropObject(id: bigint): void;
  /** From now on an open can wait for a process of the tree, so only threads of the pool open. */
  openObjectsApart(): void;
  /** Whether this call is neither answered nor dropped. */
  isServed(id: bigint): boolean;
}
