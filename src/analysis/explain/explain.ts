/**
 * Explains a policy: which calls are treated alike, with which verdict under which condition and phase, and which line
 * and part decides. The result is data (explanation.ts); `render.ts` prints it.
 */

import { printPattern } from "../../hosts/names.ts";
import type { Program } from "../../ir/program.ts";
import { strictness } from "../../ir/verdicts.ts";
import type { ArgumentTest, Decision, DecisionLeaf, SplitPolicy } from "../decision.ts";
import { type SplitOptions, splitPolicy } from "../split/split.ts";
import { describeTest } from "./conditions.ts";
import type { Case, Explanation, ExplanationRow, Outcome, PlacedVerdict, WhereDecided } from "./explanation.ts";
import { describeMemory } from "./memory.ts";
import { callName, compactCalls } from "./names.ts";
import { describeObjects } from "./objects.ts";
import { leavesOf, leavesUnder, type Path, pathsOf } from "./paths.ts";
import { describeRooms } from "./rooms.ts";
import { describeState } from "./state.ts";
import { describeReason, placedVerdict, placeText, type ReasonPart } from "./texts.ts";
import { unnamedNumber } from "./unnamed.ts";
import { type EngineWarnings, findWarnings } from "./warnings.ts";

/** Options of the engine that enforces the policy. */
export interface ExplainOptions
  extends Pick<
    SplitOptions,
    "superviseProcessCreation" | "superviseExecution" | "superviseRestriction" | "superviseRights"
  > {
  /** Calls whose arguments the filter compares with the launcher's token. */
  readonly launcherCalls?: readonly string[];
  /** Whether the filter notifies the engine of this verdict, by index, only so that it becomes an event. Default: never. */
  readonly isReported?: (verdict: number) => boolean;
  /** The ABI level of Landlock on the machine that will run the policy; undefined if it is unknown. */
  readonly landlockAbi?: number | undefined;
  /** The engine's differences from the policy. */
  readonly warnings?: EngineWarnings;
}

/** Calls with more conditions are summarised in one case. */
const mostCases = 24;

export function explainPolicy(program: Program, options: ExplainOptions): Explanation {
  const explainer = new Explainer(program, options);
  return explainer.explain();
}

export class Explainer {
  readonly program: Program;
  readonly #options: ExplainOptions;
  readonly #extended: Program;
  readonly split: SplitPolicy;
  /** The split in each phase, by cell of phases. */
  readonly #byPhase = new Map<number, readonly SplitPolicy[]>();

  readonly #narrow: (decision: Decision) => Decision;

  /** `narrow` specialises a phase's decision to the known facts about the call. */
  constructor(program: Program, options: ExplainOptions, narrow: (decision: Decision) => Decision = (each) => each) {
    this.program = program;
    this.#narrow = narrow;
    this.#options = options;
    const unnamed = BigInt(unnamedNumber);
    this.#extended = {
      ...program,
      admission: { ...program.admission, judged: [...program.admission.judged, { from: unnamed, to: unnamed }] },
    };
    this.split = splitPolicy(this.#extended, options);
  }

