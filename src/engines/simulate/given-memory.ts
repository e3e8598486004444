/**
 * The memory behind pointers in a simulation. Cases and recordings give it completely, in part, or not at all. This file
 * computes the observed words of a call from it, with a mask of the unknown bits. As under an engine, the copy can fail.
 */

import { copyError } from "../../abi/copy-errors.ts";
import { nullPointer } from "../../abi/null-pointers.ts";
import { pathBytes } from "../../abi/pointees.ts";
import {
  addressBytes,
  errnoOfTooLong,
  type ObservedWord,
  type ResolvedObject,
  type Shape,
  wordMaximum,
} from "../../ir/observation.ts";
import { type Memory, type ObservationOfCall, Observer, patternsOf, readSocketAddress } from "../../ir/observe.ts";
import type { Program } from "../../ir/program.ts";
import type { Automaton } from "../../patterns/automaton.ts";
import { compileMatcher } from "../../patterns/matcher.ts";
import { type Bits, binaryBits, bits, known } from "./unknown/known-bits.ts";

/** A string without its NUL. `isCut`: unknown bytes follow. */
export interface GivenText {
  readonly bytes: Uint8Array;
  readonly isCut: boolean;
}

export type GivenMemory =
  /** A null pointer, or no such argument. Where the call reads address 0, it fails with EFAULT. */
  | { readonly is: "absent" }
  /** The copy fails with this errno. */
  | { readonly is: "failed"; readonly errno: number }
  | { readonly is: "unknown" }
  /** A path or another string; `resolved` is the absolute path of the object that it leads to, if known. */
  | ({ readonly is: "text"; readonly resolved?: string | undefined } & GivenText)
  | { readonly is: "strings"; readonly entries: readonly GivenText[]; readonly isCut: boolean }
  /** `struct sockaddr`; of a message its `msg_name`, and its `msg_controllen` if known. */
  | {
      readonly is: "address";
      readonly bytes: Uint8Array;
      readonly resolved?: string | undefined;
      readonly controlLength?: bigint | undefined;
    }
  /** A structure; `unknown` has a 1 for each unknown bit, and is as long as `bytes`. */
  | { readonly is: "structure"; readonly bytes: Uint8Array; readonly unknown: Uint8Array };

/** Memory by the policy's name of the argument. */
export type GivenMemories = ReadonlyMap<string, GivenMemory>;

/** What is not known of an argument, and the policy asks about. */
export interface LackingMemory {
  readonly argument: string;
  /** The object that the path or address leads to, which the memory does not show; or the memory itself, at least a part. */
  readonly lacks: "object" | "memory";
}

export type SimulatedWords =
  | {
      readonly words: readonly bigint[];
      /** Masks: 1 for each unknown bit, which is 0 in the word. */
      readonly unknown: readonly bigint[];
      /** What the policy reads and is not known. */
      readonly lacking: readonly LackingMemory[];
    }
  | { readonly errno: number; readonly argument: string };

/** A register of the call: its value, and its unknown bits. */
export type RegisterBits = (register: number) => Bits;

/** Computes observed words; it caches the matchers of a program. */
export class SimulatedMemory {
  readonly #program: Program;
  readonly #observer: Observer;
  readonly #matchers = new Map<number, PartialMatcher>();
  readonly #zeros: readonly bigint[];

  constructor(program: Program) {
    this.#program = program;
    this.#observer = new Observer(program);
    this.#zeros = program.words.map(() => 0n);
  }

