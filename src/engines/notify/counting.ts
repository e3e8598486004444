/**
 * Calls whose judgement counts the living processes. They wait until the forks in flight have made their children or
 * failed, so that no failed fork is counted. All other calls go on meanwhile: a fork can be stuck for any time, in a page of
 * its caller's memory that never arrives or in a frozen thread.
 */
import { notificationLayout } from "../../linux/pinned-calls.ts";
import { notificationIsValid } from "../../linux/seccomp.ts";
import type { ForkTracer } from "./fork-tracer.ts";
import type { JudgementMemory } from "./memory.ts";

export interface CountingOptions {
  readonly listener: number;
  readonly memory: JudgementMemory;
  readonly tracer: ForkTracer;
  /** By call number: whether its judgement may count. */
  readonly counts: Uint8Array;
  /** Drops the tasks that have ended. */
  readonly reap: () => void;
  /** The caller of the notification with this id no longer waits. Its object can be held (objects/). */
  readonly abandon: (id: bigint) => void;
}

export class CountingCalls {
  readonly #options: CountingOptions;
  /** Notifications, in the order of their arrival. */
  readonly #waiting: Uint8Array[] = [];

  constructor(options: CountingOptions) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether the call in the memory must wait; `next` returns it later. */
  defers(): boolean {
    const { memory, tracer, counts, reap } = this.#options;
    if (counts[memory.number] !== 1 || !tracer.hasReservations) return false;
    tracer.advanceEagerly();
    // A child that has entered the registry meanwhile can have ended, too.
    reap();
    if (!tracer.hasReservations) return false;
    this.#waiting.push(memory.bytes().slice(0, notificationLayout.size));
    return true;
  }

  /** Whether a call has waited long enough, and is in the memory now. */
  next(): boolean {
    const { listener, memory, tracer, reap, abandon } = this.#options;
    while (this.isBusy && !tracer.hasReservations) {
      memory.receiveAgain(this.#waiting.shift()!);
      if (!notificationIsValid(listener, memory.idBytes())) {
        abandon(memory.id);
        continue;
      }
      // The caller lives, so an earlier task with its id has ended by now.
      reap();
      return true;
    }
    return false;
  }
}
