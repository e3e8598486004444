/**
 * Pinned calls, for the supervisor's loop. It hands each notification over before it judges it:
 *
 *     const received = pinning.receive(notification);
 *     if (received.kind === "call") …        // judge it: received.call
 *     else if (received.kind === "prepared") // it was judged: received.call.pass()
 *
 * A call is answered through one of three: `pass` (as it is), `refuse`, `observe`. Behind its pointers looks only the
 * Observer that `observe` lends to its function, and what that function returns is pinned or refused: by then the call has
 * its answer. So no call passes as it is after something of it was read; the addon refuses that, too.
 */
import { pinObstacles } from "../../../events/record.ts";
import { callNumber } from "../../../linux/call-numbers.ts";
import { errno } from "../../../linux/errno-numbers.ts";
import { native, required } from "../../../linux/native.ts";
import { dataLayout, judgedLayout, notificationLayout } from "../../../linux/pinned-calls.ts";
import { continueFlag, notifyRequest } from "../../../linux/seccomp.ts";
import { whyPtraceRefused } from "../ptrace-refusal.ts";
import { ObservationFailure, type ObservedVerdict, Observer, RefuseVerdict, ServeVerdict } from "./observer.ts";
import { firstObstacle, outcomeNumber, type PinOutcome } from "./outcome.ts";
import type { WindowProtection } from "./protection.ts";
import { Scratch } from "./scratch.ts";

export interface PinningOptions {
  readonly protection: WindowProtection;
  /**
   * `executes` is called before any execve or execveat is let through, that of a plain `pass` included. Else the caller's
   * mappings are looked at for each call, which takes longer than all the rest.
   */
  readonly executionsAreReported: boolean;
  /**
   * `changesRights` is called before a call with which a thread changes its users, groups, capabilities, root or namespaces.
   * Then calls that fail by their path get their errno and are not pinned, which takes a quarter of the time. Default false.
   */
  readonly rightsAreReported?: boolean;
  /** Nothing is enforced: calls that cannot be pinned may pass as they are (`passesUnpinned`). Default false. */
  readonly audits?: boolean;
}

/** What becomes of a call that cannot be pinned: it returns this errno, positive. */
export type Unpinned = number | typeof passesUnpinned;
/** It passes as it is. Throws, and so denies, where the pinning was not begun for an audit. */
export const passesUnpinned = Symbol("the call passes as it is");

const refusalOf = (unpinned: Unpinned): number => (unpinned === passesUnpinned ? 0 : unpinned);

export type Received =
  /** A call to be judged. */
  | { readonly kind: "call"; readonly call: PendingCall }
  /** It was judged, and is made now. */
  | { readonly kind: "prepared"; readonly call: PreparedCall }
  /** A prepared call whose end is reported has ended: to be answered (`PreparedCall.rooms`). */
  | { readonly kind: "ended"; readonly answer: () => void }
  /** Nothing to do: the caller makes its own call again, which is judged then. */
  | { readonly kind: "again" };

/** As the stub gives back to the caller what it had (native/addon/machine.c). */
const again = 4094;

const none = new Uint8Array(0);
const noRelocations = new Uint32Array(0);

export class Pinning {
  readonly #listener: number;
  readonly #scratch = new Scratch();

  /** One in a thread. Throws a SystemCallError. */
  constructor(
    listener: number,
    { protection, executionsAreReported, rightsAreReported = false, audits = false }: PinningOptions,
  ) {
    this.#listener = listener;
    const isSealed = protection === "seal";
    required("memfd_create", native().startPins(listener, isSealed, executionsAreReported, audits, rightsAreReported));
  }