  /** The words of a call. Memory that is not given is absent behind a null pointer, otherwise unknown. Page 0 is not mapped. */
  words(number: number, given: GivenMemories, register: RegisterBits): SimulatedWords {
    const observations = this.#observer.of(number);
    if (observations.length === 0) return { words: this.#zeros, unknown: this.#zeros, lacking: [] };
    const copies = observations.map((one) => this.#copied(one, given, register));
    const observed = this.#observer.observe(number, copies.map(memoryOf));
    if ("errno" in observed) {
      const failed = copies.findIndex(({ is }) => is === "failed");
      return { errno: observed.errno, argument: observations[failed]!.observation.name };
    }
    const words = [...observed.words];
    const unknown = this.#zeros.slice();
    const lacking: LackingMemory[] = [];
    for (const [place, { index, observation }] of observations.entries()) {
      const copy = copies[place]!;
      if (isWhole(copy)) continue;
      let lacks: LackingMemory["lacks"] | undefined;
      this.#program.words.forEach((word, at) => {
        if (word.observation !== index) return;
        const found = this.#possible(index, word, copy, words[at]!);
        words[at] = found.value;
        unknown[at] = found.unknown;
        if (found.unknown !== 0n && lacks !== "memory") lacks = isObjectAlone(word, copy) ? "object" : "memory";
      });
      if (lacks !== undefined) lacking.push({ argument: observation.name, lacks });
    }
    return { words, unknown, lacking };
  }

  /** @throws TypeError for memory of another shape */
  #copied({ observation, source }: ObservationOfCall, given: GivenMemories, register: RegisterBits): GivenMemory {
    const { name, shape } = observation;
    const copy = copied(shape, given.get(name) ?? behind(register(source.register)));
    if (copy.is !== "absent") return copy;
    const meaning = nullPointer(this.#program.architecture, source.number, source.register, register);
    // move_addr_to_kernel() (net/socket.c) reads nothing if the length is 0.
    const isEmpty = source.length !== undefined && isZero(register(source.length));
    return meaning === "address" && !isEmpty ? { is: "failed", errno: copyError.unmapped } : copy;
  }

  /** The observations of a call. */
  of(number: number): readonly ObservationOfCall[] {
    return this.#observer.of(number);
  }

  /** `whole` is the word without unknown bits. */
  #possible(index: number, word: ObservedWord, copy: GivenMemory, whole: bigint): Bits {
    const { reads } = word;
    switch (reads.is) {
      case "length":
        return copy.is === "unknown" || ("isCut" in copy && copy.isCut) ? anyOf(word) : known(whole);
      case "matches":
        return this.#matches(index, word, textOf(copy, reads.part), whole);
      case "any-entry": {
        if (copy.is !== "strings") return anyOf(word);
        const entries = copy.entries.map((entry) => this.#matches(index, word, entry, 0n));
        return [...entries, copy.isCut ? anyOf(word) : known(0n)].reduce((left, right) =>
          binaryBits("or", left, right),
        );
      }
      case "field":
        return copy.is === "structure" ? structureField(copy, reads) : anyOf(word);
      case "address":
        return copy.is === "address" ? known(whole) : anyOf(word);
      case "control-length":
        return copy.is === "address" && copy.controlLength !== undefined ? known(whole) : anyOf(word);
      case "resolved":
        return leadsNowhere(copy) ? known(0n) : anyResolved(copy, word, whole);
    }
  }

  #matches(index: number, word: ObservedWord, text: GivenText | "absent" | "unknown", whole: bigint): Bits {
    if (text === "unknown") return anyOf(word);
    if (text === "absent") return known(0n);
    if (!text.isCut && whole !== 0n) return known(whole);
    let matcher = this.#matchers.get(index);
    if (matcher === undefined) {
      matcher = new PartialMatcher(this.#program.words.filter(({ observation }) => observation === index));
      this.#matchers.set(index, matcher);
    }
    return matcher.matches(word, text);
  }
}

function anyOf(word: ObservedWord): Bits {
  const most = wordMaximum(word);
  return bits(0n, (1n << BigInt(most.toString(2).length)) - 1n);
}

function isZero({ value, unknown }: Bits): boolean {
  return value === 0n && unknown === 0n;
}

/** Memory that is not given, behind this pointer. */
function behind(pointer: Bits): GivenMemory {
  return isZero(pointer) ? { is: "absent" } : { is: "unknown" };
}

/** Whether all bytes, and the object that a path leads to, are known. */
function isWhole(copy: GivenMemory): boolean {
  switch (copy.is) {
    case "absent":
    case "failed":
      return true;
    case "unknown":
      return false;
    case "text":
      return !copy.isCut && copy.resolved !== undefined;
    case "address":
      return copy.resolved !== undefined && copy.controlLength !== undefined;
    case "strings":
      return !copy.isCut && copy.entries.every(({ isCut }) => !isCut);
    case "structure":
      return copy.unknown.every((byte) => byte === 0);
  }
}

