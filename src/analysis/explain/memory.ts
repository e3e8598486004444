/** A policy's comparisons of the memory behind a call's pointers, as the policy writes them, and those that hold. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { fieldParameter, fieldsOf, isStructureName, noCall } from "../../abi/structure-text.ts";
import { maximumWord } from "../../abi/word.ts";
import {
  addressKinds,
  type Observation,
  type ObservedWord,
  type ResolvedObject,
  type TextPart,
  wordMaximum,
} from "../../ir/observation.ts";
import { specialise } from "../../ir/optimise/specialise.ts";
import type { BooleanExpression, IntegerExpression, Interval, Program } from "../../ir/program.ts";
import { replaceLeaves } from "../../ir/replace.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../ir/traverse.ts";
import { type CidrBlock, printBlock } from "../../patterns/cidr.ts";
import { describePattern, type Pattern } from "../../patterns/pattern.ts";
import type { Decision, SplitPolicy } from "../decision.ts";
import { describeParameter, describeRanges } from "./conditions.ts";
import type { MemoryDescription } from "./explanation.ts";
import { callName } from "./names.ts";
import { leavesOf } from "./paths.ts";

/** The name in a policy: `args.path`. */
export function argumentName({ name }: Observation): string {
  return `args.${name}`;
}

/** The observations of a call. */
export function observationsOf(
  program: Program,
  number: number,
): readonly { index: number; observation: Observation }[] {
  return program.observations.flatMap((observation, index) =>
    observation.sources.some((source) => source.number === number) ? [{ index, observation }] : [],
  );
}

/** The program where these words are known. Undefined ones stay open. */
export function withWords(program: Program, words: readonly (bigint | undefined)[]): Program {
  const body = replaceLeaves(program.body, (leaf) => {
    const value = leaf.kind === "observed" ? words[leaf.word] : undefined;
    return value === undefined ? undefined : { kind: "constant", value };
  });
  return { ...program, body };
}

/** By argument, and then by question. Only memory on which the judgement of a call depends. */
export function describeMemory(program: Program, split: SplitPolicy): MemoryDescription[] {
  if (program.observations.length === 0) return [];
  const found = new Map<string, { argument: string; calls: string[]; asks: readonly string[]; place: number }>();
  for (const [number, decision] of split) {
    const read = readBy(decision);
    if (read.size === 0) continue;
    const asked = new AskedMemory(program, number);
    for (const { index, observation } of observationsOf(program, number)) {
      const asks = asked.questions(index);
      if (!read.has(index) || asks.length === 0) continue;
      const key = `${index} ${asks.join()}`;
      const known = found.get(key);
      const call = callName(program.architecture, number);
      if (known === undefined) {
        found.set(key, { argument: argumentName(observation), calls: [call], asks, place: index });
      } else known.calls.push(call);
    }
  }
  return [...found.values()]
    .sort((a, b) => a.place - b.place)
    .map(({ argument, calls, asks }) => ({ argument, calls: calls.sort(), asks }));
}

function readBy(decision: Decision): ReadonlySet<number> {
  return new Set(
    leavesOf(decision).flatMap(({ stateful }) =>
      stateful.flatMap((reason) => (reason.because === "reads-memory" ? [reason.observation] : [])),
    ),
  );
}

// ── Questions about a call ──────────────────────────────────────────────────────────────────────────────────────────

/** A test of a word under a mask; without intervals the word is used in another way. */
interface WordTest {
  readonly word: number;
  readonly mask: bigint;
  readonly intervals: readonly Interval[] | undefined;
}

/** A policy's comparisons of the memory of one call. */
export class AskedMemory {
  /** By word: the bits that the call's judgement depends on. */
  readonly masks: ReadonlyMap<number, bigint>;
  readonly #program: Program;
  readonly #tests: readonly WordTest[];
  readonly #blocks: readonly { readonly observation: number; readonly blocks: readonly string[] }[];

  constructor(program: Program, number: number) {
    this.#program = program;
    const { words } = program;
    const tests: WordTest[] = [];
    const blocks: { observation: number; blocks: readonly string[] }[] = [];
    const explained = new Set<object>();
    forEachStatement(specialise(program, number).body, (statement) => {
      for (const whole of expressionsOf(statement)) {
        forEachExpression(whole, (expression) => {
          if (explained.has(expression)) return;
          if (expression.kind === "all" || expression.kind === "within") {
            const range = addressRange(program, expression);
            if (range !== undefined) {
              blocks.push({ observation: range.observation, blocks: range.ranges.flatMap(blocksOf) });
              for (const part of range.parts) forEachExpression(part, (each) => explained.add(each));
              if (expression.kind === "within") return;
            }
          }
          if (expression.kind === "within") {
            const test = maskedWord(expression.value);
            if (test === undefined) return;
            tests.push({ ...test, mask: test.mask & allBits(words[test.word]!), intervals: expression.intervals });
            forEachExpression(expression, (part) => explained.add(part));
          } else if (expression.kind === "observed") {
            tests.push({ word: expression.word, mask: allBits(words[expression.word]!), intervals: undefined });
          }
        });
      }
    });
    this.#tests = tests;
    this.#blocks = blocks;
    const masks = new Map<number, bigint>();
    for (const { word, mask } of tests) masks.set(word, (masks.get(word) ?? 0n) | mask);
    this.masks = masks;
  }

