/**
 * The addon's functions for pinned calls (native/addon/pin.h says what they do). A notification is a copy of
 * `struct seccomp_notif`; results are 0 or more, or a negative errno, where nothing else is said.
 */

/** The layout of a notification: its size, and the offsets of its fields. */
export const notificationLayout = { size: 80, id: 0, tid: 8, data: 16 } as const;
/** `struct seccomp_data`. */
export const dataLayout = { size: 64, number: 0, architecture: 4, instructionPointer: 8, arguments: 16 } as const;
/** `struct judged` (native/addon/pin.h): a `struct seccomp_data`, the flags of clone3's structure, the rooms. */
export const judgedLayout = { size: 80, cloneFlags: 64, rooms: 72 } as const;

export interface PinnedCallFunctions {
  /**
   * Begins. `sealed`: windows are protected by mseal(2) (Linux 6.10), else by the filter's rules. `trustExecutions`:
   * `pinExecutes` is called before each execve(2) is let through, so that a window need not be looked at for every call.
   * `audits`: a refusal may be 0, with which the call passes as it is; else that throws. `answersFailures`: a call that
   * fails by its path gets its errno without a pin; `pinChangesRights` is called then, too.
   */
  startPins(
    listener: number,
    sealed: boolean,
    trustExecutions: boolean,
    audits: boolean,
    answersFailures: boolean,
  ): number;
  /** An outcome in the low 8 bits, an errno above. `rooms`: given back by `pinArrival`; with some, the call's end is reported. */
  pinCall(
    notification: Uint8Array,
    bytes: Uint8Array,
    length: number,
    relocations: Uint32Array,
    registers: Int32Array,
    refusal: number,
    rooms: bigint,
  ): number;
  /**
   * 0: not from a stub; 1: not prepared; 2: the prepared call, of which `judged` gets a `struct judged`; 3: that call has
   * ended.
   */
  pinArrival(notification: Uint8Array, judged: Uint8Array): number;
  /** Lets the prepared call pass, once. -ENOENT: the caller was interrupted; it may come again. */
  pinPass(notification: Uint8Array): number;
  pinRefuse(notification: Uint8Array, errno: number): number;
  /** Answers a call that cannot be pinned. */
  pinGiveUp(notification: Uint8Array, refusal: number): number;
  /**
   * Stops the thread for a moment where it returns to its program: 0, it did. -EINPROGRESS: `pinIsLate` is false when it
   * has. Other: it cannot be traced, or has ended.
   */
  pinInterrupt(tid: number): number;
  /** A notification was received while a caller was being prepared: `next` gives it without a wait. */
  pinHasWaiting(): boolean;
  pinIsLate(tid: number): boolean;
  pinEnded(tid: number): void;
  pinExecutes(tid: number): void;
  /** The thread's call changes its users, groups or capabilities; `ofOthers`: a root or a namespace, which others can share. */
  pinChangesRights(tid: number, ofOthers: boolean): void;
  /**
   * From now on threads read callers' memory, because it may never come: the descriptor that can be read when a call
   * comes back from `next`, to be observed once more. The functions below can then give -EINPROGRESS (the call comes
   * back) and -ETIMEDOUT (the memory does not come).
   */
  pinReadsApart(): number;
  /** The length of the string, which `into` has with its end. */
  observeText(notification: Uint8Array, address: bigint, into: Uint8Array): number;
  /** 0: `into` is filled. */
  observeBytes(notification: Uint8Array, address: bigint, into: Uint8Array): number;
  /** How many strings: in `into` one after the other, with their ends; in `starts` where each begins. */
  observeVector(notification: Uint8Array, address: bigint, into: Uint8Array, starts: Uint32Array): number;
}
