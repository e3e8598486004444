/**
 * The supervisor: receives the calls that the filter reports, lets the policy judge them, and answers.
 *
 * One judgement is: fused native call → `step` → fused native call. The thread that runs this does nothing else, so an
 * evaluation is atomic. After an internal error it denies every call.
 */

import { errno } from "../../abi/errno-numbers.ts";
import { close, pollBits, pollFor } from "../../machine/descriptors.ts";
import { Arrivals } from "./arrivals.ts";
import { Parts } from "./parts.ts";
import type { SignalStops } from "./signal-stops.ts";
import type { SharedState, SupervisorOptions } from "./supervisor-options.ts";
import type { SavedState, SavedTree } from "./tasks/saved.ts";
import type { Wait, WaitingLoop, WaitResult } from "./waits.ts";

/** Milliseconds of a wait while a question is open: memory that is read in threads can arrive (native/addon/pin/reads.c). */
const openPatience = 50;

const workWait = { kind: "work" } as const;
const pauseWait = (milliseconds: number) => ({ kind: "descriptors", descriptors: [], milliseconds }) as const;

/** Milliseconds between looks whether a suspended tree's calls are over. */
const suspensionPause = 1;

export class Supervisor {
  readonly #parts: Parts;
  readonly #arrivals: Arrivals;
  readonly #step = { kind: "step" as const, answer: false, waits: false, judges: false };
  /** The time from which on nothing delays its end, in milliseconds; undefined while it goes on. */
  #suspendsAt: number | undefined;
  #isSuspended = false;
  #isAttended = true;

  constructor(options: SupervisorOptions, release: string) {
    this.#parts = new Parts(options, release);
    this.#arrivals = new Arrivals(this.#parts);
  }

  get shared(): SharedState {
    return this.#parts.shared;
  }

  // ── Another supervisor ────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Ends the loop when no call is in the middle of something, so that another supervisor can go on. Calls that come meanwhile
   * wait. `patience`: milliseconds until calls that were prepared count as new ones.
   */
  suspend(patience: number): void {
    this.#suspendsAt = performance.now() + patience;
    this.#parts.suspends = true;
  }