  explain(): Explanation {
    const { program, split } = this;
    const rows = this.#rows();
    const own = new Map([...split].filter(([number]) => number !== unnamedNumber));
    const otherwise = this.#outcomes(unnamedNumber, { steps: [], leaf: joined(leavesOf(split.get(unnamedNumber)!)) });
    return {
      v: 1,
      policy: program.name,
      architecture: program.architecture,
      otherwise,
      rows,
      state: describeState(program, own),
      rooms: describeRooms(program, own),
      memory: describeMemory(program, own),
      readOnlyProc: program.readOnlyProc,
      hosts: program.hosts.map(({ patterns, at }) => ({
        at: placeText(program, at),
        items: patterns.map(printPattern),
      })),
      objects: describeObjects(program, this.#options.landlockAbi),
      warnings: findWarnings(program, own, this.#options.warnings),
    };
  }

  #rows(): ExplanationRow[] {
    const { program, split } = this;
    const { architecture } = program;
    const unnamed = split.get(unnamedNumber)!;
    const groups = new Map<string, { numbers: number[]; decision: Decision; cases: readonly Case[] }>();
    const ids = new Map<Decision, number>();
    for (const [number, decision] of split) {
      if (number === unnamedNumber) continue;
      let id = ids.get(decision);
      if (id === undefined) {
        id = ids.size;
        ids.set(decision, id);
      }
      // Equal decisions may differ in the names of arguments, or in a phase.
      const plain = decision.kind === "leaf" && decision.stateful.length === 0;
      const cases = plain ? undefined : this.cases(number, decision);
      const key = `${id} ${plain ? this.#whereDecided(number, decision) : JSON.stringify(cases)}`;
      const group = groups.get(key);
      if (group !== undefined) group.numbers.push(number);
      else groups.set(key, { numbers: [number], decision, cases: cases ?? this.cases(number, decision) });
    }
    const judged = new Set([...split.keys()].map((number) => callName(architecture, number)));
    return [...groups.values()]
      .map(({ numbers, decision, cases }) => {
        const calls = numbers.map((number) => callName(architecture, number)).sort();
        return {
          calls,
          compact: compactCalls(calls, architecture, judged),
          isOtherwise: decision === unnamed,
          cases,
        };
      })
      .sort((a, b) => Number(a.isOtherwise) - Number(b.isOtherwise) || rowRank(a) - rowRank(b) || compare(a, b));
  }

  /** A call's decision as a list of cases; with `byPhase`, verdicts are listed for each phase where phases decide. */
  cases(number: number, decision: Decision, byPhase = true): readonly Case[] {
    const { architecture } = this.program;
    const effort = (test: ArgumentTest, outcome: boolean) =>
      effortOf(describeTest(test, outcome, architecture, number));
    const paths = pathsOf(decision, mostCases, ({ test, then, otherwise }) => {
      const difference = effort(test, true) - effort(test, false);
      return difference < 0 || (difference === 0 && this.#weakest(then) >= this.#weakest(otherwise));
    });
    if (paths === undefined) {
      const leaf = joined(leavesOf(decision));
      return [{ ...this.#case(number, { steps: [], leaf }, byPhase), conditions: undefined }];
    }
    const cases = paths.map((path) => this.#case(number, path, byPhase));
    // Merges the last two cases if they differ only in why the supervisor sees them.
    while (cases.length > 1 && sameTreatment(cases.at(-1)!, cases.at(-2)!)) cases.splice(-2, 1);
    return cases;
  }

  #case(number: number, path: Path, byPhase: boolean): Case {
    const { program } = this;
    const { leaf } = path;
    const { architecture } = program;
    const said = path.steps.filter((step) => step.first);
    const described = leaf.stateful.map((reason) => describeReason(program, reason));
    const reasons = (part: ReasonPart): string[] => [
      ...new Set(described.flatMap((one) => (one.part === part ? [one.text] : []))),
    ];
    return {
      conditions: said.map((step) => describeTest(step.test, step.outcome, architecture, number)),
      outcomes: this.#outcomes(number, path, byPhase),
      decided: this.#whereDecided(number, leaf),
      reads: reasons("reads"),
      changes: reasons("changes"),
      enters: reasons("enters"),
      reports: reasons("reports"),
      because: reasons("because"),
    };
  }

  /** Outcomes for each phase, if exactly one set of phases is read and splits the verdicts; else all together. */
  #outcomes(number: number, path: Path, byPhase = true): readonly Outcome[] {
    const { program } = this;
    const together = [{ verdicts: path.leaf.possible.map((verdict) => placedVerdict(program, verdict)) }];
    if (path.leaf.possible.length < 2 || !byPhase) return together;
    const cells = path.leaf.stateful.flatMap((reason) =>
      reason.because === "reads-state" && program.cells[reason.cell]!.kind.is === "phases" ? [reason.cell] : [],
    );
    const [cell] = cells;
    if (cell === undefined || cells.length !== 1) return together;
    const { kind } = program.cells[cell]!;
    if (kind.is !== "phases") return together;
    const outcomes: { phases: string[]; verdicts: PlacedVerdict[]; key: string }[] = [];
    this.#splitsByPhase(cell, kind.names.length).forEach((split, phase) => {
      const possible = joined(leavesUnder(this.#narrow(split.get(number)!), path)).possible;
      const sorted = possible.toSorted((a, b) => path.leaf.possible.indexOf(a) - path.leaf.possible.indexOf(b));
      const key = sorted.join();
      const same = outcomes.find((outcome) => outcome.key === key);
      if (same !== undefined) same.phases.push(kind.names[phase]!);
      else {
        const verdicts = sorted.map((verdict) => placedVerdict(program, verdict));
        outcomes.push({ phases: [kind.names[phase]!], verdicts, key });
      }
    });
    if (outcomes.length < 2) return together;
    return outcomes.map(({ phases, verdicts }) => ({ phases, verdicts }));
  }

  /** The kernel's bitmap has the calls that the filter allows without reading an argument (kernel/seccomp.c). */
  #whereDecided(number: number, leaf: DecisionLeaf): WhereDecided {
    const { program } = this;
    if (leaf.stateful.length > 0) return "supervisor";
    const { isReported } = this.#options;
    if (isReported !== undefined && leaf.possible.some((verdict) => isReported(verdict))) return "event";
    const isLaunchers = this.#options.launcherCalls?.includes(callName(program.architecture, number)) === true;
    const isAlwaysAllowed = leavesOf(this.split.get(number)!).every(
      ({ stateful, weakest }) => stateful.length === 0 && program.verdicts[weakest]!.action === "allow",
    );
    return isAlwaysAllowed && !isLaunchers ? "bitmap" : "filter";
  }

  #weakest(decision: Decision): number {
    const [first] = leavesOf(decision);
    return strictness[this.program.verdicts[first!.weakest]!.action];
  }

  #splitsByPhase(cell: number, count: number): readonly SplitPolicy[] {
    let splits = this.#byPhase.get(cell);
    if (splits === undefined) {
      splits = Array.from({ length: count }, (_, phase) =>
        splitPolicy(this.#extended, { ...this.#options, cells: new Map([[cell, BigInt(phase)]]) }),
      );
      this.#byPhase.set(cell, splits);
    }
    return splits;
  }
}

/** The reading effort of a condition: its words, with a negation as one more. */
function effortOf(condition: string): number {
  return condition.split(/[ ,]+/).length + (/!=|not in|none of|lacks|other than/.test(condition) ? 1 : 0);
}

function sameTreatment(left: Case, right: Case): boolean {
  const treatment = ({ conditions: _, because: __, ...rest }: Case) => JSON.stringify(rest);
  return treatment(left) === treatment(right);
}

/** One leaf with all verdicts of the leaves. */
function joined(leaves: readonly DecisionLeaf[]): DecisionLeaf {
  if (leaves.length === 1) return leaves[0]!;
  const stateful = new Map(leaves.flatMap((leaf) => leaf.stateful).map((reason) => [JSON.stringify(reason), reason]));
  return {
    kind: "leaf",
    weakest: leaves[0]!.weakest,
    possible: [...new Set(leaves.flatMap((leaf) => leaf.possible))],
    stateful: [...stateful.values()],
  };
}

/** Rows that state decides come first. */
function rowRank(row: ExplanationRow): number {
  if (row.cases.some((each) => each.decided === "supervisor")) return 0;
  if (row.cases.length > 1) return 1;
  const verdict = row.cases[0]!.outcomes[0]!.verdicts[0]!.verdict;
  return verdict === "allow" ? 3 : 2;
}

function compare(a: ExplanationRow, b: ExplanationRow): number {
  const [left, right] = [a.calls[0]!, b.calls[0]!];
  return left < right ? -1 : left > right ? 1 : 0;
}
