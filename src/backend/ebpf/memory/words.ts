/**
 * The words of observations in the kernel's seccomp programs: the meaning of src/ir/observe.ts, computed from the kernel's
 * copies of the declared arguments (kernel/README.md, "Declared arguments"). A call whose memory could not be copied is
 * never judged. Each word is computed where it is read, from a pointer that the program requests there: behind a merge of
 * two paths, one of which has NULL, the verifier's guards against speculation forbid the pointer's use.
 *
 * Texts are compared with automata, mostly one for all patterns of a word; the word has the bits of all. A small one that
 * needs only a text's beginning becomes part of the program (text.ts), which takes the fewest steps; the kernel runs all
 * others from a table (match-table.ts).
 */

import { callByNumber } from "../../../abi/calls.ts";
import {
  type DeclarationKind,
  type DeclaredArgument,
  declarationKind,
  mostDeclarations,
  mostDeclaredBytes,
} from "../../../abi/declared-arguments.ts";
import { inet6Bytes, inetBytes, messageHeader, socketFamily, unixPathOffset } from "../../../abi/socket-address.ts";
import {
  type AddressKind,
  type AddressPart,
  addressBytes,
  addressKinds,
  maximumListBytes,
  type Observation,
  type ObservedWord,
  type Source,
  type TextPart,
} from "../../../ir/observation.ts";
import type { Program } from "../../../ir/program.ts";
import type { Automaton } from "../../../patterns/automaton.ts";
import { compileMatcher } from "../../../patterns/matcher.ts";
import { zeroEnded } from "../../../patterns/zero-ended.ts";
import type { BodyBuilder } from "../graph/builder.ts";
import { type DispatchRange, dispatch } from "../graph/dispatch.ts";
import { Block, type GraphOperand, type Value } from "../graph/graph.ts";
import { type EbpfTarget, TargetError } from "../lower/target.ts";
import { allParts, matchTable } from "./match-table.ts";
import { matchText, planText, type TextEnd, type TextPlan } from "./text.ts";

const kernelFunctions = {
  memory: "bpf_seccomp_arg",
  length: "bpf_seccomp_arg_len",
  parts: "bpf_seccomp_arg_parts",
  match: "bpf_seccomp_arg_match",
} as const;

/** Blocks of one word's automaton in the program, of which there may be a copy for each register that passes a text. */
export const mostBlocks = { seccomp: 256, unprivileged: 32 } as const;

/** For a list with a bound of bytes: the program asks for the length of each string. */
const mostSummedEntries = 128;

/** `SECCOMP_EBPF_ARG_MSG`: part 0 is the header, part 1 the address. */
const headerPart = 0;
const messageAddress = 1;

/** How a text is compared with the patterns of an automaton. */
type Search =
  /** By blocks of the program. */
  | { readonly by: "program"; readonly plan: TextPlan }
  /** By the kernel, with the table at this position of the map's value. */
  | { readonly by: "kernel"; readonly map: number; readonly at: number };

/** A call that cannot be judged: the program may not look at its memory, or there is more than it can match. */
export type Unjudged = "unseen" | "long";

/** Refuses if a condition holds, and continues if it does not. */
export type RefuseUnjudged = (
  condition: "equal" | "not-equal" | "greater-signed",
  left: Value,
  right: GraphOperand,
  why: Unjudged,
) => void;

export interface MemoryWordsOptions {
  readonly target: Pick<EbpfTarget, "name">;
  readonly mostBlocks: number;
  /** The index of the map with `tables()`. */
  readonly map: number;
}

export class MemoryWords {
  readonly #program: Program;
  readonly #options: MemoryWordsOptions;
  readonly #searches = new Map<number, readonly Search[]>();
  readonly #tables: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  readonly #declared = new Map<string, DeclaredArgument>();

  constructor(program: Program, options: MemoryWordsOptions) {
    this.#program = program;
    this.#options = options;
  }

