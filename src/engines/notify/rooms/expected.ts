/**
 * Finds the threads that are expected to make their next call so soon that this call shows the end of the former one
 * earlier than a report would. A thread qualifies by calls whose ends are reported. Then it has a credit: the time that
 * reports would have taken, less the time that other calls have waited for it. It is no longer expected when the credit is
 * used up, or when a look finds that its call had ended; the next time it needs more calls to qualify. So waits cost no
 * more than reports would have. Pure: the caller gives the time, in milliseconds.
 */

/** Milliseconds. */
const times = {
  /** The most from the report of a call's end to the thread's next call; or the time of a report, if that is longer. */
  gap: 0.2,
  /** The longest call that counts as short. For a longer call, a report adds little. */
  call: 1,
  /** Bounds of the measured time of a report, which depends on the machine's other work. */
  leastReport: 0.05,
  mostReport: 1,
  /** The credit at first, and at most: on a busy machine a single call can be long. */
  firstCredit: 5,
  mostCredit: 20,
} as const;

/** A thread qualifies by so many more calls that came at once than calls that did not. */
const fewest = 8;
const most = 1024;
/** A call that does not come at once counts as so many that do. */
const late = 4;

interface Habit {
  /** The time at which the end of its last call was reported, or 0. */
  reported: number;
  /** The time of its last call whose end is reported, or 0. */
  asked: number;
  /** The time of a report: the mean of the last ones. */
  report: number;
  shown: number;
  needed: number;
  credit: number;
}

export class ExpectedThreads<Thread extends object> {
  readonly #habits = new WeakMap<Thread, Habit>();

  /** The thread makes a call that enters rooms. Returns true if its end need not be reported. */
  comes(thread: Thread, time: number): boolean {
    const habit = this.#habitOf(thread);
    habit.asked = time;
    if (habit.reported > 0) {
      const isPrompt = time - habit.reported <= Math.max(times.gap, habit.report);
      habit.shown = Math.max(0, habit.shown + (isPrompt ? 1 : -late));
      habit.reported = 0;
    }
    return habit.shown >= habit.needed;
  }

  /** The call has been prepared for a report of its end. */
  prepared(thread: Thread, time: number): void {
    const habit = this.#habitOf(thread);
    if (habit.asked === 0) return;
    const report = Math.min(times.mostReport, Math.max(times.leastReport, time - habit.asked));
    habit.report += (report - habit.report) / 8;
    habit.asked = 0;
  }

  /** The end of a call that was admitted at `since` has been reported. */
  reported(thread: Thread, since: number, time: number): void {
    const habit = this.#habitOf(thread);
    habit.reported = time - since <= times.call ? time : 0;
    if (habit.reported === 0) habit.shown = 0;
  }

  /** An expected thread makes its next call. The former one was admitted at `since`; `isAwaited`: another call waited for its end. */
  came(thread: Thread, since: number, time: number, isAwaited: boolean): void {
    const habit = this.#habitOf(thread);
    const lost = isAwaited ? Math.max(0, time - since - times.gap) : 0;
    habit.credit = Math.min(times.mostCredit, habit.credit + habit.report - lost);
    if (habit.credit < 0) this.failed(thread);
    else habit.needed = Math.max(fewest, habit.needed - 1);
  }

  /** A look has found that an expected thread's call has ended, before the thread made its next one. */
  failed(thread: Thread): void {
    const habit = this.#habitOf(thread);
    habit.shown = 0;
    habit.needed = Math.min(most, 2 * habit.needed);
    habit.credit = times.firstCredit;
  }

  #habitOf(thread: Thread): Habit {
    const found = this.#habits.get(thread);
    if (found !== undefined) return found;
    const made = {
      reported: 0,
      asked: 0,
      report: times.leastReport,
      shown: 0,
      needed: fewest,
      credit: times.firstCredit,
    };
    this.#habits.set(thread, made);
    return made;
  }
}
