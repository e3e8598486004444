/** Counts what a recording has seen, for its progress on a terminal and its last sentence. */

/** How long a call counts as new, in milliseconds. */
const newFor = 10_000;

export interface Count {
  readonly calls: number;
  /** The number of different calls, by name. */
  readonly kinds: number;
  /** The number of different calls that were first seen in the last seconds. */
  readonly fresh: number;
  readonly tasks: number;
}

export class CallCensus {
  readonly #firstSeen = new Map<string, number>();
  readonly #clock: () => number;
  #calls = 0;
  #tasks = 1;

  /** @param clock returns milliseconds; tests give their own */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  call(name: string): void {
    this.#calls++;
    if (!this.#firstSeen.has(name)) this.#firstSeen.set(name, this.#clock());
  }

  begins(): void {
    this.#tasks++;
  }

  ends(): void {
    this.#tasks--;
  }

  count(): Count {
    const since = this.#clock() - newFor;
    let fresh = 0;
    for (const time of this.#firstSeen.values()) if (time > since) fresh++;
    return {
      calls: this.#calls,
      kinds: this.#firstSeen.size,
      fresh,
      tasks: this.#tasks,
    };
  }
}
