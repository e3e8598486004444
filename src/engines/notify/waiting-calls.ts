/**
 * Calls whose judgement must wait for the outcome of another thread's call. All other calls go on meanwhile: a fork or an
 * execution can be stuck for any time, in a page of its caller's memory that never arrives or in a frozen thread.
 *
 * Calls whose judgement counts the living processes wait until the forks in flight have made their children or failed, so
 * that no failed fork is counted.
 *
 * To be pinned, a thread is stopped by its id. While another thread of its process executes a program, a leader's id becomes
 * the program's at any moment (fs/exec.c, de_thread(), Linux 6.18), so the leader's calls wait until the execution has
 * ended it or has failed.
 */
import { notificationLayout } from "../../linux/pinned-calls.ts";
import { notificationIsValid } from "../../linux/seccomp.ts";
import type { ForkTracer } from "./fork-tracer.ts";
import type { JudgementMemory } from "./memory.ts";

export interface WaitingCallsOptions {
  readonly listener: number;
  readonly memory: JudgementMemory;
  readonly tracer: ForkTracer;
  /** By call number: whether its judgement may count. */
  readonly counts: Uint8Array;
  /** Whether calls are pinned. */
  readonly pins: boolean;
  /** Drops the tasks that have ended. */
  readonly reap: () => void;
  /** The caller of the notification with this id no longer waits. Its object can be held (objects/). */
  readonly abandon: (id: bigint) => void;
}

interface WaitingCall {
  readonly notification: Uint8Array;
  readonly mustWait: () => boolean;
}

export class WaitingCalls {
  readonly #options: WaitingCallsOptions;
  /** In the order of their arrival. */
  readonly #waiting: WaitingCall[] = [];

  constructor(options: WaitingCallsOptions) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether the call in the memory must wait; `next` returns it later. */
  defers(): boolean {
    const { memory, tracer, counts, pins, reap } = this.#options;
    const { tid, number } = memory;
    if (pins && tracer.executesIn(tid)) return this.#add(() => tracer.executesIn(tid));
    if (counts[number] !== 1 || !tracer.hasReservations) return false;
    tracer.advanceEagerly();
    // A child that has entered the registry meanwhile can have ended, too.
    reap();
    return tracer.hasReservations && this.#add(() => tracer.hasReservations);
  }

  #add(mustWait: () => boolean): true {
    const notification = this.#options.memory.bytes().slice(0, notificationLayout.size);
    this.#waiting.push({ notification, mustWait });
    return true;
  }

  /** Whether a call has waited long enough, and is in the memory now. */
  next(): boolean {
    const { listener, memory, reap, abandon } = this.#options;
    for (;;) {
      const index = this.#waiting.findIndex(({ mustWait }) => !mustWait());
      if (index < 0) return false;
      memory.receiveAgain(this.#waiting.splice(index, 1)[0]!.notification);
      if (!notificationIsValid(listener, memory.idBytes())) {
        abandon(memory.id);
        continue;
      }
      // The caller lives, so an earlier task with its id has ended by now.
      reap();
      return true;
    }
  }
}