  /** The value of the map with the tables that the words lowered so far need; empty without. */
  tables(): Uint8Array {
    const last = this.#tables.at(-1);
    const all = new Uint8Array(last === undefined ? 0 : aligned(last.at + last.bytes.length));
    for (const { at, bytes } of this.#tables) all.set(bytes, at);
    return all;
  }

  /** The arguments that the words lowered so far need, by number and argument. */
  declared(): DeclaredArgument[] {
    const all = [...this.#declared.values()].sort((a, b) => a.number - b.number || a.argument - b.argument);
    if (all.length > mostDeclarations)
      throw new TargetError(
        this.#options.target,
        "the policy",
        `it reads ${all.length} arguments of calls, and a filter declares at most ${mostDeclarations}`,
        { change: "ask about fewer arguments" },
      );
    return all;
  }

  /**
   * At the start of a body for calls that pass the argument so: refuses where the program may not look at it, and where a
   * list is longer than the policy's bound.
   */
  open(builder: BodyBuilder, observation: number, { register }: Source, refuse: RefuseUnjudged): void {
    const { shape } = this.#program.observations[observation]!;
    const parts = builder.callKernel(kernelFunctions.parts, { immediate: register });
    refuse("equal", parts, { immediate: -eperm }, "unseen");
    if (shape.is !== "strings") return;
    refuse("greater-signed", parts, { immediate: shape.entries }, "long");
    if (shape.bytes < maximumListBytes)
      this.#boundBytes(builder, this.#program.observations[observation]!, register, refuse);
  }

  /** Refuses where the strings of a list have more bytes than the policy's bound, with the NUL of each. */
  #boundBytes(builder: BodyBuilder, observation: Observation, register: number, refuse: RefuseUnjudged): void {
    const { shape } = observation;
    if (shape.is !== "strings") throw new TypeError("no list");
    if (shape.entries > mostSummedEntries)
      throw this.#error(
        observation,
        `a bound of its bytes needs a bound of its entries, at most ${mostSummedEntries}`,
        `lists: { entries: ${mostSummedEntries}n }`,
      );
    const total = builder.fresh();
    builder.set(total, { immediate: 0 });
    const after = new Block();
    for (let index = 0; index < shape.entries; index++) {
      const length = builder.callKernel(kernelFunctions.length, { immediate: register }, { immediate: index });
      const next = new Block();
      builder.branch("less-signed", length, { immediate: 0 }, after, next);
      builder.current = next;
      const sum = builder.arithmetic("add", total, { value: length });
      builder.set(total, { value: builder.arithmetic("add", sum, { immediate: 1 }) });
    }
    builder.goto(after);
    builder.current = after;
    refuse("greater-signed", total, { immediate: shape.bytes }, "long");
  }

  /**
   * The word, for the calls with these numbers. Throws a TargetError where the kernel copies no such argument, or the
   * patterns have no automaton.
   */
  word(builder: BodyBuilder, word: number, source: Source, numbers: readonly number[], refuse: RefuseUnjudged): Value {
    const declaration = this.#program.words[word]!;
    const observation = this.#program.observations[declaration.observation]!;
    const size = this.#size(word, declaration, observation);
    for (const number of numbers) this.#declare(observation, number, source.register, size);
    const { reads } = declaration;
    const searches = reads.is === "matches" || reads.is === "any-entry" ? this.#searchesOf(word) : [undefined];
    return searches
      .map((search) => new WordLowering(builder, observation, source.register, size, refuse).word(reads, search))
      .reduce((bits, value) => builder.arithmetic("or", bits, { value }));
  }