/** The known memory, in the observer's form. */
function memoryOf(copy: GivenMemory): Memory {
  switch (copy.is) {
    case "absent":
    case "failed":
      return copy;
    case "unknown":
      return { is: "absent" };
    case "text":
    case "address": {
      const { bytes, resolved } = copy;
      const controlLength = copy.is === "address" ? copy.controlLength : undefined;
      return {
        is: "bytes",
        bytes,
        ...(resolved === undefined ? {} : { resolved: (object) => leadsTo(resolved, object) }),
        ...(controlLength === undefined ? {} : { controlLength }),
      };
    }
    case "structure":
      return { is: "bytes", bytes: copy.bytes };
    case "strings":
      return { is: "strings", entries: copy.entries.map(({ bytes }) => bytes) };
  }
}

function leadsTo(path: string, object: ResolvedObject): boolean {
  const plain = (text: string): string => text.replace(/\/+/g, "/").replace(/(?<=.)\/$/, "");
  const [found, wanted] = [plain(path), plain(object.path)];
  return found === wanted || (object.is === "under" && found.startsWith(wanted === "/" ? "/" : `${wanted}/`));
}

function textOf(
  copy: GivenMemory,
  part: { readonly is: "whole" | "socket-path" | "abstract-name" } | { readonly is: "entry"; readonly index: number },
): GivenText | "absent" | "unknown" {
  switch (copy.is) {
    case "text":
      return copy;
    case "strings": {
      const entry = part.is === "entry" ? copy.entries[part.index] : undefined;
      return entry ?? (copy.isCut ? "unknown" : "absent");
    }
    case "address": {
      const { kind, name } = readSocketAddress(copy.bytes);
      const wanted = part.is === "socket-path" ? "unix" : "abstract";
      return kind === wanted ? { bytes: name, isCut: false } : "absent";
    }
    case "unknown":
      return "unknown";
    case "absent":
    case "failed":
    case "structure":
      return "absent";
  }
}

/** Only a Unix socket with a path leads to an object. */
function leadsNowhere(copy: GivenMemory): boolean {
  return copy.is === "address" && readSocketAddress(copy.bytes).kind !== "unix";
}

/** The path or address is known as a whole. */
function isObjectAlone({ reads }: ObservedWord, copy: GivenMemory): boolean {
  return reads.is === "resolved" && (copy.is === "address" || (copy.is === "text" && !copy.isCut));
}

function anyResolved(copy: GivenMemory, word: ObservedWord, whole: bigint): Bits {
  return "resolved" in copy && copy.resolved !== undefined ? known(whole) : anyOf(word);
}

/** Bytes of a structure, as a word. */
export function structureField(
  { bytes, unknown }: GivenMemory & { is: "structure" },
  { offset, bytes: size }: { readonly offset: number; readonly bytes: number },
): Bits {
  const number = (of: Uint8Array): bigint => {
    let value = 0n;
    for (let index = size - 1; index >= 0; index--) value = (value << 8n) | BigInt(of[offset + index] ?? 0);
    return value;
  };
  return bits(number(bytes), number(unknown));
}

// ── The kernel's copy ───────────────────────────────────────────────────────────────────────────────────────────────

