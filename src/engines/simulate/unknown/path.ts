/** Facts on a path through a program whose call has unknown bits: copied at branches, joined at merges. */
import type { EnteredRoom } from "../../../ir/evaluation.ts";
import type { Program } from "../../../ir/program.ts";
import { type Bits, join, known } from "./known-bits.ts";
import type { PossibleReport, PossibleStates } from "./possible-state.ts";

/** The value of `raised` if no table or room has raised a verdict. */
export const nothingRaised = -1;

/** The facts that hold at one place of a program on all paths to it. */
export class Path {
  readonly states: PossibleStates;
  readonly integers: Bits[];
  /** Undefined if unknown. */
  readonly booleans: (boolean | undefined)[];
  /** The possible verdicts of each local. */
  readonly verdicts: ReadonlySet<number>[];
  /** The possible strictest verdicts that full tables and rooms have raised, or `nothingRaised`. */
  raised: ReadonlySet<number>;
  /** Entered on every path. */
  entered: readonly EnteredRoom[];
  /** Entered on some path. */
  perhapsEntered: readonly EnteredRoom[];
  /** Made on every path. */
  reports: readonly PossibleReport[];
  /** True if no other report was made on any path. */
  reportsCertain: boolean;

  /** Copies the facts. */
  private constructor(facts: Omit<Path, "copy" | "join">) {
    const { thread, process, tree } = facts.states;
    this.states = { thread: thread.copy(), process: process.copy(), tree: tree.copy() };
    this.integers = [...facts.integers];
    this.booleans = [...facts.booleans];
    this.verdicts = [...facts.verdicts];
    this.raised = facts.raised;
    this.entered = facts.entered;
    this.perhapsEntered = facts.perhapsEntered;
    this.reports = facts.reports;
    this.reportsCertain = facts.reportsCertain;
  }

  /** Locals start as 0, false and verdict 0. */
  static start(program: Program, states: PossibleStates): Path {
    return new Path({
      states,
      integers: program.locals.map(() => known(0n)),
      booleans: program.locals.map(() => false),
      verdicts: program.locals.map(() => new Set([0])),
      raised: new Set([nothingRaised]),
      entered: [],
      perhapsEntered: [],
      reports: [],
      reportsCertain: true,
    });
  }

  copy(): Path {
    return new Path(this);
  }

  /** Joins the facts of another path to the same place. */
  join(other: Path): void {
    this.states.thread.join(other.states.thread);
    this.states.process.join(other.states.process);
    this.states.tree.join(other.states.tree);
    for (const [index, bits] of other.integers.entries()) this.integers[index] = join(this.integers[index]!, bits);
    for (const [index, value] of other.booleans.entries()) {
      if (this.booleans[index] !== value) this.booleans[index] = undefined;
    }
    for (const [index, verdicts] of other.verdicts.entries()) {
      this.verdicts[index] = new Set([...this.verdicts[index]!, ...verdicts]);
    }
    this.raised = new Set([...this.raised, ...other.raised]);
    this.entered = this.entered.filter((one) => includesRoom(other.entered, one));
    const others = other.perhapsEntered.filter((one) => !includesRoom(this.perhapsEntered, one));
    this.perhapsEntered = [...this.perhapsEntered, ...others];
    const common = commonReports(this.reports, other.reports);
    this.reportsCertain &&= other.reportsCertain;
    this.reportsCertain &&= common.length === this.reports.length && common.length === other.reports.length;
    this.reports = common;
  }
}

/** Whether the room is entered by this side. */
export function includesRoom(entered: readonly EnteredRoom[], { room, side }: EnteredRoom): boolean {
  return entered.some((one) => one.room === room && one.side === side);
}

/** The common prefix of both. */
function commonReports(left: readonly PossibleReport[], right: readonly PossibleReport[]): PossibleReport[] {
  const common: PossibleReport[] = [];
  for (const [index, { report, values }] of left.entries()) {
    const twin = right[index];
    if (twin === undefined || twin.report !== report) break;
    common.push({ report, values: values.map((value, place) => join(value, twin.values[place] ?? value)) });
  }
  return common;
}
