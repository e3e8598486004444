/** What a policy leaves open in each state of its phases: how many calls, which powers, and the calls of each rule. */
import type { Decision, SplitPolicy } from "../../analysis/decision.ts";
import { leavesOf } from "../../analysis/explain/paths.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import type { Program } from "../../ir/program.ts";
import { mayPass } from "../../ir/verdicts.ts";
import { type Power, type PowerUse, powersOf } from "./powers.ts";

/** The known phases of a process, as far as the policy distinguishes them: "serving", or "worker, serving". */
export interface StateSurface {
  /** Empty for a policy without phases. */
  readonly name: string;
  /** Calls that some arguments, in some state with these phases, let pass. */
  readonly allowed: number;
  readonly powers: ReadonlyMap<Power, PowerUse>;
}

export interface Surface {
  /** Calls of the table that the policy judges. */
  readonly table: number;
  /** In the order of the declarations. */
  readonly states: readonly StateSurface[];
  /** The name of the state of a process with these phases. */
  readonly nameOf: (phases: Readonly<Record<string, string>>) => string;
  /** By an index into `Program.verdicts`, the numbers of the calls that can get it. */
  readonly calls: ReadonlyMap<number, ReadonlySet<number>>;
}

/** Phases beyond this number of states are not distinguished. */
const mostStates = 64;

/**
 * Declared phases as a tree. Where the policy has roles, the phases of another role make no difference to a process, so
 * they are not below its role.
 */
type PhaseTree = { readonly phases: string; readonly children: ReadonlyMap<string, PhaseTree> } | undefined;

export function surfaceOf(program: Program): Surface {
  const declared = program.cells.flatMap(({ kind, name }, cell) =>
    kind.is === "phases" ? [{ cell, name, names: kind.names }] : [],
  );
  const states: StateSurface[] = [];
  const calls = new Map<number, Set<number>>();
  const grow = (cells: ReadonlyMap<number, bigint>, name: string, room: number): PhaseTree => {
    const split = splitPolicy(program, { superviseProcessCreation: false, cells });
    const next = declared.find(({ cell }) => !cells.has(cell) && matters(split, cell));
    if (next === undefined || next.names.length > room) {
      states.push({ name, allowed: allowedBy(program, split), powers: powersOf(program, split) });
      collectCalls(split, calls);
      return undefined;
    }
    const children = next.names.map((phase, index): [string, PhaseTree] => {
      const within = new Map([...cells, [next.cell, BigInt(index)]]);
      return [phase, grow(within, name === "" ? phase : `${name}, ${phase}`, Math.floor(room / next.names.length))];
    });
    return { phases: next.name, children: new Map(children) };
  };
  const tree = grow(new Map(), "", mostStates);
  return {
    table: program.admission.judged.reduce((sum, { from, to }) => sum + Number(to - from) + 1, 0),
    states,
    nameOf: (phases) => nameIn(tree, phases),
    calls,
  };
}

function nameIn(tree: PhaseTree, phases: Readonly<Record<string, string>>): string {
  const names: string[] = [];
  for (let node = tree; node !== undefined; ) {
    const phase = phases[node.phases];
    // Events can be of another version of the policy.
    if (phase === undefined) break;
    names.push(phase);
    node = node.children.get(phase);
  }
  return names.join(", ");
}

function matters(split: SplitPolicy, cell: number): boolean {
  return [...new Set(split.values())].some((decision) =>
    leavesOf(decision).some(({ stateful }) =>
      stateful.some((reason) => ("cell" in reason ? reason.cell === cell : reason.because === "too-complex")),
    ),
  );
}

function allowedBy(program: Program, split: SplitPolicy): number {
  const known = new Map<Decision, boolean>();
  let count = 0;
  for (const decision of split.values()) {
    let passes = known.get(decision);
    if (passes === undefined) {
      passes = leavesOf(decision).some(({ possible }) =>
        possible.some((verdict) => mayPass(program.verdicts[verdict]!)),
      );
      known.set(decision, passes);
    }
    if (passes) count++;
  }
  return count;
}

function collectCalls(split: SplitPolicy, into: Map<number, Set<number>>): void {
  for (const [number, decision] of split) {
    for (const verdict of new Set(leavesOf(decision).flatMap(({ possible }) => possible))) {
      const numbers = into.get(verdict) ?? new Set();
      into.set(verdict, numbers);
      numbers.add(number);
    }
  }
}