/** Copies with the bounds of the engine (src/engines/notify/caller-memory.ts). @throws TypeError for memory of another shape */
function copied(shape: Shape, given: GivenMemory): GivenMemory {
  const fails = (number: number): GivenMemory => ({ is: "failed", errno: number });
  if (given.is === "failed" || given.is === "unknown") return given;
  const isStructure = shape.is === "structure" || shape.is === "message";
  // sched_setattr() (kernel/sched/syscalls.c) looks at the pointer before it copies.
  if (given.is === "absent" && shape.is === "structure" && shape.name === "sched_attr")
    return fails(copyError.attributesPointer);
  if (given.is === "absent") return isStructure ? fails(copyError.unmapped) : given;
  switch (shape.is) {
    case "path":
    case "string": {
      if (given.is !== "text") throw new TypeError(`expected a ${shape.is}, not ${given.is}`);
      const text = untilNul(given);
      const most = shape.is === "path" ? pathBytes : shape.bytes;
      if (text.bytes.length >= most) return fails(errnoOfTooLong(shape));
      return { ...given, ...text };
    }
    case "address":
    case "message": {
      if (given.is !== "address") throw new TypeError(`expected an address, not ${given.is}`);
      if (given.bytes.length <= addressBytes) return given;
      // The kernel truncates a message's address (__copy_msghdr(), net/socket.c).
      if (shape.is === "address") return fails(copyError.addressLength);
      return { ...given, bytes: given.bytes.subarray(0, addressBytes) };
    }
    case "strings": {
      if (given.is !== "strings") throw new TypeError(`expected a list, not ${given.is}`);
      const entries = given.entries.map(untilNul);
      const size = entries.reduce((sum, { bytes }) => sum + bytes.length + 1, 0);
      const isTooLong = entries.length > shape.entries || size > shape.bytes;
      return isTooLong ? fails(copyError.longList) : { ...given, entries };
    }
    case "structure": {
      if (given.is !== "structure") throw new TypeError(`expected a structure, not ${given.is}`);
      if (given.bytes.length < shape.minimum) return fails(copyError.shortStructure);
      return given.bytes.length > pathBytes ? fails(copyError.longStructure) : given;
    }
  }
}

function untilNul({ bytes, isCut }: GivenText): GivenText {
  const end = bytes.indexOf(0);
  return end < 0 ? { bytes, isCut } : { bytes: bytes.subarray(0, end), isCut: false };
}

// ── Strings whose beginning is known ────────────────────────────────────────────────────────────────────────────────

class PartialMatcher {
  readonly #automata: readonly PartialAutomaton[];
  readonly #first = new Map<ObservedWord, bigint>();

  constructor(words: readonly ObservedWord[]) {
    const { matcher, tooLarge } = compileMatcher(patternsOf(words));
    if (matcher === undefined) throw new Error(tooLarge.message); // the front end has reported it
    this.#automata = matcher.map((automaton) => new PartialAutomaton(automaton));
    let count = 0n;
    for (const word of words) {
      this.#first.set(word, count);
      count += BigInt(patternsOf([word]).length);
    }
  }

  matches(word: ObservedWord, text: GivenText): Bits {
    const found = this.#automata.map((automaton) => automaton.matches(text));
    const all = found.reduce((bits, one) => bits | one.all, 0n);
    const some = found.reduce((bits, one) => bits | one.some, 0n);
    const mask = (1n << BigInt(patternsOf([word]).length)) - 1n;
    const first = this.#first.get(word)!;
    return bits((all >> first) & mask, ((some & ~all) >> first) & mask);
  }
}

/** The patterns that every continuation of a string matches, and those that some continuation matches. */
interface Ahead {
  readonly all: bigint;
  readonly some: bigint;
}

class PartialAutomaton {
  readonly #automaton: Automaton;
  /** By state. */
  readonly #ahead = new Map<number, Ahead>();

  constructor(automaton: Automaton) {
    this.#automaton = automaton;
  }

  matches({ bytes, isCut }: GivenText): Ahead {
    const { classes, classCount, transitions, accepts, acceptSets, start } = this.#automaton;
    let state = start;
    for (const byte of bytes) state = transitions[state * classCount + classes[byte]!]!;
    const here = acceptSets[accepts[state]!]!;
    return isCut ? this.#from(state) : { all: here, some: here };
  }

  /** The matches from this state on; the string may also end here. */
  #from(start: number): Ahead {
    const found = this.#ahead.get(start);
    if (found !== undefined) return found;
    const { classCount, transitions, accepts, acceptSets } = this.#automaton;
    const reached = new Set([start]);
    let some = 0n;
    let all: bigint | undefined;
    for (const state of reached) {
      const set = acceptSets[accepts[state]!]!;
      some |= set;
      all = all === undefined ? set : all & set;
      for (let at = 0; at < classCount; at++) reached.add(transitions[state * classCount + at]!);
    }
    const result = { all: all ?? 0n, some };
    this.#ahead.set(start, result);
    return result;
  }
}
