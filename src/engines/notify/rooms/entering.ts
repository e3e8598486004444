/** Calls that enter rooms, by the way they are made: unpinned, by the stub that reports their end, or on behalf of the caller. */

import { kernelErrno } from "../../../abi/errno-numbers.ts";
import type { EnteredRoom } from "../../../ir/evaluation.ts";
import { dataLayout, notificationLayout } from "../../../machine/pinned-calls.ts";
import { continueFlag, sendResponse } from "../../../machine/seccomp.ts";
import type { ServedCalls } from "../objects/served-calls.ts";
import type { PreparedCall } from "../pin/pinning.ts";
import type { Thread } from "../tasks/tasks.ts";
import type { EnteringCall } from "./keeper.ts";

/** Judges a call that has waited too long, by the room's verdict. Returns the errno that the call returns. */
export type JudgeLate = (notification: Uint8Array, thread: Thread, entered: EnteredRoom) => number;

const { data, size } = notificationLayout;
/** One for the thread, because making a buffer for each answer takes longer than filling it. */
const response = new DataView(new ArrayBuffer(24));

/** A call that its caller makes unpinned. */
export class PlainEntering implements EnteringCall {
  readonly isReported: boolean = false;
  readonly thread: Thread;
  readonly id: bigint;
  protected readonly notification: Uint8Array;
  readonly #listener: number;
  readonly #judgeLate: JudgeLate;

  /** `memory` begins with the notification. */
  constructor(listener: number, memory: Uint8Array, thread: Thread, judgeLate: JudgeLate) {
    this.#listener = listener;
    this.notification = memory.slice(0, size);
    this.id = new DataView(this.notification.buffer).getBigUint64(notificationLayout.id, true);
    this.thread = thread;
    this.#judgeLate = judgeLate;
  }

  get data(): Uint8Array {
    return this.notification.subarray(data, data + dataLayout.size);
  }

  admit(): boolean {
    return this.#respond(0, continueFlag);
  }

  restart(): void {
    this.refuse(kernelErrno.ERESTARTNOINTR);
  }

  late(entered: EnteredRoom): void {
    this.refuse(this.#judgeLate(this.notification, this.thread, entered));
  }

  /** The call returns this positive errno. */
  refuse(errno: number): void {
    this.#respond(-errno, 0);
  }

  abandon(): void {}

  #respond(error: number, flags: number): boolean {
    response.setBigUint64(0, this.id, true);
    response.setInt32(16, error, true);
    response.setUint32(20, flags, true);
    return sendResponse(this.#listener, response);
  }
}

/** A call whose object is held. */
export class ServedEntering extends PlainEntering {
  readonly #objects: ServedCalls;

  constructor(listener: number, memory: Uint8Array, thread: Thread, judgeLate: JudgeLate, objects: ServedCalls) {
    super(listener, memory, thread, judgeLate);
    this.#objects = objects;
  }

  override admit(): boolean {
    this.#objects.serve(this.id);
    return true;
  }

  override refuse(errno: number): void {
    this.#objects.drop(this.id);
    super.refuse(errno);
  }

  /** The addon holds the object until it is served or dropped. */
  override abandon(): void {
    this.#objects.drop(this.id);
  }
}

/** A call that the stub makes, and whose end the stub reports. */
export class ReportedEntering implements EnteringCall {
  readonly isReported = true;
  readonly thread: Thread;
  readonly #call: PreparedCall;
  readonly #judgeLate: JudgeLate;

  constructor(call: PreparedCall, thread: Thread, judgeLate: JudgeLate) {
    this.#call = call.keep();
    this.thread = thread;
    this.#judgeLate = judgeLate;
  }

  get id(): bigint {
    return this.#call.id;
  }
  get data(): Uint8Array {
    return this.#call.data;
  }

  admit(): boolean {
    return this.#call.pass();
  }

  restart(): void {
    this.#call.restart();
  }

  late(entered: EnteredRoom): void {
    this.#call.refuse(this.#judgeLate(this.#call.asJudged(), this.thread, entered));
  }

  refuse(errno: number): void {
    this.#call.refuse(errno);
  }

  abandon(): void {}
}
