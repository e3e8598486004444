/**
 * Which threads are expected to make their next call at once, so that it says that the former one has ended: a report of that
 * end would take longer. A thread shows it while the ends of its calls are reported. Then it has credit: what the reports would
 * have taken, less the time that others have waited for it. It loses the expectation when that is used up, and when a look has
 * found that its call has ended; each time it has to show it for longer. So waiting costs no more than reports would have.
 * Pure: the caller gives the time, in milliseconds.
 */

/** Milliseconds. */
const times = {
  /** From the report of a call's end to the thread's next call. */
  gap: 0.2,
  /** A call that is expected to be short. A report adds little to one that is not. */
  call: 1,
  /** What a report takes. */
  report: 0.05,
  /** The credit that a thread has at first, and at most: a machine with other work makes single calls long. */
  firstCredit: 5,
  mostCredit: 20,
} as const;

/** So many more calls have come at once than not. */
const fewest = 8;
const most = 1024;
/** One that does not come at once counts as several that do. */
const late = 4;

interface Habit {
  /** When its last call's end was reported; 0: it was not. */
  reported: number;
  shown: number;
  needed: number;
  credit: number;
}

export class ExpectedThreads<Thread extends object> {
  readonly #habits = new WeakMap<Thread, Habit>();

  /** The thread makes a call that enters rooms. True: its end need not be reported. */
  comes(thread: Thread, time: number): boolean {
    const habit = this.#habits.get(thread);
    if (habit === undefined) return false;
    if (habit.reported > 0) {
      habit.shown = Math.max(0, habit.shown + (time - habit.reported <= times.gap ? 1 : -late));
      habit.reported = 0;
    }
    return habit.shown >= habit.needed;
  }

  /** The end of a call that was admitted at `since` has been reported. */
  reported(thread: Thread, since: number, time: number): void {
    const habit = this.#habits.get(thread) ?? { reported: 0, shown: 0, needed: fewest, credit: times.firstCredit };
    this.#habits.set(thread, habit);
    habit.reported = time - since <= times.call ? time : 0;
    if (habit.reported === 0) habit.shown = 0;
  }

  /** An expected thread has come again. Its call was admitted at `since`; `isAwaited`: another call waited for its end. */
  came(thread: Thread, since: number, time: number, isAwaited: boolean): void {
    const habit = this.#habits.get(thread);
    if (habit === undefined) return;
    const lost = isAwaited ? Math.max(0, time - since - times.gap) : 0;
    habit.credit = Math.min(times.mostCredit, habit.credit + times.report - lost);
    if (habit.credit < 0) this.failed(thread);
    else habit.needed = Math.max(fewest, habit.needed - 1);
  }

  /** An expected thread has not come, and a look has found that its call has ended. */
  failed(thread: Thread): void {
    const habit = this.#habits.get(thread);
    if (habit === undefined) return;
    habit.shown = 0;
    habit.needed = Math.min(most, 2 * habit.needed);
    habit.credit = times.firstCredit;
  }
}
