/**
 * Pinned calls, for the supervisor's loop. The loop passes each notification to `receive` before it judges it:
 *
 *     const received = pinning.receive(notification);
 *     if (received.kind === "call") …        // judge it: received.call
 *     else if (received.kind === "prepared") // it was judged: received.call.pass()
 *
 * The loop answers a call by one of three methods: `pass` (unchanged), `refuse`, `observe`. Only the Observer that `observe`
 * lends to its function reads behind pointers, and the function's result pins or refuses the call. So no call passes
 * unpinned after its memory was read; the addon enforces this, too.
 *
 * Where the tree has a thread of its own, that thread pins the call (machine/work.ts).
 */

import { copyError } from "../../../abi/copy-errors.ts";
import { errno } from "../../../abi/errno-numbers.ts";
import { pinObstacles } from "../../../events/record.ts";
import { native, required } from "../../../machine/native.ts";
import { dataLayout, judgedLayout, notificationLayout } from "../../../machine/pinned-calls.ts";
import { continueFlag, sendResponse } from "../../../machine/seccomp.ts";
import { Work } from "../../../machine/work.ts";
import { whyPtraceRefused } from "../tasks/ptrace-refusal.ts";
import {
  HoldVerdict,
  ObservationFailure,
  type ObservedVerdict,
  Observer,
  PinVerdict,
  RefuseVerdict,
} from "./observer.ts";
import { outcomeNumber, type PinOutcome } from "./outcome.ts";
import type { WindowProtection } from "./protection.ts";
import { Scratch } from "./scratch.ts";

export interface PinningOptions {
  readonly protection: WindowProtection;
  /**
   * The loop calls `executes` before every execve or execveat that passes, also by a plain `pass`. Without this promise the
   * addon reads the caller's mappings at each call, which takes longer than the rest of its work.
   */
  readonly executionsAreReported: boolean;
  /**
   * The loop calls `changesRights` before a thread changes its users, groups, capabilities, root or namespaces, and
   * `restricts` before one enters a Landlock domain or can decide about opens. Then calls whose result is certain get it
   * without a pin, which takes half of the time. Default false.
   */
  readonly rightsAreReported?: boolean;
  /**
   * The tree is free to make its memory writable and executable, and the loop calls `protectsMemory` before that ends. Then
   * results can be written to callers' memory. Default false.
   */
  readonly memoryIsFree?: boolean;
  /** Only a fatal signal ends a caller's wait (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV). Default false. */
  readonly isKillable?: boolean;
  /**
   * The end of each thread, also of one that is not a leader, is reported by `ended` before its id can be another thread's.
   * Otherwise `next` of the addon handles only calls of leaders. Default false.
   */
  readonly threadEndsAreReported?: boolean;
  /** Whether the id may become another program's at any moment (fork-tracer.ts). The loop judges no call of such a thread. */
  readonly changesTask?: (tid: number) => boolean;
  /** Nothing is enforced: calls that cannot be pinned may pass unpinned (`passesUnpinned`). Default false. */
  readonly audits?: boolean;
  /** The tree is in a Landlock domain about files from its start. */
  readonly filesAreRestricted?: boolean;
  readonly work?: Work;
}

/** The answer to a call that cannot be pinned: this positive errno, or `passesUnpinned`. */
export type Unpinned = number | typeof passesUnpinned;
/** The call passes unpinned. Outside an audit this throws, and so denies. */
export const passesUnpinned = Symbol("the call passes unpinned");

const refusalOf = (unpinned: Unpinned): number => (unpinned === passesUnpinned ? 0 : unpinned);

export type Received =
  /** A call that must be judged. */
  | { readonly kind: "call"; readonly call: PendingCall }
  /** A judged call that its caller makes now. */
  | { readonly kind: "prepared"; readonly call: PreparedCall }
  /** The report that a prepared call with rooms has ended; it needs an answer. */
  | { readonly kind: "ended"; readonly answer: () => void }
  /** Nothing to do: the caller makes its own call again, which is judged then. */
  | { readonly kind: "again" };

