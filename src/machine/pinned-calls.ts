/**
 * The addon's functions for pinned calls, which native/addon/pin/pin.h describes. A notification is a copy of
 * `struct seccomp_notif`. Unless stated otherwise, a result is 0 or more, or a negative errno.
 */

/** The layout of a notification: its size, and the offsets of its fields. */
export const notificationLayout = { size: 80, id: 0, tid: 8, data: 16 } as const;
/** `struct seccomp_data`. */
export const dataLayout = { size: 64, number: 0, architecture: 4, instructionPointer: 8, arguments: 16 } as const;
/** `struct judged` (native/addon/pin/pin.h): a `struct seccomp_data`, the flags of clone3's structure, the rooms, the credentials. */
export const judgedLayout = { size: 88, cloneFlags: 64, rooms: 72, credentials: 80 } as const;

export interface PinnedCallFunctions {
  /**
   * Begins. `sealed`: mseal(2) protects windows (Linux 6.10), otherwise the filter's rules do. `trustExecutions`: the
   * caller calls `pinExecutes` before each execve(2) passes, so that the addon need not examine a window at every call.
   * `audits`: a refusal may be 0, with which the call passes unpinned; otherwise 0 throws. `answers`: a call whose
   * result is certain gets it without a pin; this requires calls of `pinChangesRights` and `pinRestricts`.
   * `writesResults`: these include results in the caller's memory; this requires calls of `pinProtectsMemory`. `killable`:
   * only a fatal signal ends a caller's wait, so opens are answered, too. `seesThreadsEnd`: `pinEnded` is called for each
   * thread that has ended before `next` handles a call with its id; otherwise only for each leader.
   */
  startPins(
    listener: number,
    sealed: boolean,
    trustExecutions: boolean,
    audits: boolean,
    answers: boolean,
    writesResults: boolean,
    killable: boolean,
    seesThreadsEnd: boolean,
  ): number;
  /**
   * An outcome in the low 8 bits, an errno above. `pinArrival` returns `rooms` and `credentials`. If `rooms` is not 0, the stub
   * reports the call's end. -EINPROGRESS: the tree's own thread pins the call, and `endStep` returns this number.
   */
  pinCall(
    notification: Uint8Array,
    bytes: Uint8Array,
    length: number,
    relocations: Uint32Array,
    registers: Int32Array,
    refusal: number,
    rooms: bigint,
    credentials: bigint,
  ): number;
  /**
   * `enum arrival`. For a prepared call, `judged` gets a `struct judged`.
   */
  pinArrival(notification: Uint8Array, judged: Uint8Array): number;
  /** Lets the prepared call pass, once. -ENOENT: the caller was interrupted, and may make the call again. */
  pinPass(notification: Uint8Array): number;
  /** The kernel restarts the thread's call with this `struct seccomp_data`. If it was prepared, it is so again. */
  pinRestarts(tid: number, data: Uint8Array): void;
  pinRefuse(notification: Uint8Array, errno: number): number;
  /** Answers a call that cannot be pinned. */
  pinGiveUp(notification: Uint8Array, refusal: number): number;
  /**
   * Stops the thread for a moment at its return to its program. 0: it stopped. -EINPROGRESS: it is in a call, at whose end
   * `pinIsLate` becomes false. Other: it cannot be traced, or has ended.
   */
  pinInterrupt(tid: number): number;
  /** PTRACE_SEIZE: 0 or a negative errno; -EINTR after two milliseconds. */
  seize(tid: number, options: number): number;
  /** The same, without waiting for a tree's thread: -EINPROGRESS, and `endStep` returns the result. */
  beginSeize(tid: number, options: number): number;
  /**
   * Waits until a tracee has stopped or ended: 0 or a negative errno; -EINTR after two milliseconds, -ECHILD if there is none.
   * -EINPROGRESS: a tree's thread waits, and `endStep` returns the result.
   */
  beginAwait(): number;
  /** Whether a notification arrived during the preparation of a caller: `next` returns it without a wait. */
  pinHasWaiting(): boolean;
  pinIsLate(tid: number): boolean;
  pinEnded(tid: number): void;
  pinExecutes(tid: number): void;
  /** The thread's call changes its users, groups or capabilities; `ofOthers`: a root or a namespace, which others can share. */
  pinChangesRights(tid: number, ofOthers: boolean): void;
  pinRestricts(): void;
  pinProtectsMemory(): void;
  /** The policy's state has changed: calls that are prepared can have to be judged again. */
  pinChangesState(): void;
  /** The policy reads what changes without a judgement: to prepared calls, its state has always changed. */
  pinStateAlwaysChanges(): void;
  /**
   * From now on threads read callers' memory, because a read may never end. Returns a descriptor that is readable when
   * `next` returns a call that must be observed again. The functions below can then return -EINPROGRESS (the call comes
   * back) and -ETIMEDOUT (the read did not end in time).
   */
  pinReadsApart(): number;
  /** Reads a string into `into`, with its NUL. Returns its length without the NUL. */
  observeText(notification: Uint8Array, address: bigint, into: Uint8Array): number;
  /** Fills `into`. Returns 0. */
  observeBytes(notification: Uint8Array, address: bigint, into: Uint8Array): number;
  /** Reads an array of strings: into `into` with their NULs, and the start of each into `starts`. Returns their number. */
  observeVector(notification: Uint8Array, address: bigint, into: Uint8Array, starts: Uint32Array): number;
}