  /** Each question once, as a policy writes it: `args.path.text.under("/etc")`, `args.addr.port = 443`. */
  questions(observation: number): string[] {
    const { words, observations, architecture } = this.#program;
    const declared = observations[observation]!;
    const texts = this.#tests.flatMap((test) => {
      const word = words[test.word]!;
      return word.observation === observation ? describeWordTest(declared, word, test, architecture) : [];
    });
    const address = `${socketName(declared)}.address`;
    const sets = this.#blocks.flatMap((one) => (one.observation === observation ? one.blocks : []));
    const inSets =
      sets.length === 0
        ? []
        : [
            `cidr(${unique(sets)
              .map((each) => JSON.stringify(each))
              .join(", ")}).has(${address})`,
          ];
    return unique([...texts, ...inSets]);
  }

  /** The questions of the word's patterns that hold, and those that do not. */
  answers(word: number, value: bigint): { readonly holds: readonly string[]; readonly fails: readonly string[] } {
    const mask = this.masks.get(word) ?? 0n;
    const declared = this.#program.words[word]!;
    const observation = this.#program.observations[declared.observation]!;
    const holds: string[] = [];
    const fails: string[] = [];
    for (const [bit, text] of questionsOf(observation, declared).entries()) {
      if (((mask >> BigInt(bit)) & 1n) === 0n) continue;
      ((value >> BigInt(bit)) & 1n ? holds : fails).push(text);
    }
    const integer = mask === 0n ? undefined : describeInteger(observation, declared, value);
    return { holds: integer === undefined ? holds : [...holds, integer], fails };
  }
}

function allBits(word: ObservedWord): bigint {
  return (1n << BigInt(wordMaximum(word).toString(2).length)) - 1n;
}

function maskedWord(value: IntegerExpression): { readonly word: number; readonly mask: bigint } | undefined {
  if (value.kind === "observed") return { word: value.word, mask: 0xffff_ffff_ffff_ffffn };
  if (value.kind !== "binary" || value.operator !== "and") return undefined;
  const { left, right } = value;
  return left.kind === "observed" && right.kind === "constant" ? { word: left.word, mask: right.value } : undefined;
}

function describeWordTest(
  observation: Observation,
  word: ObservedWord,
  { mask, intervals }: WordTest,
  architecture: ArchitectureName,
): string[] {
  const { reads } = word;
  const ranges = (most: bigint, text: (value: bigint) => string = String) =>
    intervals === undefined ? "" : ` ${describeRanges(intervals, 0n, most, text)}`;
  switch (reads.is) {
    case "matches":
    case "any-entry":
    case "resolved":
      return questionsOf(observation, word).filter((_, bit) => (mask >> BigInt(bit)) & 1n);
    case "control-length":
      return [`${argumentName(observation)}.controllen${ranges(wordMaximum(word))}`];
    case "length":
      return [`${argumentName(observation)}.length${ranges(wordMaximum(word))}`];
    case "address": {
      const isKind = reads.part === "kind";
      const part = reads.part === "high" || reads.part === "low" ? "address" : reads.part;
      if (part === "address") return [`${socketName(observation)}.address`];
      const text = (value: bigint) => (isKind ? (addressKinds[Number(value)] ?? String(value)) : String(value));
      return [`${socketName(observation)}.${part}${ranges(wordMaximum(word), text)}`];
    }
    case "field": {
      const { shape } = observation;
      const fields = shape.is === "structure" && isStructureName(shape.name) ? fieldsOf(shape.name) : [];
      const field = fields.find(({ offset }) => offset === reads.offset);
      if (field === undefined) return [`${argumentName(observation)}, ${reads.bytes} bytes at ${reads.offset}`];
      const name = `${argumentName(observation)}.${field.name}`;
      if (intervals === undefined) return [name];
      return [
        `${argumentName(observation)}.${describeParameter({ mask, intervals }, noCall, fieldParameter(field), architecture)}`,
      ];
    }
  }
}

// ── Blocks of addresses ─────────────────────────────────────────────────────────────────────────────────────────────

interface Range128 {
  readonly from: bigint;
  readonly to: bigint;
}

/** The parts of an expression that compare a half of an address. */
function addressParts({ words }: Program, expression: Extract<BooleanExpression, { kind: "all" | "within" }>) {
  return (expression.kind === "all" ? expression.of : [expression]).flatMap((part) => {
    if (part.kind !== "within" || part.value.kind !== "observed") return [];
    const { observation, reads } = words[part.value.word]!;
    const isHalf = reads.is === "address" && (reads.part === "high" || reads.part === "low");
    return isHalf ? [{ part, half: reads.part, observation, intervals: part.intervals }] : [];
  });
}