/** AGAIN of native/addon/pin/pin.h: the stub restores the caller's registers and makes its own call again. */
export const again = 4094;
/** The addon's numbers (enum arrival in native/addon/pin/pin.h). */
export const arrivalNumber = { notFromStub: 0, unprepared: 1, arrived: 2, hasEnded: 3 } as const;

const none = new Uint8Array(0);
const noRelocations = new Uint32Array(0);

export class Pinning {
  readonly #listener: number;
  readonly #changesTask: (tid: number) => boolean;
  readonly #work: Work;
  readonly #scratch = new Scratch();

  /** A thread can have one instance. Throws a SystemCallError. */
  constructor(
    listener: number,
    {
      protection,
      executionsAreReported,
      rightsAreReported = false,
      memoryIsFree = false,
      isKillable = false,
      threadEndsAreReported = false,
      changesTask = () => false,
      audits = false,
      filesAreRestricted = false,
      work = new Work(undefined),
    }: PinningOptions,
  ) {
    this.#listener = listener;
    this.#work = work;
    this.#changesTask = changesTask;
    const isSealed = protection === "seal";
    const more = [rightsAreReported, memoryIsFree, isKillable, threadEndsAreReported] as const;
    required("memfd_create", native().startPins(listener, isSealed, executionsAreReported, audits, ...more));
    if (filesAreRestricted) this.restricts();
  }

