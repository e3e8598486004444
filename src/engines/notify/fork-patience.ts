/**
 * For how long calls that count the living processes wait for the outcomes of forks in flight. A fork that is awaited no
 * longer counts as a process until its outcome is known.
 *
 * A fork takes some 0.1 ms, and up to `prompt` on a busy machine. The fork of a frozen thread (cgroup.freeze) does not end, nor
 * does one in a page of memory that never arrives. A tree could make such forks one after another, also by calls that wait
 * themselves. So the time beyond `prompt` is limited for the whole tree, and a process that has used up the rest of it is
 * awaited no more. Pure: the caller gives the time, in milliseconds.
 */

/** Milliseconds. */
const times = { prompt: 100, total: 5000 } as const;
/** A second of the tree's time comes back in so many seconds. */
const recovery = 60;

export interface AwaitedFork {
  /** When it was allowed. */
  readonly since: number;
  /** Finds its process. Undefined if that has ended. Asked only if some fork was late. */
  readonly processOf: () => number | undefined;
}

export class ForkPatience {
  #left: number = times.total;
  #lastLook = 0;
  /** The last look has found that calls wait for a fork that is not prompt. */
  #isSpending = false;
  /** Processes whose forks were late when no time was left. */
  readonly #late = new Set<number>();

  /** Whether one of the forks in flight is awaited still. Look often while a call waits. */
  awaits(forks: Iterable<AwaitedFork>, time: number): boolean {
    this.#account(time);
    let [isPrompt, isLate] = [false, false];
    for (const { since, processOf } of forks) {
      if (this.#late.size > 0 && this.#isOfLate(processOf)) continue;
      const age = time - since;
      if (age <= times.prompt) isPrompt = true;
      else if (age <= times.total && this.#left > 0) isLate = true;
      else this.#addLate(processOf());
    }
    this.#isSpending = isLate;
    return isPrompt || isLate;
  }

  #isOfLate(processOf: AwaitedFork["processOf"]): boolean {
    const process = processOf();
    return process !== undefined && this.#late.has(process);
  }

  #addLate(process: number | undefined): void {
    if (process !== undefined) this.#late.add(process);
  }

  #account(time: number): void {
    const passed = time - this.#lastLook;
    this.#lastLook = time;
    this.#left = Math.min(times.total, this.#isSpending ? this.#left - passed : this.#left + passed / recovery);
    if (this.#left === times.total) this.#late.clear();
  }
}
