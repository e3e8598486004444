/** The states of a policy's phases, with what the recordings and events show of each. */
import type { RefusalGroup } from "./refusals.ts";
import type { RunTally } from "./run-tally.ts";
import type { StateSurface, Surface } from "./surface.ts";

interface Seen {
  processes: number;
  calls: number;
}

export interface StateView extends StateSurface {
  /** In the recordings; undefined if there are none. */
  readonly recorded: Readonly<Seen> | undefined;
  /** Calls of the list of refused calls. */
  readonly refused: number;
}

export class StatesTally {
  readonly #recorded = new Map<string, Seen>();
  #recordings = 0;

  add({ processes }: RunTally): void {
    this.#recordings++;
    for (const { counts } of processes) {
      for (const [state, calls] of counts) {
        const seen = this.#recorded.get(state) ?? { processes: 0, calls: 0 };
        this.#recorded.set(state, seen);
        seen.processes++;
        for (const { count } of calls.values()) seen.calls += count;
      }
    }
  }

  view({ states }: Surface, refusals: readonly RefusalGroup[]): readonly StateView[] {
    return states.map((state) => ({
      ...state,
      recorded: this.#recordings === 0 ? undefined : (this.#recorded.get(state.name) ?? { processes: 0, calls: 0 }),
      refused: refusals.reduce((sum, { state: of, count }) => (of === state.name ? sum + count : sum), 0),
    }));
  }
}