  /** Whether the loop has ended because of `suspend`. */
  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  /** A suspended tree, whose listener is open. Undefined if its calls cannot wait for another supervisor: it has rooms. */
  save(): { readonly state: SavedState; readonly tree: SavedTree } | undefined {
    if (this.#parts.failed || this.#parts.options.policy.rooms.length > 0) return undefined;
    const calls = [...this.#parts.waiting.notifications, ...(this.#parts.questions?.notifications ?? [])];
    return {
      state: { memory: this.#parts.memory.bytes().slice(), ...this.#parts.registry.save() },
      tree: {
        calls,
        kept: this.#keptTasks(),
        isRestricted: this.#parts.isRestricted,
        start: this.#parts.start?.save(),
        hasFirst: this.#arrivals.hasFirst,
      },
    };
  }

  #keptTasks(): readonly number[] {
    const tasks = [...this.#parts.registry.processes].flatMap(({ threads }) => [...threads].map(({ tid }) => tid));
    return tasks.filter((tid) => this.#parts.signals?.isKept(tid) === true);
  }

  /** Among many: it goes on after a wait. Meanwhile another supervisor may have changed what they share. */
  attend(): void {
    this.#isAttended = true;
    this.#parts.renew();
    if (!this.#parts.work.isUnderWay) this.#forgetEnded();
  }

  #forgetEnded(): void {
    for (const tid of this.#parts.endedMeanwhile.splice(0)) this.#parts.forget(tid);
  }

  /** Among many: it waits. */
  leave(): void {
    this.#isAttended = false;
  }

  /** Ends when no task is left under the filter. */
  *run(): WaitingLoop {
    this.#parts.registry.onEnd.add(this.#taskEnded);
    try {
      yield* this.#serve();
    } finally {
      this.#parts.registry.onEnd.delete(this.#taskEnded);
      if (!this.#isSuspended) close(this.#parts.options.listener);
    }
  }

  *#serve(): WaitingLoop {
    const { listener } = this.#parts.options;
    let answer = false;
    for (;;) {
      while (this.#parts.work.isUnderWay) {
        const { pause } = this.#parts.work;
        const result = yield pause === undefined ? workWait : pauseWait(pause);
        answer = this.#arrivals.endWork(pause === undefined ? Number(result) : 0);
        if (!this.#parts.work.isUnderWay) this.#forgetEnded();
      }
      if (this.#parts.signals?.takeStops() === true) this.#parts.tracer.advance({ interrupts: false });
      if (this.#parts.signals?.hasDue === true) {
        if (answer) this.#parts.send();
        answer = false;
        yield* this.#keepDue(this.#parts.signals);
      }
      if (this.#suspendsAt !== undefined && !answer && this.#canSuspend(this.#suspendsAt)) {
        this.#isSuspended = true;
        return;
      }
      if (this.#parts.questions?.isOpen === true) {
        if (answer) this.#parts.send();
        answer = false;
        const answered = this.#parts.questions.next((id) => this.#parts.objects?.drop(id));
        if (answered !== undefined) {
          answer = this.#arrivals.settle(answered);
          continue;
        }
      }
      if (this.#parts.tracer.busy || this.#parts.waiting.isBusy) {
        if (answer) this.#parts.send();
        answer = false;
        const isNotified = () =>
          this.#parts.pinning?.hasWaiting === true || pollFor(this.#parts.notifying, 0).some((bits) => bits !== 0);
        this.#parts.tracer.advance({ interrupts: this.#parts.waiting.isBusy || !isNotified() });
        if (this.#parts.signals?.hasDue === true) continue;
        if (this.#parts.waiting.next()) {
          answer = this.#arrivals.judgeReceived();
          continue;
        }
        if (this.#parts.tracer.busy && !isNotified()) {
          yield {
            kind: "descriptors",
            descriptors: [...this.#parts.notifying, this.#parts.stopped],
            milliseconds: this.#parts.tracer.pause,
          };
          this.#advanceRooms();
          continue;
        }
      }
      if (this.#parts.status.isRequested) {
        // The pending answer goes first, so that its caller does not wait for the snapshot.
        if (answer) this.#parts.send();
        answer = false;
        this.#parts.status.tell(this.#parts.memory, this.#parts.registry);
      }
      const rooms = this.#parts.admission?.keeper;
      const isAsked = this.#parts.questions?.isOpen === true;
      if (rooms?.isBusy === true || isAsked) {
        if (answer) this.#parts.send();
        answer = false;
        if (!(yield* this.#awaitNotification(rooms?.isBusy === true ? rooms.patience : openPatience))) continue;
      }
      // The notification can be gone: its thread has been killed. A wait for the next one would leave tracees stopped.
      const waits = rooms?.isBusy !== true && !isAsked && !this.#parts.tracer.busy;
      this.#step.answer = answer;
      this.#step.waits = waits;
      this.#step.judges =
        waits && !this.#parts.failed && this.#parts.preparedForks.size === 0 && this.#parts.start === undefined;
      const deaths = Number(yield this.#step);
      answer = false;
      if (deaths === -errno.EAGAIN) {
        // Steps do not wait while all trees are suspended.
        if (this.#suspendsAt !== undefined)
          yield { kind: "descriptors", descriptors: this.#parts.notifying, milliseconds: suspensionPause };
        continue;
      }
      if (deaths === -errno.ECANCELED) {
        answer = this.#arrivals.recordUnpinned();
        continue;
      }
      if (deaths < 0) {
        if ((pollFor([listener], 0)[0]! & pollBits.hangUp) !== 0) break;
        continue;
      }
      if (deaths > 0) this.#parts.reap(deaths);
      answer = this.#arrivals.judgeReceived();
    }
  }

  /** Keeps the tasks that our own tracers have detached, before a signal can end the wait of their next calls. */
  *#keepDue(signals: SignalStops): Generator<Wait, void, WaitResult> {
    for (const tid of signals.takeDue())
      for (const result of signals.keep(tid)) if (result === -errno.EINPROGRESS) yield workWait;
  }

  #canSuspend(until: number): boolean {
    if (this.#parts.tracer.busy || this.#parts.pinning?.hasWaiting === true) return false;
    return (
      performance.now() >= until || (this.#parts.preparedForks.size === 0 && this.#parts.objects?.isServing !== true)
    );
  }

  readonly #taskEnded = (tid: number): void => {
    this.#parts.preparedForks.delete(tid);
    if (this.#isAttended && !this.#parts.work.isUnderWay) this.#parts.forget(tid);
    else this.#parts.endedMeanwhile.push(tid);
  };

  /** A call can wait for the end of a task, which is not a notification. */
  #advanceRooms(): void {
    if (this.#parts.admission?.keeper.isBusy !== true) return;
    this.#parts.reap(this.#parts.native.deaths());
    this.#parts.admission.keeper.advance();
  }

  /** Whether a notification arrives within so many milliseconds, or the listener hangs up. A task's end ends the wait. */
  *#awaitNotification(milliseconds: number): Generator<Wait, boolean, WaitResult> {
    if (milliseconds === 0) this.#advanceRooms();
    if (this.#parts.pinning?.hasWaiting === true) return true;
    const others = [this.#parts.epoll, this.#parts.stopped, this.#parts.options.descriptors.answers];
    const ready = yield { kind: "descriptors", descriptors: [...this.#parts.notifying, ...others], milliseconds };
    const isNotified = typeof ready !== "number" && ready.slice(0, -others.length).some((bits) => bits !== 0);
    if (isNotified) return true;
    this.#parts.reap(this.#parts.native.deaths());
    this.#advanceRooms();
    return false;
  }
}
