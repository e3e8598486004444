/** A refused call, as an event or the evaluation of a trace gives it, and its verdict under a policy. */
import type { DecisionLeaf } from "../analysis/decision.ts";
import { withWords } from "../analysis/explain/memory.ts";
import { possibleLeaves } from "../analysis/explain/why.ts";
import { type GivenMemories, SimulatedMemory } from "../engines/simulate/given-memory.ts";
import { rulingOfObjects } from "../engines/simulate/object-rulings.ts";
import type { ObjectJson } from "../events/event.ts";
import type { Program } from "../ir/program.ts";
import { mayPass, type Verdict, verdictText } from "../ir/verdicts.ts";
import type { Word } from "../traces/trace.ts";

export type PhaseNames = Readonly<Record<string, string>>;

export interface Refusal {
  /** The call's name in the table; undefined for a foreign ABI and for a number without a name. */
  readonly call: string | undefined;
  readonly number: number;
  readonly registers: readonly Word[];
  readonly memory: GivenMemories;
  /** The phase in each set of phases; absent if the event lacks them. */
  readonly phases?: PhaseNames;
  /** The call in the form of case files. */
  readonly text: string;
  /** "deny EPERM" */
  readonly verdict: string;
  readonly reason?: string;
  /** "web.ts:53:49" */
  readonly rule?: string;
  /** The policy's name. */
  readonly policy?: string;
  /** Of the policy's text; undefined for a trace, and for an event of a portcullis that did not write it. */
  readonly digest?: string;
  /** With a denial by Landlock. */
  readonly object?: ObjectJson;
  /** The name of the thread, which the confined program chooses. */
  readonly command: string;
  /** Seconds since the epoch; undefined for a trace. */
  readonly time?: number;
  readonly count: number;
}

export type Ruling =
  /** The policy does not judge the call: a foreign ABI, io_uring, an unknown number. */
  | { readonly is: "not-judged" }
  /** The call passes in every state that the event leaves open. */
  | { readonly is: "passes" }
  | { readonly is: "refused"; readonly verdict: Verdict }
  /** The policy declares objects that the call is not among. */
  | { readonly is: "object" }
  /** State, memory or registers that the event does not have decide. */
  | {
      readonly is: "open";
      readonly verdicts: readonly Verdict[];
      /** Nothing but flags and phases decides: no counter, no clock, no memory. */
      readonly byFlags: boolean;
    };

/** The policy's verdict on the call in its phases. Other state is open. */
export function rulingOn(program: Program, refusal: Refusal): Ruling {
  const { number, memory } = refusal;
  if (refusal.call === undefined) return { is: "not-judged" };
  const cells = cellsOf(program, refusal.phases ?? {});
  if (cells === undefined) return { is: "open", verdicts: [], byFlags: false };
  const { value, unknown } = registersOf(refusal);
  const registers = [0, 1, 2, 3, 4, 5].map((index) => (unknown(index) === 0n ? value(index) : undefined));
  const words = wordsOf(program, refusal);
  if (words === undefined) return { is: "open", verdicts: [], byFlags: false };
  const leaves = possibleLeaves(withWords(program, words), { number, arguments: registers, cells });
  if (leaves === undefined) return { is: "not-judged" };
  const possible = new Set(leaves.flatMap((leaf) => leaf.possible));
  const verdicts = [...possible].map((index) => program.verdicts[index]!);
  const [only] = verdicts;
  if (verdicts.length === 1 && !mayPass(only!)) return { is: "refused", verdict: only! };
  if (!verdicts.every(mayPass))
    return { is: "open", verdicts, byFlags: leaves.every((leaf) => isByFlags(program, leaf)) };
  const masks = [0, 1, 2, 3, 4, 5].map(unknown);
  const inputs = Object.fromEntries(masks.map((mask, index) => [`argument${index}`, mask]));
  const event = { number, arguments: [0, 1, 2, 3, 4, 5].map(value) };
  return rulingOfObjects(program, event, memory, inputs) === undefined ? { is: "passes" } : { is: "object" };
}

function registersOf({ registers }: Refusal) {
  return {
    value: (index: number) => registers[index]?.value ?? 0n,
    unknown: (index: number) => BigInt.asUintN(64, ~(registers[index]?.known ?? 0n)),
  };
}

/** The observed words of the call that its memory shows; undefined if the copy of the memory fails. */
function wordsOf(program: Program, refusal: Refusal): readonly (bigint | undefined)[] | undefined {
  const { value, unknown } = registersOf(refusal);
  const read = new SimulatedMemory(program).words(refusal.number, refusal.memory, (register) => ({
    value: value(register),
    unknown: unknown(register),
  }));
  return "errno" in read ? undefined : read.words.map((word, index) => (read.unknown[index] === 0n ? word : undefined));
}

/** The program for calls with the memory of this one. */
export function withMemoryOf(program: Program, refusal: Refusal): Program {
  const words = wordsOf(program, refusal);
  return words === undefined ? program : withWords(program, words);
}

function isByFlags({ cells }: Program, { possible, stateful }: DecisionLeaf): boolean {
  if (possible.length === 1) return true;
  return stateful.every((reason) => {
    if (reason.because === "reads-state") return ["flag", "phases"].includes(cells[reason.cell]!.kind.is);
    return reason.because === "changes-state" || reason.because === "reports";
  });
}

/** Undefined if the policy lacks one of the phases, so that the event belongs to another text. */
export function cellsOf(program: Program, phases: PhaseNames): ReadonlyMap<number, bigint> | undefined {
  const cells = new Map<number, bigint>();
  for (const [name, phase] of Object.entries(phases)) {
    const found = program.cells.flatMap((cell, index) =>
      cell.kind.is === "phases" && cell.name === name ? [{ index, names: cell.kind.names }] : [],
    );
    const [only] = found;
    const at = only?.names.indexOf(phase) ?? -1;
    if (found.length !== 1 || at < 0) return undefined;
    cells.set(only!.index, BigInt(at));
  }
  return cells;
}

export function sameVerdict(verdict: Verdict, { verdict: text, reason }: Pick<Refusal, "verdict" | "reason">): boolean {
  // An event adds to the policy's reason.
  return verdictText(verdict) === text && (verdict.reason === undefined || (reason ?? "").includes(verdict.reason));
}
