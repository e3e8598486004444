/** The closed set of an evaluation's inputs, with the kind and the possible words of each. */
import { maximumHalf, maximumSigned, maximumWord } from "../abi/word.ts";

/**
 * | kind | inputs |
 * | --- | --- |
 * | number | the call's number, an int as the register's low 32 bits |
 * | call-word | a word of the call that a filter can test |
 * | circumstance | a value that only the engine has when the call is made |
 */
type InputKind = "number" | "call-word" | "circumstance";

interface InputFacts {
  readonly kind: InputKind;
  /** The largest word that it can be; the smallest is 0. */
  readonly maximum: bigint;
}

const callWord = { kind: "call-word", maximum: maximumWord } as const satisfies InputFacts;
/** 32 bits, as seen from where the command was started. */
const id = { kind: "circumstance", maximum: maximumHalf } as const satisfies InputFacts;

export const inputFacts = {
  number: { kind: "number", maximum: maximumHalf },
  instructionPointer: callWord,
  argument0: callWord,
  argument1: callWord,
  argument2: callWord,
  argument3: callWord,
  argument4: callWord,
  argument5: callWord,
  /** CLOCK_MONOTONIC in ns. */
  now: { kind: "circumstance", maximum: maximumSigned },
  /** The id of the thread group. */
  pid: id,
  tid: id,
  /** Effective, like `gid`. */
  uid: id,
  gid: id,
  /** The living processes of the tree, the caller's included, and forks in flight. */
  alive: { kind: "circumstance", maximum: maximumWord },
} as const satisfies Readonly<Record<string, InputFacts>>;

export type Input = keyof typeof inputFacts;
type InputOf<K extends InputKind> = { [I in Input]: (typeof inputFacts)[I]["kind"] extends K ? I : never }[Input];
export type CallWord = InputOf<"call-word">;
export type CircumstanceInput = InputOf<"circumstance">;

/** In the order of the table. */
export const inputs = Object.keys(inputFacts) as readonly Input[];

/** By the argument's register. */
export const argumentInputs = [
  "argument0",
  "argument1",
  "argument2",
  "argument3",
  "argument4",
  "argument5",
] as const satisfies readonly CallWord[];

export const callWords = inputs.filter(isCallWord);

export function isCallWord(input: Input): input is CallWord {
  return inputFacts[input].kind === "call-word";
}

export function isCircumstance(input: Input): input is CircumstanceInput {
  return inputFacts[input].kind === "circumstance";
}
