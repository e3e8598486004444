/** Calls on their way through the supervisor. */
import type { ServedCalls } from "./objects/served-calls.ts";

/** A call that has come back from the pool. */
export interface HeldCall {
  readonly objects: ServedCalls;
  readonly id: bigint;
  readonly serve: () => void;
  /** It is served or not later, when a room is free. */
  readonly await: () => void;
}

/** A call whose caller is followed when it passes. */
export interface FollowedCall {
  /** Of clone and clone3; undefined where they lie behind a pointer and were not judged. */
  readonly cloneFlags: bigint | undefined;
  /** Its `struct seccomp_data`, if the call is made with the registers that were judged. */
  readonly judged?: Uint8Array;
  /** False where the caller was interrupted first. */
  readonly pass: () => boolean;
}
