/** Which form of an automaton a target can load, what each costs, and which one is taken. */
import type { Automaton } from "../../../patterns/automaton.ts";
import type { Pattern } from "../../../patterns/pattern.ts";
import type { Code } from "../instructions/code.ts";
import { type EbpfInstruction, slotPositions, slotsOf } from "../instructions/instruction.ts";
import { endingsMatch, loopMatch, type MatchPlace, matchTables, treeMatch, unrolledMatch } from "./match.ts";

export const matchForms = ["tree", "endings", "unrolled", "loop"] as const;
export type MatchForm = (typeof matchForms)[number];

export interface MatchCost {
  readonly form: MatchForm;
  /** Instructions as the kernel counts them for BPF_MAXINSNS: a wide one twice. */
  readonly instructions: number;
  /** Executed at most, on a text that fills the room: what a bound on run time sees. */
  readonly longestRun: number;
  /** Bytes of a frozen map. */
  readonly tableBytes: number;
}

/** What a target takes of one automaton. */
export interface MatchBounds {
  /** Whether a jump may go back, and may_goto stand before it. */
  readonly loops: boolean;
  /** Instructions, as in `MatchCost`. */
  readonly mostInstructions: number;
}

export interface Match {
  readonly code: Code;
  readonly cost: MatchCost;
  /** The bytes for `MatchPlace.tables`; undefined where the form has none. */
  readonly tables: Uint8Array | undefined;
}

/** Jumps reach no further. */
const mostSlots = 32_767;

/** The automaton of these patterns in a form; undefined where it has none, or none whose jumps reach. */
export function matchIn(
  form: MatchForm,
  automaton: Automaton,
  patterns: readonly Pattern[],
  place: MatchPlace,
): Match | undefined {
  const code = codeOf(form, automaton, patterns, place);
  if (code === undefined) return undefined;
  const instructions = code.at(0);
  const slots = slotPositions(instructions).at(-1)!;
  if (slots > mostSlots) return undefined;
  const tables = form === "tree" || form === "endings" ? undefined : matchTables(automaton);
  const longestRun = form === "loop" ? longestLoop(instructions, place.room) : longestPath(instructions);
  return { code, tables, cost: { form, instructions: slots, longestRun, tableBytes: tables?.length ?? 0 } };
}

function codeOf(
  form: MatchForm,
  automaton: Automaton,
  patterns: readonly Pattern[],
  place: MatchPlace,
): Code | undefined {
  switch (form) {
    case "tree":
      return treeMatch(automaton, place, mostSlots);
    case "endings":
      return endingsMatch(automaton, patterns, place);
    case "unrolled":
      return place.room > mostSlots / roundSlots ? undefined : unrolledMatch(automaton, place);
    case "loop":
      return loopMatch(automaton, place);
  }
}

/** What a byte costs the form without a loop, at least. */
const roundSlots = 10;

/**
 * The form to take: the tree or the endings where they fit, as they have no table and execute the least; then the loop;
 * then the rounds written out. Undefined where the target can load none of them.
 */
export function chooseMatch(
  automaton: Automaton,
  patterns: readonly Pattern[],
  place: MatchPlace,
  bounds: MatchBounds,
): Match | undefined {
  for (const form of ["tree", "endings", bounds.loops ? "loop" : "unrolled"] as const) {
    const match = matchIn(form, automaton, patterns, place);
    if (match !== undefined && match.cost.instructions <= bounds.mostInstructions) return match;
  }
  return undefined;
}

/** The most slots on a way through code without a jump back. */
function longestPath(instructions: readonly EbpfInstruction[]): number {
  const longest = new Uint32Array(instructions.length + 1);
  for (let index = instructions.length - 1; index >= 0; index--) {
    const instruction = instructions[index]!;
    const ways: number[] = [];
    if ("target" in instruction) {
      if (instruction.target <= index) throw new RangeError(`${index} jumps back`);
      ways.push(longest[instruction.target]!);
    }
    if (instruction.kind !== "jump-always" && instruction.kind !== "exit") ways.push(longest[index + 1]!);
    longest[index] = slotsOf(instruction) + Math.max(0, ...ways);
  }
  return longest[0]!;
}

/** A pass over all, and `room` − 1 more rounds. */
function longestLoop(instructions: readonly EbpfInstruction[], room: number): number {
  const back = instructions.findIndex((one, index) => "target" in one && one.target <= index);
  const round = back - (instructions[back] as { target: number }).target + 1;
  return slotPositions(instructions).at(-1)! + (room - 1) * round;
}