  #declare(observation: Observation, number: number, argument: number, size: number): void {
    const { architecture } = this.#program;
    const kind = declarationKind(architecture, number, argument);
    if (kind === undefined || !fits(kind, observation)) {
      const call = callByNumber(architecture, number)?.name ?? `call ${number}`;
      const reason = `the kernel does not copy this argument of ${call} before its filters`;
      throw this.#error(observation, reason, `leave the question out for ${call}`);
    }
    const key = `${number} ${argument}`;
    const known = this.#declared.get(key);
    this.#declared.set(key, { number, argument, kind, size: Math.max(size, known?.size ?? 0) });
  }

  /** The bytes that are read, from the start of a part. */
  #size(word: number, { reads }: ObservedWord, { shape }: Observation): number {
    const bytes = (): number => {
      switch (reads.is) {
        case "length":
          return 0;
        case "field":
          return reads.offset + reads.bytes;
        case "address":
          return inet6Bytes;
        case "control-length":
          return messageHeader.controlLength + 8;
        case "matches":
        case "any-entry":
          return Math.max(
            ...this.#searchesOf(word).map((one) =>
              this.#searched(reads.is === "matches" ? reads.part : undefined, one),
            ),
          );
        case "resolved":
          throw this.#error(
            this.#program.observations[this.#program.words[word]!.observation]!,
            "no program can see which object a path leads to",
          );
      }
    };
    const size = (bytes() + 7) & ~7;
    return shape.is === "address" || shape.is === "message" ? Math.min(size, addressBytes) : size;
  }

  /** The bytes that the program itself reads to compare a text. */
  #searched(part: TextPart | undefined, search: Search): number {
    if (search.by === "program") return textOffset(part) + Math.max(1, search.plan.bytes);
    // The word of an address says whether it has such a text.
    return textOffset(part) === 0 ? 0 : unixPathOffset + 1;
  }

  #searchesOf(word: number): readonly Search[] {
    const known = this.#searches.get(word);
    if (known !== undefined) return known;
    const { reads, observation: index } = this.#program.words[word]!;
    const observation = this.#program.observations[index]!;
    if (reads.is !== "matches" && reads.is !== "any-entry") throw new TypeError("no text");
    const { matcher, tooLarge } = compileMatcher(reads.patterns);
    if (matcher === undefined) throw this.#error(observation, tooLarge.message, tooLarge.help);
    const part = reads.is === "matches" ? reads.part : undefined;
    const searches = matcher.map(
      (automaton) => this.#inProgram(automaton, part, observation) ?? this.#inKernel(automaton, part),
    );
    this.#searches.set(word, searches);
    return searches;
  }

  /** Undefined if it would take too many instructions. */
  #inProgram(automaton: Automaton, part: TextPart | undefined, observation: Observation): Search | undefined {
    if (part === undefined) return undefined;
    const longest = longestText(part, observation);
    const plan = planText(automaton, part.is === "abstract-name", longest, this.#options.mostBlocks);
    if (plan === undefined || textOffset(part) + plan.bytes > mostDeclaredBytes) return undefined;
    return { by: "program", plan };
  }

  /** Equal tables are one. */
  #inKernel(automaton: Automaton, part: TextPart | undefined): Search {
    const bytes = Buffer.from(matchTable(part?.is === "socket-path" ? zeroEnded(automaton) : automaton));
    let table = this.#tables.find((one) => bytes.equals(one.bytes));
    if (table === undefined) {
      table = { at: this.tables().length, bytes };
      this.#tables.push(table);
    }
    return { by: "kernel", map: this.#options.map, at: table.at };
  }

  #error({ name, at }: Observation, reason: string, change?: string): TargetError {
    const what = `a question about \`${name}\``;
    return new TargetError(this.#options.target, what, reason, { change, at });
  }
}

const eperm = 1;
const enoent = 2;

/** The tables are aligned as the kernel demands it. */
function aligned(size: number): number {
  return (size + 7) & ~7;
}

function fits(kind: DeclarationKind, { shape }: Observation): boolean {
  // The text of a symbolic link is copied like a path.
  return kind === shape.is || (shape.is === "string" && kind === "path");
}

function textOffset(part: TextPart | undefined): number {
  switch (part?.is) {
    case undefined:
    case "whole":
    case "entry":
      return 0;
    case "socket-path":
      return unixPathOffset;
    case "abstract-name":
      return unixPathOffset + 1;
  }
}

function longestText(part: TextPart | undefined, { shape }: Observation): number {
  if (part?.is === "socket-path" || part?.is === "abstract-name") return addressBytes - textOffset(part);
  if (shape.is === "path") return mostDeclaredBytes - 1;
  return shape.is === "string" ? shape.bytes - 1 : Number.POSITIVE_INFINITY;
}

/** One word: all ways lead to the block `after`, with the word in `into`. */
class WordLowering {
  readonly #builder: BodyBuilder;
  readonly #observation: Observation;
  readonly #argument: GraphOperand;
  readonly #size: number;
  readonly #refuse: RefuseUnjudged;
  readonly #into: Value;
  readonly #after = new Block();
  readonly #constants = new Map<bigint, Block>();

  constructor(builder: BodyBuilder, observation: Observation, register: number, size: number, refuse: RefuseUnjudged) {
    this.#refuse = refuse;
    this.#builder = builder;
    this.#observation = observation;
    this.#argument = { immediate: register };
    this.#size = size;
    this.#into = builder.fresh();
  }

