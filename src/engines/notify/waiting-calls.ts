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
 *
 * A call of ptrace(2) waits until its target, a kept task, is released (signal-stops.ts), and a call of a kept task that is
 * followed until the tracer of these tasks follows no other one (fork-tracer.ts).
 */
import { notificationLayout } from "../../machine/pinned-calls.ts";
import { notificationIsValid } from "../../machine/seccomp.ts";
import type { ForkTracer } from "./fork-tracer.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import { callTrait } from "./policy/policy.ts";
import type { SignalStops } from "./signal-stops.ts";

export interface WaitingCallsOptions {
  readonly listener: number;
  readonly memory: JudgementMemory;
  readonly tracer: ForkTracer;
  /** By call number: whether its judgement may count. */
  readonly counts: Uint8Array;
  /** Whether calls are pinned. */
  readonly pins: boolean;
  /** Undefined if no task is kept. */
  readonly signals: SignalStops | undefined;
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

  /** Whether the call in the memory must wait; `next` returns it later. `traces`: it traces a kept task. */
  defers(traces = false): boolean {
    const { memory, tracer, counts, pins, signals, reap } = this.#options;
    const { tid, number } = memory;
    if (traces && signals !== undefined) {
      const target = Number(BigInt.asIntN(32, memory.argument(1)));
      return this.#add(() => signals.mustWait(target));
    }
    if (pins && tracer.executesIn(tid)) return this.#add(() => tracer.executesIn(tid));
    if (counts[number] !== 1 || !tracer.hasReservations) return false;
    tracer.advance({ interrupts: false });
    // A child that has entered the registry meanwhile can have ended, too.
    reap();
    return tracer.hasReservations && this.#add(() => tracer.hasReservations);
  }

  /** Whether the call in the memory must wait until the tracer of its caller, a kept task, can follow it. */
  awaitsTracer(traits: Uint8Array): boolean {
    const { memory, tracer } = this.#options;
    const { tid, number } = memory;
    if (((traits[number] ?? 0) & (callTrait.creates | callTrait.executes)) === 0 || !tracer.mustWait(tid)) return false;
    return this.#add(() => tracer.mustWait(tid));
  }

  #add(mustWait: () => boolean): true {
    const notification = this.#options.memory.bytes().slice(0, notificationLayout.size);
    this.#waiting.push({ notification, mustWait });
    return true;
  }

  /** Takes over calls that another supervisor has received. They are the next ones. */
  restore(calls: readonly Uint8Array[]): void {
    this.#waiting.unshift(...calls.map((notification) => ({ notification, mustWait: () => false })));
  }

  /** The call in the memory waits for another supervisor. */
  hold(): void {
    this.#add(() => true);
  }

  /** `struct seccomp_notif` of each. */
  get notifications(): readonly Uint8Array[] {
    return this.#waiting.map(({ notification }) => notification);
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
