/**
 * Which threads are expected to make their next call at once, so that it says that the former one has ended: a report of that
 * end would take longer. A thread shows it while the ends of its calls are reported. Then it has credit: what the reports would
 * have taken, less the time that others have waited for it. It loses the expectation when that is used up, and when a look has
 * found that its call has ended; each time it has to show it for longer. So waiting costs no more than reports would have.
 * Pure: the caller gives the time, in milliseconds.
 */

/** Milliseconds. */
const times = {
  /** From the report of a call's end to the thread's next call; or what a report takes, if that is more. */
  gap: 0.2,
  /** A call that is expected to be short. A report adds little to one that is not. */
  call: 1,
  /** What a report takes, at least and at most: how long it was measured to take depends on the machine's other work. */
  leastReport: 0.05,
  mostReport: 1,
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
  /** When it made its last call; 0: that was not reported. */
  asked: number;
  /** What a report takes: the mean of the last ones. */
  report: number;
  shown: number;
  needed: number;
  credit: number;
}

export class ExpectedThreads<Thread extends object> {
  readonly #habits = new WeakMap<Thread, Habit>();

  /** The thread makes a call that enters rooms. True: its end need not be reported. */
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

  /** The call has been prepared so that its end is reported. */
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

  /** An expected thread has come again. Its call was admitted at `since`; `isAwaited`: another call waited for its end. */
  came(thread: Thread, since: number, time: number, isAwaited: boolean): void {
    const habit = this.#habitOf(thread);
    const lost = isAwaited ? Math.max(0, time - since - times.gap) : 0;
    habit.credit = Math.min(times.mostCredit, habit.credit + habit.report - lost);
    if (habit.credit < 0) this.failed(thread);
    else habit.needed = Math.max(fewest, habit.needed - 1);
  }

  /** An expected thread has not come, and a look has found that its call has ended. */
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
