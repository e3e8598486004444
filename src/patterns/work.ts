/** The work that making an automaton may take, counted in steps: a hostile glob ends at a number, not at a time. */

export type Limit = "steps" | "states" | "table";

/** Thrown inside of this folder only; `compileMatcher` gives a value. */
export class LimitReached extends Error {
  override readonly name = "LimitReached";
  readonly limit: Limit;

  constructor(limit: Limit) {
    super(`too many ${limit}`);
    this.limit = limit;
  }
}

/** Throws a LimitReached where so many states with so many classes of bytes are too many. */
export type Fits = (states: number, classes: number) => void;

/** A step: an element of a set that is looked at, or a transition that is made. */
export class Work {
  steps = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** Throws a LimitReached. */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > this.#most) throw new LimitReached("steps");
  }
}