  /** `search` is given for texts, whose patterns are those of one automaton. */
  word(reads: ObservedWord["reads"], search: Search | undefined): Value {
    switch (reads.is) {
      case "length":
        this.#length();
        break;
      case "field": {
        const memory = this.#memory(0, this.#is(0n));
        this.#end({ value: this.#builder.load(reads.bytes, memory, reads.offset) });
        break;
      }
      case "address":
        this.#address(reads.part);
        break;
      case "control-length": {
        const header = this.#memory(headerPart, this.#is(0n));
        this.#end({ value: this.#builder.load(8, header, messageHeader.controlLength) });
        break;
      }
      case "matches":
        this.#matches(reads.part, search!);
        break;
      case "any-entry":
        this.#anyEntry(search!);
        break;
      case "resolved":
        throw new TypeError("refused before");
    }
    this.#builder.current = this.#after;
    return this.#into;
  }

  // ── Ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #end(value: GraphOperand): void {
    this.#builder.set(this.#into, value);
    this.#builder.goto(this.#after);
  }

  /** A block that ends with this constant. */
  #is(value: bigint): Block {
    let block = this.#constants.get(value);
    if (block === undefined) {
      block = new Block();
      this.#constants.set(value, block);
      this.#in(block, () => this.#end(this.#builder.constant(value)));
    }
    return block;
  }

  #in(block: Block, fill: () => void): void {
    const back = this.#builder.current;
    this.#builder.current = block;
    fill();
    this.#builder.current = back;
  }

  #kind(kind: AddressKind): Block {
    return this.#is(BigInt(addressKinds.indexOf(kind)));
  }

  // ── The kernel's copy ─────────────────────────────────────────────────────────────────────────────────────────────

  /** The memory of a part; jumps to `absent` if the part is missing. */
  #memory(part: number, absent: Block): Value {
    const memory = this.#builder.callKernel(
      kernelFunctions.memory,
      this.#argument,
      { immediate: part },
      { immediate: this.#size },
    );
    this.#unless("equal", memory, 0, absent);
    return memory;
  }

  /** Goes to a block if the condition holds, else continues. */
  #unless(condition: "equal" | "not-equal" | "less" | "less-signed", left: Value, right: number, to: Block): void {
    const next = new Block();
    this.#builder.branch(condition, left, { immediate: right }, to, next);
    this.#builder.current = next;
  }

  get #part(): number {
    return this.#observation.shape.is === "message" ? messageAddress : 0;
  }

  /** The length of the part in bytes; negative if the part is missing. */
  #bytes(): Value {
    return this.#builder.callKernel(kernelFunctions.length, this.#argument, { immediate: this.#part });
  }

  #length(): void {
    const length =
      this.#observation.shape.is === "strings"
        ? this.#builder.callKernel(kernelFunctions.parts, this.#argument)
        : this.#bytes();
    this.#unless("less-signed", length, 0, this.#is(0n));
    this.#end({ value: length });
  }

  // ── Texts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #matches(part: TextPart, search: Search): void {
    const none = this.#is(0n);
    const offset = textOffset(part);
    const builder = this.#builder;
    if (part.is === "whole" || part.is === "entry") {
      const index = part.is === "entry" ? part.index : 0;
      if (search.by === "kernel") return this.#askKernel(index, offset, search);
      return this.#compare(search.plan, { base: this.#memory(index, none), offset, end: { is: "zero" } });
    }
    let end: TextEnd = { is: "zero" };
    if (part.is === "abstract-name" && search.by === "program") {
      const bytes = this.#bytes();
      this.#unless("less-signed", bytes, offset, none);
      end = { is: "length", length: builder.arithmetic("subtract", bytes, { immediate: offset }) };
    }
    const base = this.#memory(this.#part, none);
    this.#unless("not-equal", builder.load(2, base, 0), socketFamily.unix, none);
    // Behind the address are zeros, so one without a name has the first byte 0, too.
    this.#unless(part.is === "socket-path" ? "equal" : "not-equal", builder.load(1, base, unixPathOffset), 0, none);
    if (search.by === "kernel") this.#askKernel(this.#part, offset, search);
    else this.#compare(search.plan, { base, offset, end });
  }

  #anyEntry(search: Search): void {
    if (search.by !== "kernel") throw new TypeError("the kernel looks at all entries");
    this.#askKernel(allParts, 0, search);
  }

  #compare(plan: TextPlan, text: Parameters<typeof matchText>[2]): void {
    const { acceptSets } = plan.automaton;
    matchText(this.#builder, plan, text, (set) => this.#is(acceptSets[set]!));
  }

  /**
   * The bits that match, from the kernel; none where there is no such text. A filter can match 256 KiB for a call, 32 KiB
   * if it is locked, which paths reach only with several automata; a call with more is refused.
   */
  #askKernel(part: number, offset: number, { map, at }: Search & { readonly by: "kernel" }): void {
    const builder = this.#builder;
    const bits = builder.callKernel(
      kernelFunctions.match,
      this.#argument,
      { immediate: part },
      { immediate: offset },
      { wide: { is: "map", map } },
      { immediate: at },
    );
    const failed = new Block();
    this.#unless("less-signed", bits, 0, failed);
    this.#end({ value: bits });
    builder.current = failed;
    this.#refuse("not-equal", bits, { immediate: -enoent }, "long");
    builder.goto(this.#is(0n));
  }

  // ── Addresses ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #address(part: AddressPart): void {
    const builder = this.#builder;
    const [zero, kind] = [this.#is(0n), part === "kind"];
    const bytes = this.#bytes();
    this.#unless("less-signed", bytes, 1, zero);
    this.#unless("less-signed", bytes, 2, kind ? this.#kind("other") : zero);
    const memory = this.#memory(this.#part, zero);
    const family = builder.load(2, memory, 0);
    if (part === "family") return this.#end({ value: family });
    const arms: DispatchRange[] = [];
    const arm = (value: number, fill: () => void): void => {
      const block = new Block();
      arms.push({ from: BigInt(value), to: BigInt(value), block });
      this.#in(block, fill);
    };
    const constant = (value: number, of: AddressKind): void => {
      if (kind) arms.push({ from: BigInt(value), to: BigInt(value), block: this.#kind(of) });
    };
    const internet = (value: number, least: number, is: "ip" | "unspecified", short: AddressKind): void => {
      arm(value, () => {
        this.#unless("less-signed", bytes, least, kind ? this.#kind(short) : zero);
        if (kind) builder.goto(this.#kind(is));
        else this.#end(this.#ofInternet(part, memory, value === socketFamily.inet6));
      });
    };
    internet(socketFamily.unspecified, inetBytes, "unspecified", "unspecified");
    if (kind)
      arm(socketFamily.unix, () => {
        this.#unless("equal", bytes, unixPathOffset, this.#kind("unnamed"));
        this.#unless("equal", builder.load(1, memory, unixPathOffset), 0, this.#kind("abstract"));
        builder.goto(this.#kind("unix"));
      });
    internet(socketFamily.inet, inetBytes, "ip", "other");
    internet(socketFamily.inet6, inet6Bytes, "ip", "other");
    constant(socketFamily.netlink, "netlink");
    constant(socketFamily.vsock, "vsock");
    dispatch(builder, family, arms, kind ? this.#kind("other") : zero, true, 0n, 0xffffn);
  }

  #ofInternet(part: AddressPart, memory: Value, isLong: boolean): GraphOperand {
    const builder = this.#builder;
    switch (part) {
      case "port":
        return { value: this.#bigEndian(memory, 2, 2) };
      case "high":
        return isLong ? { value: this.#bigEndian(memory, 8, 8) } : { immediate: 0 };
      case "low": {
        if (isLong) return { value: this.#bigEndian(memory, 16, 8) };
        const address = this.#bigEndian(memory, 4, 4);
        return { value: builder.arithmetic("or", address, builder.constant(0xffff_0000_0000n)) };
      }
      case "kind":
      case "family":
        throw new TypeError("of all addresses");
    }
  }

  #bigEndian(memory: Value, offset: number, count: number): Value {
    const builder = this.#builder;
    let word = builder.load(1, memory, offset);
    for (let at = 1; at < count; at += 1) {
      const shifted = builder.arithmetic("shift-left", word, { immediate: 8 });
      word = builder.arithmetic("or", shifted, { value: builder.load(1, memory, offset + at) });
    }
    return word;
  }
}
