/** Records the phases that a simulated tree enters: `test` reports those that no process ever entered. */
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import type { NeverEntered, PhaseNames } from "./model.ts";
import type { Holder, StateKeeper } from "./state-keeper.ts";
import { isKnown } from "./unknown/known-bits.ts";

interface Watched {
  readonly cell: number;
  readonly name: string;
  readonly names: readonly string[];
  readonly at: Location | undefined;
  readonly entered: Set<number>;
}

/** Records the phases of each holder of state after each judgement. */
export class PhaseWatch {
  private readonly watched: readonly Watched[];

  constructor(program: Program) {
    this.watched = program.cells.flatMap(({ kind, name, at }, cell) =>
      kind.is === "phases" ? [{ cell, name, names: kind.names, at, entered: new Set<number>() }] : [],
    );
  }

  /** The phases of a caller, which count as entered from now on. */
  look<H>(keeper: StateKeeper<H>, thread: Holder<H>, process: Holder<H>): PhaseNames {
    if (this.watched.length === 0) return none;
    const names: Record<string, string> = {};
    for (const { cell, name, names: of, entered } of this.watched) {
      const value = keeper.cell(cell, thread, process);
      if (isKnown(value)) entered.add(Number(value.value));
      names[name] = isKnown(value) ? (of[Number(value.value)] ?? String(value.value)) : "unknown";
    }
    return names;
  }

  get neverEntered(): readonly NeverEntered[] {
    return this.watched.flatMap(({ name, names, at, entered }) =>
      names.filter((_, index) => !entered.has(index)).map((phase) => ({ phases: name, phase, at })),
    );
  }
}

const none: PhaseNames = {};
