/**
 * The reference meaning of observed words: from the memory that was read behind a call's pointers to one integer for
 * each of `Program.words`. Engines that read memory themselves use it; compiled forms must agree with it.
 */

import { inet6Bytes, inetBytes, socketFamily, unixPathOffset } from "../abi/socket-address.ts";
import { addressOf, wordsOf } from "../patterns/cidr.ts";
import { compileMatcher, type Matcher, matching } from "../patterns/matcher.ts";
import type { Pattern } from "../patterns/pattern.ts";
import {
  type AddressKind,
  type AddressPart,
  addressKinds,
  type Observation,
  type ObservedWord,
  type ResolvedObject,
  type Source,
  type TextPart,
} from "./observation.ts";
import type { Program } from "./program.ts";

/** The memory behind one pointer, copied as the kernel copies it. */
export type Memory =
  /** A null pointer, or a call that passes no such argument. */
  | { readonly is: "absent" }
  /** A path or string without its NUL; the bytes of an address (of a message: its `msg_name`) or structure. */
  | {
      readonly is: "bytes";
      readonly bytes: Uint8Array;
      readonly resolved?: Resolution;
      /** The `msg_controllen` of a message. */
      readonly controlLength?: bigint;
    }
  | { readonly is: "strings"; readonly entries: readonly Uint8Array[] }
  /** The copy fails, so the call fails with this errno and is not judged. */
  | { readonly is: "failed"; readonly errno: number };

/** Whether the object that the path leads to is this one, or lies in it. */
export type Resolution = (object: ResolvedObject) => boolean;

/** The words, or the errno of the first copy that failed. */
export type Observed = { readonly words: readonly bigint[] } | { readonly errno: number };

/** The observations of a call, in the order of the program: index, declaration and where the call passes it. */
export interface ObservationOfCall {
  readonly index: number;
  readonly observation: Observation;
  readonly source: Source;
}

/** For each observation the matcher of all its patterns; undefined where it has none. */
export type Matchers = readonly (Matcher | undefined)[];

/** Takes up to seconds for many patterns, so engines keep the result with the compiled policy. */
export function matchersOf({ observations, words }: Pick<Program, "observations" | "words">): Matchers {
  return observations.map((_, index) => {
    const patterns = patternsOf(words.filter(({ observation }) => observation === index));
    if (patterns.length === 0) return undefined;
    const { matcher, tooLarge } = compileMatcher(patterns);
    if (matcher === undefined) throw new Error(tooLarge.message); // the front end has reported it
    return matcher;
  });
}

/** Observes the memory of a program's calls, with the parts that are the same for all calls. */
export class Observer {
  readonly #program: Pick<Program, "observations" | "words">;
  readonly #ofCall = new Map<number, ObservationOfCall[]>();
  readonly #wordsOf: readonly (readonly number[])[];
  readonly #matchers: readonly (WordMatcher | undefined)[];
  readonly #zeros: readonly bigint[];