  /** Copies `notification`, a `struct seccomp_notif`. The result is valid until the next one is received. */
  receive(notification: Uint8Array): Received {
    const { notification: own, judged } = this.#scratch;
    own.set(notification.subarray(0, notificationLayout.size));
    switch (native().pinArrival(own, judged)) {
      case arrivalNumber.notFromStub:
        return { kind: "call", call: new PendingCall(this.#listener, this.#scratch, this.#work) };
      case arrivalNumber.unprepared:
        native().pinRefuse(own, again);
        return { kind: "again" };
      case arrivalNumber.hasEnded:
        return { kind: "ended", answer: () => respond(this.#listener, own, 0) };
      default:
        return { kind: "prepared", call: new PreparedCall(own, judged) };
    }
  }

  /** The outcome of a call whose pin, by the text filter, had this result. */
  outcomeOf(notification: Uint8Array, result: number): PinOutcome {
    this.#scratch.notification.set(notification.subarray(0, notificationLayout.size));
    return new PendingCall(this.#listener, this.#scratch, this.#work).outcomeOf(result, errno.EPERM);
  }

  /**
   * From now on reads of callers' memory may never end, so threads make them. `next` returns a call whose memory was late
   * again. Returns a descriptor that is readable then.
   */
  readApart(): number {
    return native().pinReadsApart();
  }

  /** Whether notifications wait that were received during the preparation of a caller; the listener does not show them. */
  get hasWaiting(): boolean {
    return native().pinHasWaiting();
  }

  /**
   * Stops a thread at its return to its program, so that its call has ended. Returns 0 if it stopped; -EINPROGRESS if it is
   * in a call, at whose end `isLate` becomes false; -EAGAIN if the id may become another program's; or another errno. A waiting
   * call can return EINTR or a partial result because of this, as when a process is stopped and continued.
   */
  interrupt(tid: number): number {
    return this.#changesTask(tid) ? -errno.EAGAIN : native().pinInterrupt(tid);
  }

  /**
   * The kernel restarts a call that has passed, after an interrupt. A prepared one comes again as prepared. `data`: its
   * `struct seccomp_data`.
   */
  restarts(tid: number, data: Uint8Array): void {
    native().pinRestarts(tid, data);
  }

  /** Answers a call whose memory was read and whose object cannot be held. */
  giveUp(notification: Uint8Array, unpinned: Unpinned): void {
    native().pinGiveUp(notification.slice(0, notificationLayout.size), refusalOf(unpinned));
  }

  /** The thread has ended. Call this before the next judgement, because another thread can have its id then. */
  ended(tid: number): void {
    native().pinEnded(tid);
  }

  /**
   * Whether the thread did not stop in time for its call (for example a frozen one). Code that waits for any tracee detaches
   * it at its stop.
   */
  isLate(tid: number): boolean {
    return native().pinIsLate(tid);
  }

  /** The thread's execve or execveat is about to pass. (The addon knows of a prepared one.) */
  executes(tid: number): void {
    native().pinExecutes(tid);
  }

  /**
   * The policy's state has changed. A prepared call is judged again if its thread has made another call since it was judged
   * (in a signal handler), or if it has taken long.
   */
  changesState(): void {
    native().pinChangesState();
  }

  /** The policy reads what changes without a judgement, such as the time: to prepared calls, its state has always changed. */
  stateAlwaysChanges(): void {
    native().pinStateAlwaysChanges();
  }

  /** The thread's call enters a Landlock domain, which later children of it inherit, or lets it decide about opens. */
  restricts(): void {
    native().pinRestricts();
  }

  /** A process of the tree gives up changes of its memory's protection, as its later children will. */
  protectsMemory(): void {
    native().pinProtectsMemory();
  }

  /** The thread's call changes its users, groups or capabilities; `ofOthers`: its root or namespaces, which others can share. */
  changesRights(tid: number, ofOthers: boolean): void {
    native().pinChangesRights(tid, ofOthers);
  }
}

/** A function that gets the outcome of a call, and returns whether its answer is in the policy's memory. */
export type WithOutcome = (outcome: PinOutcome) => boolean;

/** A call that waits for its one answer. */
export class PendingCall {
  readonly #listener: number;
  readonly #work: Work;
  readonly #notification: Uint8Array;
  readonly #view: DataView;
  readonly #scratch: Scratch;
  #isAnswered = false;

  constructor(listener: number, scratch: Scratch, work: Work) {
    this.#listener = listener;
    this.#scratch = scratch;
    this.#work = work;
    this.#notification = scratch.notification;
    this.#view = scratch.view;
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

  /** Lets the call pass unchanged: only its registers were judged. */
  pass(): void {
    this.#answer();
    respond(this.#listener, this.#notification, continueFlag);
  }

  /**
   * The caller makes its call unchanged, and the stub reports its end. With "untraceable" the call has no answer yet; after
   * any other failure it has been refused with EPERM. Returns what `then` returns, or false if the pin is under way.
   */
  pinEnd(rooms: bigint, credentials: bigint, then: WithOutcome): boolean {
    this.#scratch.registers.fill(-1);
    const result = native().pinCall(
      this.#notification,
      none,
      0,
      noRelocations,
      this.#scratch.registers,
      errno.EPERM,
      rooms,
      credentials,
    );
    return this.#work.when(result, (known) => {
      if ((known & 0xff) !== outcomeNumber.noTrace) {
        this.#answer();
        return then(this.outcomeOf(known, errno.EPERM));
      }
      const obstacle = whyPtraceRefused(this.tid, known >> 8);
      return then({ kind: "unpinnable", why: "untraceable", refusal: errno.EPERM, errno: known >> 8, obstacle });
    });
  }

  /** The call returns this errno, positive. */
  refuse(number: number): void {
    this.#answer();
    native().pinRefuse(this.#notification, number);
  }

  /**
   * Lets `judge` read behind the call's pointers and return its verdict. If a read has failed, `judge` must return the
   * failure. The prepared call has these `credentials`. Returns what `then` returns, or false if the pin is under way.
   */
  observe(
    judge: (observer: Observer) => ObservedVerdict,
    then: WithOutcome,
    unpinned: Unpinned = errno.EPERM,
    credentials = 0n,
  ): boolean {
    const refusal = refusalOf(unpinned);
    this.#answer();
    this.#scratch.reset();
    const verdict = judge(new Observer(this.#notification, this.#scratch));
    if (!(verdict instanceof PinVerdict)) return then(this.#unpinned(verdict, refusal));
    const { image, rooms } = verdict;
    const result = native().pinCall(
      this.#notification,
      image.bytes,
      image.bytes.length,
      image.relocations,
      image.registers,
      refusal,
      rooms,
      credentials,
    );
    return this.#work.when(result, (known) => then(this.outcomeOf(known, refusal)));
  }

  #unpinned(verdict: Exclude<ObservedVerdict, PinVerdict>, refusal: number): PinOutcome {
    if (verdict instanceof RefuseVerdict) {
      native().pinRefuse(this.#notification, verdict.errno);
      return { kind: "refused", errno: verdict.errno };
    }
    if (verdict instanceof HoldVerdict) return { kind: "held" };
    if (verdict instanceof ObservationFailure) {
      if (verdict.errno === copyError.underWay) return { kind: "reading" };
      if (verdict.errno === copyError.stalled) {
        native().pinGiveUp(this.#notification, refusal);
        return { kind: "unpinnable", why: "stalled", refusal, errno: 0 };
      }
      const isUnreadable = verdict.errno === copyError.untraceable;
      const obstacle = isUnreadable ? whyPtraceRefused(this.tid, errno.EPERM) : undefined;
      if (!isUnreadable) {
        native().pinRefuse(this.#notification, verdict.errno);
        return { kind: "refused", errno: verdict.errno };
      }
      native().pinGiveUp(this.#notification, refusal);
      return { kind: "unpinnable", why: "untraceable", refusal, errno: errno.EPERM, obstacle };
    }
    const failure = verdict.start(this.#notification);
    if (failure === 0) return { kind: "served" };
    native().pinRefuse(this.#notification, failure);
    return { kind: "unserved", errno: failure };
  }

  /** The outcome for a result of `pinCall` with this refusal. */
  outcomeOf(result: number, refusal: number): PinOutcome {
    const [outcome, kernelErrno] = [result & 0xff, result >> 8];
    switch (outcome) {
      case outcomeNumber.prepared:
        return { kind: "prepared" };
      case outcomeNumber.interrupted:
        return { kind: "interrupted" };
      case outcomeNumber.gone:
        return { kind: "gone" };
      case outcomeNumber.hasResult:
        return kernelErrno === 0 ? { kind: "answered" } : { kind: "refused", errno: kernelErrno };
      case outcomeNumber.noTrace: {
        // The caller still waits, so /proc describes its present state.
        const obstacle = whyPtraceRefused(this.tid, kernelErrno);
        native().pinGiveUp(this.#notification, refusal);
        return { kind: "unpinnable", why: "untraceable", refusal, errno: kernelErrno, obstacle };
      }
      default: {
        const why = pinObstacles[outcome - outcomeNumber.noTrace];
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
  sendResponse(listener, response);
}

/** A judged call that is made with the judged registers and memory. */
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
  /** The argument as the caller gave it. */
  argument(index: number): bigint {
    return this.#judged.getBigUint64(dataLayout.arguments + 8 * index, true);
  }

  /** The flags in clone3's pinned structure; 0 for other calls. */
  get cloneFlags(): bigint {
    return this.#judged.getBigUint64(judgedLayout.cloneFlags, true);
  }

  /** The rooms that it enters, as `pin` was given them. */
  get rooms(): bigint {
    return this.#judged.getBigUint64(judgedLayout.rooms, true);
  }

  /** The credentials that `observe` or `pinEnd` was given. */
  get credentials(): bigint {
    return this.#judged.getBigUint64(judgedLayout.credentials, true);
  }

  /** A copy that stays valid when further calls are received. */
  keep(): PreparedCall {
    return new PreparedCall(this.#notification.slice(), new Uint8Array(this.#judged.buffer.slice(0)));
  }

  get id(): bigint {
    return new DataView(this.#notification.buffer).getBigUint64(notificationLayout.id, true);
  }
  /** The registers of the pinned call: a `struct seccomp_data`. */
  get data(): Uint8Array {
    const { data } = notificationLayout;
    return this.#notification.slice(data, data + dataLayout.size);
  }
  /** The notification with the caller's own registers. */
  asJudged(): Uint8Array {
    const notification = this.#notification.slice();
    notification.set(new Uint8Array(this.#judged.buffer, 0, dataLayout.size), notificationLayout.data);
    return notification;
  }

  /** The call returns this positive errno. */
  refuse(number: number): void {
    native().pinRefuse(this.#notification, number);
  }

  /** The caller makes its own call again, which is then judged. */
  restart(): void {
    this.refuse(again);
  }

  /** False if the caller was interrupted: it makes the same call again, or its call has returned EINTR. */
  pass(): boolean {
    return native().pinPass(this.#notification) === 0;
  }
}
