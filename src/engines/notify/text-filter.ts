/**
 * The text filter: a classic filter that judges a call by the text of its path. The addon runs it before the policy's step
 * (native/addon/pin/text_filter.c), so most calls that only a path can make suspicious cost no turn through JavaScript.
 *
 * The patterns of all words of an observation are one matcher (ir/observe.ts). The addon runs its automata over the path and
 * stores the accept set, a bit for each pattern, in the place of the call's instruction pointer. A word of the observation is
 * a field of that set, so the policy's conditions on texts are conditions on a call's registers, and the split finds what
 * holds in every state. The filter returns the index of the verdict plus one if the call is always allowed, without an
 * effect on state and without a report. For every other call it returns 0, and the policy's step judges it.
 */

import { creatingCalls, executingCalls, numbersOf } from "../../abi/process-calls.ts";
import { isStateful } from "../../analysis/decision.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import { compileClassic } from "../../backend/classic/compile.ts";
import { encodeInstructions, opcode } from "../../backend/classic/instruction.ts";
import { FilterTooLargeError } from "../../backend/classic/layout.ts";
import { normalise } from "../../ir/intervals.ts";
import type { Observation } from "../../ir/observation.ts";
import type { BooleanExpression, IntegerExpression, Program } from "../../ir/program.ts";
import { replaceLeaves } from "../../ir/replace.ts";
import { inputsOf } from "../../ir/traverse.ts";
import { needsOf } from "./needs.ts";
import { objectsOf } from "./objects/objects-of.ts";
import { callTrait, type TextFilter } from "./policy/policy.ts";

/** The bits of an accept set that fit into the instruction pointer. */
const carried = 64;
/** TEXT_OBSERVATIONS of native/addon/pin/text_filter.h. */
export const mostObservations = 256;

/**
 * `calls` are the traits of a NotifyPolicy. Undefined if the filter would allow no call, or would be too large; if the policy
 * has rooms, because the supervisor follows which calls have ended; and if it reads users or groups, because credentials are
 * compared at preparation and at judgement.
 */
export function textFilterOf(program: Program, calls: Uint8Array): TextFilter | undefined {
  if (program.rooms.length > 0 || needsOf(program).credentials) return undefined;
  const paths = pathsOf(program, calls);
  if (paths.size === 0 || inputsOf(program.body).has("instructionPointer")) return undefined;
  const fields = fieldsOf(program);
  const body = replaceLeaves(program.body, (leaf) => (leaf.kind === "observed" ? fields.get(leaf.word) : undefined));
  const judged = normalise([...paths.keys()].map((number) => ({ from: BigInt(number), to: BigInt(number) })));
  const about: Program = { ...program, body, admission: { ...program.admission, judged, always: [] } };
  const split = splitPolicy(about, { superviseProcessCreation: false });
  try {
    const { instructions } = compileClassic(about, split, {
      leaf: (leaf) => (!isStateful(leaf) && program.verdicts[leaf.weakest]!.action === "allow" ? leaf.weakest + 1 : 0),
      unknown: 0,
      foreign: 0,
      always: 0,
      launcherToken: undefined,
    });
    if (!instructions.some(({ code, k }) => code === opcode.return && k !== 0)) return undefined;
    const registers = new Uint8Array(calls.length);
    const observations = new Uint16Array(calls.length);
    for (const [number, { register, observation }] of paths) {
      registers[number] = register + 1;
      observations[number] = observation;
    }
    return { registers, observations, instructions: encodeInstructions(instructions) };
  } catch (error) {
    if (error instanceof FilterTooLargeError) return undefined;
    throw error;
  }
}

/**
 * The calls with one observation, which is a path, and whose callers the supervisor does not follow. Not those
 * with a path whose object is held (objects/): they come again after that.
 */
function pathsOf(
  { observations, words, architecture }: Program,
  calls: Uint8Array,
): ReadonlyMap<number, { readonly register: number; readonly observation: number }> {
  const followed = new Set(numbersOf([...creatingCalls, ...executingCalls], architecture));
  const held = objectsOf(words);
  const counts = new Map<number, number>();
  for (const { sources } of observations)
    for (const { number } of sources) counts.set(number, (counts.get(number) ?? 0) + 1);
  const paths = new Map<number, { readonly register: number; readonly observation: number }>();
  observations.forEach(({ shape, sources }, observation) => {
    if (shape.is !== "path" || observation >= mostObservations || held.has(observation)) return;
    for (const { number, register } of sources) {
      const isAlone = counts.get(number) === 1 && !followed.has(number);
      if (isAlone && calls[number] === callTrait.judged) paths.set(number, { register, observation });
    }
  });
  return paths;
}

/** By word: its field of the accept set. A word that has none stays a reason to ask the policy's step. */
function fieldsOf({ observations, words }: Program): ReadonlyMap<number, IntegerExpression> {
  const fields = new Map<number, IntegerExpression>();
  const ends = observations.map(() => 0);
  words.forEach(({ observation, reads }, word) => {
    if (reads.is !== "matches" && reads.is !== "any-entry") return; // no part of the matcher
    const from = ends[observation]!;
    const to = from + reads.patterns.length;
    ends[observation] = to;
    if (to <= carried && observations[observation]!.shape.is === "path")
      fields.set(word, fieldOf(observations[observation]!, from, to));
  });
  return fields;
}

/** 0 in calls without the observation. */
function fieldOf({ sources }: Observation, from: number, to: number): IntegerExpression {
  const constant = (value: bigint): IntegerExpression => ({ kind: "constant", value });
  const hasObservation: BooleanExpression = {
    kind: "within",
    value: { kind: "input", input: "number" },
    intervals: normalise(sources.map(({ number }) => ({ from: BigInt(number), to: BigInt(number) }))),
  };
  const shifted: IntegerExpression = {
    kind: "binary",
    operator: "shift-right-unsigned",
    left: { kind: "input", input: "instructionPointer" },
    right: constant(BigInt(from)),
  };
  const bits: IntegerExpression = {
    kind: "binary",
    operator: "and",
    left: shifted,
    right: constant((1n << BigInt(to - from)) - 1n),
  };
  return { kind: "select", condition: hasObservation, then: bits, otherwise: constant(0n) };
}