  /** `notification` is a `struct seccomp_notif`; it is copied. What it gives is over when the next one is received. */
  receive(notification: Uint8Array): Received {
    const { notification: own, judged } = this.#scratch;
    own.set(notification.subarray(0, notificationLayout.size));
    switch (native().pinArrival(own, judged)) {
      case 0:
        return { kind: "call", call: new PendingCall(this.#listener, own, this.#scratch) };
      case 1:
        native().pinRefuse(own, again);
        return { kind: "again" };
      case 3:
        return { kind: "ended", answer: () => respond(this.#listener, own, 0) };
      default:
        return { kind: "prepared", call: new PreparedCall(own, judged) };
    }
  }

  /**
   * From now on callers' memory may never come, so threads read it. A call whose memory is late comes again from `next`. The
   * descriptor that can be read then.
   */
  readApart(): number {
    return native().pinReadsApart();
  }

  /** The listener shows no sign of a notification that was received while a caller was being prepared. */
  get hasWaiting(): boolean {
    return native().pinHasWaiting();
  }

  /**
   * Stops a thread where it returns to its program, so that the call that it was in has ended: 0, it did. -EINPROGRESS: it
   * is in a call, and `isLate` is false when that has ended. Other: an errno, negative. A call that waits for something can
   * return EINTR by this, or a part of what it was to do, as when a process is stopped and continued.
   */
  interrupt(tid: number): number {
    return native().pinInterrupt(tid);
  }

  /** Answers a call whose object cannot be held, and of which memory was read. */
  giveUp(notification: Uint8Array, unpinned: Unpinned): void {
    native().pinGiveUp(notification.slice(0, notificationLayout.size), refusalOf(unpinned));
  }

  /** The thread has ended: before its id can mean another one, which is before the next call is judged. */
  ended(tid: number): void {
    native().pinEnded(tid);
  }

  /**
   * The thread was to stop for its call and did not in time (it is frozen). Code that waits for tracees of this thread lets
   * it go when it stops.
   */
  isLate(tid: number): boolean {
    return native().pinIsLate(tid);
  }

  /** The thread's execve or execveat is about to be let through. (A prepared one's is known.) */
  executes(tid: number): void {
    native().pinExecutes(tid);
  }

  /** The thread's call changes its users, groups or capabilities; `ofOthers`: a root or namespaces, which others can share. */
  changesRights(tid: number, ofOthers: boolean): void {
    native().pinChangesRights(tid, ofOthers);
  }
}

/** A call that waits for its one answer. */
export class PendingCall {
  readonly #listener: number;
  readonly #notification: Uint8Array;
  readonly #view: DataView;
  readonly #scratch: Scratch;
  #isAnswered = false;

  constructor(listener: number, notification: Uint8Array, scratch: Scratch) {
    this.#listener = listener;
    this.#scratch = scratch;
    this.#notification = notification;
    this.#view = new DataView(notification.buffer);
  }

  get tid(): number {
    return this.#view.getUint32(notificationLayout.tid, true);
  }
  get number(): number {
    return this.#view.getInt32(notificationLayout.data + dataLayout.number, true);
  }
  argument(index: number): bigint {
    return this.#view.getBigUint64(notificationLayout.data + dataLayout.arguments + 8 * index, true);
  }

  /** Lets the call pass as it is: of its arguments, the registers alone were judged. */
  pass(): void {
    this.#answer();
    respond(this.#listener, this.#notification, continueFlag);
  }

  /**
   * The caller makes its call as it is, and its end is reported. With "untraceable" the call has no answer yet; any other
   * failure has refused it with EPERM.
   */
  pinEnd(rooms: bigint): PinOutcome {
    this.#scratch.registers.fill(-1);
    const result = native().pinCall(
      this.#notification,
      none,
      0,
      noRelocations,
      this.#scratch.registers,
      errno.EPERM,
      rooms,
    );
    if ((result & 0xff) !== outcomeNumber.noTrace) {
      this.#answer();
      return this.#outcome(result & 0xff, result >> 8, errno.EPERM);
    }
    const obstacle = whyPtraceRefused(this.tid, result >> 8);
    return { kind: "unpinnable", why: "untraceable", refusal: errno.EPERM, errno: result >> 8, obstacle };
  }

  /** The call returns this errno, positive. */
  refuse(number: number): void {
    this.#answer();
    native().pinRefuse(this.#notification, number);
  }

  /**
   * Has `judge` read behind the call's pointers and say what becomes of it. Where the reading failed, it gives the
   * failure.
   */
  observe(judge: (observer: Observer) => ObservedVerdict, unpinned: Unpinned = errno.EPERM): PinOutcome {
    const refusal = refusalOf(unpinned);
    this.#answer();
    this.#scratch.reset();
    const verdict = judge(new Observer(this.#notification, this.#scratch));
    if (verdict instanceof RefuseVerdict) {
      native().pinRefuse(this.#notification, verdict.errno);
      return { kind: "refused", errno: verdict.errno };
    }
    if (verdict instanceof ObservationFailure) {
      if (verdict.errno === errno.EINPROGRESS) return { kind: "reading" };
      if (verdict.errno === errno.ETIMEDOUT) {
        native().pinGiveUp(this.#notification, refusal);
        return { kind: "unpinnable", why: "stalled", refusal, errno: 0 };
      }
      const isUnreadable = verdict.errno === errno.EPERM;
      const obstacle = isUnreadable ? whyPtraceRefused(this.tid, errno.EPERM) : undefined;
      if (!isUnreadable) {
        native().pinRefuse(this.#notification, verdict.errno);
        return { kind: "refused", errno: verdict.errno };
      }
      native().pinGiveUp(this.#notification, refusal);
      return { kind: "unpinnable", why: "untraceable", refusal, errno: errno.EPERM, obstacle };
    }
    if (verdict instanceof ServeVerdict) {
      const failure = verdict.start(this.#notification);
      if (failure === 0) return { kind: "served" };
      native().pinRefuse(this.#notification, failure);
      return { kind: "unserved", errno: failure };
    }
    const { image, rooms } = verdict;
    const result = native().pinCall(
      this.#notification,
      image.bytes,
      image.bytes.length,
      image.relocations,
      image.registers,
      refusal,
      rooms,
    );
    return this.#outcome(result & 0xff, result >> 8, refusal);
  }

  #outcome(outcome: number, kernelErrno: number, refusal: number): PinOutcome {
    switch (outcome) {
      case outcomeNumber.prepared:
        return { kind: "prepared" };
      case outcomeNumber.interrupted:
        return { kind: "interrupted" };
      case outcomeNumber.gone:
        return { kind: "gone" };
      case outcomeNumber.fails:
        return { kind: "refused", errno: kernelErrno };
      case outcomeNumber.noTrace: {
        // It still waits, so that what /proc says is of the moment.
        const obstacle = whyPtraceRefused(this.tid, kernelErrno);
        native().pinGiveUp(this.#notification, refusal);
        return { kind: "unpinnable", why: "untraceable", refusal, errno: kernelErrno, obstacle };
      }
      default: {
        const why = pinObstacles[outcome - firstObstacle];
        if (why === undefined) throw new Error(`the addon has no outcome ${outcome}`);
        return {
          kind: "unpinnable",
          why,
          refusal: why === "starved" && refusal !== 0 ? errno.EINTR : refusal,
          errno: kernelErrno,
        };
      }
    }
  }

  #answer(): void {
    if (this.#isAnswered) throw new Error("a call has one answer");
    this.#isAnswered = true;
  }
}

/** Sends an answer without an errno. */
function respond(listener: number, notification: Uint8Array, flags: number): void {
  const response = new Uint8Array(24);
  response.set(notification.subarray(notificationLayout.id, notificationLayout.id + 8));
  response[20] = flags;
  native().syscall(callNumber("ioctl"), listener, notifyRequest.send, response);
}

/** A call that was judged and is made with what was judged. */
export class PreparedCall {
  readonly #notification: Uint8Array;
  readonly #judged: DataView;

  constructor(notification: Uint8Array, judged: Uint8Array) {
    this.#notification = notification;
    this.#judged = new DataView(judged.buffer);
  }

  get tid(): number {
    return new DataView(this.#notification.buffer).getUint32(notificationLayout.tid, true);
  }
  get number(): number {
    return this.#judged.getInt32(dataLayout.number, true);
  }
  /** As the caller gave it. */
  argument(index: number): bigint {
    return this.#judged.getBigUint64(dataLayout.arguments + 8 * index, true);
  }

  /** Of clone3's structure, which the call is made with; 0 for other calls. */
  get cloneFlags(): bigint {
    return this.#judged.getBigUint64(judgedLayout.cloneFlags, true);
  }

  /** What it enters, as it was pinned with. */
  get rooms(): bigint {
    return this.#judged.getBigUint64(judgedLayout.rooms, true);
  }

  /** It stays as it is when further ones are received. */
  keep(): PreparedCall {
    return new PreparedCall(this.#notification.slice(), new Uint8Array(this.#judged.buffer.slice(0)));
  }

  get id(): bigint {
    return new DataView(this.#notification.buffer).getBigUint64(notificationLayout.id, true);
  }
  /** The registers that it is made with: a `struct seccomp_data`. */
  get data(): Uint8Array {
    const { data } = notificationLayout;
    return this.#notification.slice(data, data + dataLayout.size);
  }
  /** Its notification with the registers that the caller gave. */
  asJudged(): Uint8Array {
    const notification = this.#notification.slice();
    notification.set(new Uint8Array(this.#judged.buffer, 0, dataLayout.size), notificationLayout.data);
    return notification;
  }

  /** It returns this errno, positive. */
  refuse(number: number): void {
    native().pinRefuse(this.#notification, number);
  }

  /** The caller makes its own call again, which is judged then. */
  restart(): void {
    this.refuse(again);
  }

  /** False where the caller was interrupted: it comes again with the same call, or has returned EINTR. */
  pass(): boolean {
    return native().pinPass(this.#notification) === 0;
  }
}
