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

/** An element of a set that is looked at, or a transition that is made. */
export const mostSteps = 2_000_000;

export class Work {
  steps = 0;

  /** Throws a LimitReached. */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > mostSteps) throw new LimitReached("steps");
  }
}