  constructor(program: Pick<Program, "observations" | "words">, matchers: Matchers = matchersOf(program)) {
    this.#program = program;
    program.observations.forEach((observation, index) => {
      for (const source of observation.sources) {
        const known = this.#ofCall.get(source.number) ?? [];
        known.push({ index, observation, source });
        this.#ofCall.set(source.number, known);
      }
    });
    this.#wordsOf = program.observations.map((_, index) =>
      program.words.flatMap((word, place) => (word.observation === index ? [place] : [])),
    );
    this.#matchers = this.#wordsOf.map((places, index) => {
      const matcher = matchers[index];
      return matcher && { matcher, first: firstBits(places.map((place) => program.words[place]!)) };
    });
    this.#zeros = program.words.map(() => 0n);
  }

  /** The observations of a call; empty for most calls. */
  of(number: number): readonly ObservationOfCall[] {
    return this.#ofCall.get(number) ?? nothing;
  }

  /** The entries of a list that match one of these patterns of its words. */
  matching(index: number, entries: readonly Uint8Array[], patterns: readonly WordPatterns[]): readonly Uint8Array[] {
    const matchers = this.#matchers[index];
    if (matchers === undefined) return [];
    const { matcher, first } = matchers;
    const wanted = patterns.reduce((bits, { word, mask }) => {
      const from = first.get(this.#program.words[word]!);
      return from === undefined ? bits : bits | (mask << from);
    }, 0n);
    return entries.filter((entry) => (matching(matcher, entry) & wanted) !== 0n);
  }

  /** `memory` has one entry for each of `of(number)`. */
  observe(number: number, memory: readonly Memory[]): Observed {
    const observations = this.of(number);
    if (observations.length === 0) return { words: this.#zeros };
    const words = this.#zeros.slice();
    for (const [place, { index, observation }] of observations.entries()) {
      const read = memory[place]!;
      if (read.is === "failed") return { errno: read.errno };
      const reader = new Reader(observation, read, this.#matchers[index]);
      for (const word of this.#wordsOf[index]!) words[word] = reader.word(this.#program.words[word]!);
    }
    return { words };
  }
}

/** Patterns of a word: bit k stands for pattern k. */
export interface WordPatterns {
  /** An index into `Program.words`. */
  readonly word: number;
  readonly mask: bigint;
}

const nothing: readonly ObservationOfCall[] = [];

/** The matcher of all patterns of an observation, and where those of each word begin. */
interface WordMatcher {
  readonly matcher: Matcher;
  readonly first: ReadonlyMap<ObservedWord, bigint>;
}

/** The patterns of an observation, those of its words one after the other: the numbering of its matcher. */
export function patternsOf(words: readonly ObservedWord[]): readonly Pattern[] {
  return words.flatMap(({ reads }) => (reads.is === "matches" || reads.is === "any-entry" ? reads.patterns : []));
}

function firstBits(words: readonly ObservedWord[]): ReadonlyMap<ObservedWord, bigint> {
  const first = new Map<ObservedWord, bigint>();
  let count = 0n;
  for (const word of words) {
    first.set(word, count);
    if (word.reads.is === "matches" || word.reads.is === "any-entry") count += BigInt(word.reads.patterns.length);
  }
  return first;
}

/** Reads words off one observation's memory. */
class Reader {
  readonly #observation: Observation;
  readonly #memory: Exclude<Memory, { is: "failed" }>;
  readonly #matcher: WordMatcher | undefined;
  #address: SocketAddress | undefined;
  /** Several words can ask about one text. */
  #run: { readonly text: Uint8Array; readonly bits: bigint } | undefined;

  constructor(observation: Observation, memory: Exclude<Memory, { is: "failed" }>, matcher: WordMatcher | undefined) {
    this.#observation = observation;
    this.#memory = memory;
    this.#matcher = matcher;
  }

  word(word: ObservedWord): bigint {
    const { reads } = word;
    switch (reads.is) {
      case "length":
        return BigInt(this.#memory.is === "strings" ? this.#memory.entries.length : this.#bytes.length);
      case "matches":
        return this.#matches(word, this.#text(reads.part));
      case "any-entry":
        return this.#memory.is === "strings"
          ? this.#memory.entries.reduce((bits, entry) => bits | this.#matches(word, entry), 0n)
          : 0n;
      case "field":
        return littleEndian(this.#bytes, reads.offset, reads.bytes);
      case "address":
        return this.#part(reads.part);
      case "control-length":
        return (this.#memory.is === "bytes" ? this.#memory.controlLength : undefined) ?? 0n;
      case "resolved":
        return this.#resolved(reads.objects);
    }
  }

  get #bytes(): Uint8Array {
    return this.#memory.is === "bytes" ? this.#memory.bytes : empty;
  }

  #text(part: TextPart): Uint8Array | undefined {
    switch (part.is) {
      case "whole":
        return this.#memory.is === "bytes" ? this.#memory.bytes : undefined;
      case "entry":
        return this.#memory.is === "strings" ? this.#memory.entries[part.index] : undefined;
      case "socket-path":
        return this.#socketAddress.kind === "unix" ? this.#socketAddress.name : undefined;
      case "abstract-name":
        return this.#socketAddress.kind === "abstract" ? this.#socketAddress.name : undefined;
    }
  }

  #matches(word: ObservedWord, text: Uint8Array | undefined): bigint {
    const { reads } = word;
    if (text === undefined || this.#matcher === undefined || !("patterns" in reads)) return 0n;
    const { matcher, first } = this.#matcher;
    if (this.#run?.text !== text) this.#run = { text, bits: matching(matcher, text) };
    return (this.#run.bits >> first.get(word)!) & ((1n << BigInt(reads.patterns.length)) - 1n);
  }

  #part(part: AddressPart): bigint {
    const { kind, family, port, address } = this.#socketAddress;
    switch (part) {
      case "kind":
        return BigInt(addressKinds.indexOf(kind));
      case "family":
        return family;
      case "port":
        return port;
      case "high":
        return address.high;
      case "low":
        return address.low;
    }
  }

  get #socketAddress(): SocketAddress {
    this.#address ??= this.#memory.is === "bytes" ? readSocketAddress(this.#memory.bytes) : noAddress;
    return this.#address;
  }

  #resolved(objects: readonly ResolvedObject[]): bigint {
    const { shape } = this.#observation;
    if (this.#memory.is !== "bytes" || this.#memory.resolved === undefined) return 0n;
    if (shape.is !== "path" && this.#socketAddress.kind !== "unix") return 0n;
    const { resolved } = this.#memory;
    return objects.reduce((bits, object, index) => (resolved(object) ? bits | (1n << BigInt(index)) : bits), 0n);
  }
}

const empty = new Uint8Array(0);

/** Bytes behind the end are 0, as copy_struct_from_user() has it (include/linux/uaccess.h). */
function littleEndian(bytes: Uint8Array, offset: number, count: number): bigint {
  let value = 0n;
  for (let index = count - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[offset + index] ?? 0);
  return value;
}

// ── Socket addresses ────────────────────────────────────────────────────────────────────────────────────────────────

export interface SocketAddress {
  readonly kind: AddressKind;
  readonly family: bigint;
  readonly port: bigint;
  readonly address: { readonly high: bigint; readonly low: bigint };
  /** The path of a socket in the file system; an abstract name without its NUL. */
  readonly name: Uint8Array;
}

const noWords = { high: 0n, low: 0n };
const noAddress: SocketAddress = { kind: "none", family: 0n, port: 0n, address: noWords, name: empty };

/**
 * As the kernel reads `struct sockaddr`. An address of an IP family that is too short for one is of the kind "other": no
 * protocol takes it.
 */
export function readSocketAddress(bytes: Uint8Array): SocketAddress {
  if (bytes.length === 0) return noAddress;
  if (bytes.length < 2) return { ...noAddress, kind: "other" };
  const family = bytes[0]! | (bytes[1]! << 8);
  const plain = (kind: AddressKind): SocketAddress => ({ ...noAddress, kind, family: BigInt(family) });
  switch (family) {
    case socketFamily.unix:
      return unixAddress(bytes);
    case socketFamily.inet:
      return bytes.length < inetBytes ? plain("other") : internetAddress("ip", bytes, bytes.subarray(4, 8));
    case socketFamily.inet6:
      return bytes.length < inet6Bytes ? plain("other") : internetAddress("ip", bytes, bytes.subarray(8, 24));
    case socketFamily.unspecified:
      return bytes.length < inetBytes
        ? plain("unspecified")
        : internetAddress("unspecified", bytes, bytes.subarray(4, 8));
    case socketFamily.netlink:
      return plain("netlink");
    case socketFamily.vsock:
      return plain("vsock");
    default:
      return plain("other");
  }
}

/** A path ends at its first NUL (unix_mkname_bsd(), net/unix/af_unix.c); an abstract name has all of its bytes. */
function unixAddress(bytes: Uint8Array): SocketAddress {
  const rest = bytes.subarray(unixPathOffset);
  const family = BigInt(socketFamily.unix);
  if (rest.length === 0) return { ...noAddress, kind: "unnamed", family };
  if (rest[0] === 0) return { ...noAddress, kind: "abstract", family, name: rest.subarray(1) };
  const end = rest.indexOf(0);
  return { ...noAddress, kind: "unix", family, name: end < 0 ? rest : rest.subarray(0, end) };
}

function internetAddress(kind: AddressKind, bytes: Uint8Array, address: Uint8Array): SocketAddress {
  return {
    kind,
    family: BigInt(bytes[0]! | (bytes[1]! << 8)),
    port: BigInt((bytes[2]! << 8) | bytes[3]!),
    address: wordsOf(addressOf(address)),
    name: empty,
  };
}