/**
 * `cidr(…).has` as the front end lowers it: the high word in an interval, or one high word and the low in an interval. Other
 * conditions can stand beside it (`&&`).
 */
function addressRange(
  program: Program,
  expression: Extract<BooleanExpression, { kind: "all" | "within" }>,
):
  | { readonly observation: number; readonly ranges: readonly Range128[]; readonly parts: readonly BooleanExpression[] }
  | undefined {
  const found = addressParts(program, expression);
  const [high, ...highs] = found.filter(({ half }) => half === "high");
  const [low, ...lows] = found.filter(({ half }) => half === "low");
  if (high === undefined || highs.length + lows.length > 0) return undefined;
  const { observation } = high;
  if (low !== undefined && low.observation !== observation) return undefined;
  const parts = found.map(({ part }) => part);
  const join = (upper: bigint, lower: bigint) => (upper << 64n) | lower;
  if (low === undefined) {
    const ranges = high.intervals.map(({ from, to }) => ({ from: join(from, 0n), to: join(to, maximumWord) }));
    return { observation, ranges, parts };
  }
  const [only] = high.intervals;
  if (high.intervals.length !== 1 || only!.from !== only!.to) return undefined;
  const ranges = low.intervals.map(({ from, to }) => ({ from: join(only!.from, from), to: join(only!.from, to) }));
  return { observation, ranges, parts };
}

/** A range of more blocks was not written as blocks. */
const mostBlocks = 64;

/** The fewest blocks that have these addresses. */
function blocksOf({ from, to }: Range128): string[] {
  const blocks: CidrBlock[] = [];
  for (let next = from; next <= to && blocks.length <= mostBlocks; ) {
    let size = next === 0n ? 1n << 128n : next & -next;
    while (next + size - 1n > to) size >>= 1n;
    blocks.push({ address: next, prefix: 129 - size.toString(2).length });
    next += size;
  }
  return blocks.length > mostBlocks ? ["…"] : blocks.map(printBlock);
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}

// ── Words of the policy ─────────────────────────────────────────────────────────────────────────────────────────────

/** The meanings of a word's bits, in their order; empty for an integer. */
function questionsOf(observation: Observation, { reads }: ObservedWord): readonly string[] {
  const name = argumentName(observation);
  switch (reads.is) {
    case "matches":
      return reads.patterns.map((pattern) => `${partName(observation, reads.part)}.${asked(pattern)}`);
    case "any-entry":
      return reads.patterns.map((pattern) => `${name}.${anyEntry(pattern)}`);
    case "resolved":
      return reads.objects.map((object) => `${pathName(observation)}.resolved.${askedObject(object)}`);
    case "length":
    case "field":
    case "address":
    case "control-length":
      return [];
  }
}

function partName(observation: Observation, part: TextPart): string {
  const name = argumentName(observation);
  switch (part.is) {
    case "whole":
      return observation.shape.is === "path" ? `${name}.text` : name;
    case "socket-path":
      return `${pathName(observation)}.text`;
    case "abstract-name":
      return `${socketName(observation)}.name`;
    case "entry":
      return `${name}.at(${part.index}n)`;
  }
}

function socketName(observation: Observation): string {
  const name = argumentName(observation);
  return observation.shape.is === "message" ? `${name}.name` : name;
}

function pathName(observation: Observation): string {
  return observation.shape.is === "path" ? argumentName(observation) : `${socketName(observation)}.path`;
}

function asked({ kind, text }: Pattern): string {
  return `${kind}(${JSON.stringify(text)})`;
}

function askedObject({ is, path }: ResolvedObject): string {
  return `${is}(${JSON.stringify(path)})`;
}

/** `.includes("a")` tests for an entry that is "a". */
function anyEntry(pattern: Pattern): string {
  if (pattern.kind === "is") return `includes(${JSON.stringify(pattern.text)})`;
  if (pattern.kind === "startsWith" && pattern.text.endsWith("="))
    return `has(${JSON.stringify(pattern.text.slice(0, -1))})`;
  return pattern.kind === "matches"
    ? `some(${JSON.stringify(pattern.text)})`
    : `some entry ${describePattern(pattern)}`;
}

/** An integer of the memory with its value: `args.addr.port = 443`. Undefined where it has no name of its own. */
function describeInteger(observation: Observation, { reads }: ObservedWord, value: bigint): string | undefined {
  switch (reads.is) {
    case "length":
      return `${argumentName(observation)}.length = ${value}`;
    case "control-length":
      return `${argumentName(observation)}.controllen = ${value}`;
    case "address": {
      const name = socketName(observation);
      if (reads.part === "kind") return `${name}.kind = ${addressKinds[Number(value)]}`;
      return reads.part === "high" || reads.part === "low" ? undefined : `${name}.${reads.part} = ${value}`;
    }
    case "field":
    case "matches":
    case "any-entry":
    case "resolved":
      return undefined;
  }
}
