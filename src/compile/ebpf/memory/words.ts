/**
 * The words of observations in the kernel's seccomp programs: what src/ir/observe.ts says, computed from the copies that
 * the kernel made of the declared arguments (kernel/README.md, "Declared arguments"). A call whose memory could not be
 * copied is never judged. Each word is computed where it is read, from a pointer that is asked for there: a pointer that
 * is NULL on one of two ways cannot be used behind them where the verifier guards against speculation.
 */

import type { Location } from "../../../ir/location.ts";
import {
  type AddressKind,
  type AddressPart,
  addressBytes,
  addressKinds,
  type Observation,
  type ObservedWord,
  type Source,
  type TextPart,
} from "../../../ir/observation.ts";
import type { Program } from "../../../ir/program.ts";
import { callByNumber } from "../../../linux/calls.ts";
import {
  type DeclarationKind,
  type DeclaredArgument,
  declarationKind,
  mostDeclarations,
  mostDeclaredBytes,
} from "../../../linux/declared-arguments.ts";
import { inet6Bytes, inetBytes, socketFamily, unixPathOffset } from "../../../linux/socket-address.ts";
import { compileMatcher } from "../../../patterns/automaton.ts";
import type { Pattern } from "../../../patterns/pattern.ts";
import type { BodyBuilder } from "../graph/builder.ts";
import { type DispatchRange, dispatch } from "../graph/dispatch.ts";
import { Block, type GraphOperand, type Value } from "../graph/graph.ts";
import { type EbpfTarget, TargetError } from "../targets/target.ts";
import { matchText, planText, type TextEnd, type TextPlan } from "./text.ts";

const kernelFunctions = {
  memory: "bpf_seccomp_arg",
  length: "bpf_seccomp_arg_len",
  parts: "bpf_seccomp_arg_parts",
} as const;

/** Blocks of one word's automata: the verifier walks at most 32,768 instructions (BPF_SECCOMP_LIMIT_INSNS). */
const mostBlocks = 3072;

/** `SECCOMP_EBPF_ARG_MSG`: part 0 is the header, part 1 the address. */
const messageAddress = 1;

const byPart = { whole: "text", "socket-path": "socket path", "abstract-name": "name", entry: "entry" } as const;

export class MemoryWords {
  readonly #program: Program;
  readonly #target: Pick<EbpfTarget, "name">;
  readonly #plans = new Map<number, TextPlan>();
  readonly #declared = new Map<string, DeclaredArgument>();

  constructor(program: Program, target: Pick<EbpfTarget, "name">) {
    this.#program = program;
    this.#target = target;
  }

  /** The arguments that the words lowered so far need, by number and argument. */
  declared(): DeclaredArgument[] {
    const all = [...this.#declared.values()].sort((a, b) => a.number - b.number || a.argument - b.argument);
    if (all.length > mostDeclarations)
      throw new TargetError(
        this.#target,
        "the policy",
        `it reads ${all.length} arguments of calls, and a filter declares at most ${mostDeclarations}`,
      );
    return all;
  }

  /**
   * At the start of a body for calls that pass the argument so: refuses where the program may not look at it, and where a
   * list is longer than the policy's bound.
   */
  open(
    builder: BodyBuilder,
    observation: number,
    { register }: Source,
    refuse: (condition: "equal" | "greater-signed", left: Value, right: GraphOperand, why: "unseen" | "long") => void,
  ): void {
    const { shape } = this.#program.observations[observation]!;
    const parts = builder.callKernel(kernelFunctions.parts, { immediate: register });
    refuse("equal", parts, { immediate: -eperm }, "unseen");
    if (shape.is === "strings") refuse("greater-signed", parts, { immediate: shape.entries }, "long");
  }

  /**
   * The word, for the calls with these numbers. Throws a TargetError where the kernel copies no such argument, or the
   * patterns take too much room.
   */
  word(builder: BodyBuilder, word: number, source: Source, numbers: readonly number[]): Value {
    const declaration = this.#program.words[word]!;
    const observation = this.#program.observations[declaration.observation]!;
    const size = this.#size(word, declaration, observation);
    for (const number of numbers) this.#declare(observation, number, source.register, size);
    return new WordLowering(builder, observation, source.register, size).word(declaration, () => this.#plan(word));
  }

  #declare(observation: Observation, number: number, argument: number, size: number): void {
    const { architecture } = this.#program;
    const kind = declarationKind(architecture, number, argument);
    if (kind === undefined || !fits(kind, observation)) {
      const call = callByNumber(architecture, number)?.name ?? `call ${number}`;
      throw this.#error(observation, `the kernel does not copy this argument of ${call} before its filters`);
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
        case "matches":
        case "any-entry":
          return textOffset(reads.is === "matches" ? reads.part : undefined) + Math.max(1, this.#plan(word).bytes);
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

  #plan(word: number): TextPlan {
    const known = this.#plans.get(word);
    if (known !== undefined) return known;
    const { reads, observation: index } = this.#program.words[word]!;
    const observation = this.#program.observations[index]!;
    if (reads.is !== "matches" && reads.is !== "any-entry") throw new TypeError("no text");
    const { automaton, tooLarge } = compileMatcher(reads.patterns);
    if (automaton === undefined) throw this.#error(observation, tooLarge.message);
    const part = reads.is === "matches" ? reads.part : undefined;
    const texts = part === undefined && observation.shape.is === "strings" ? observation.shape.entries : 1;
    const most = Math.floor(mostBlocks / texts);
    const plan = planText(automaton, part?.is === "abstract-name", longestText(part, observation), most);
    if (plan === undefined || textOffset(part) + plan.bytes > mostDeclaredBytes)
      throw this.#error(observation, tooMuch(reads.patterns, texts, part));
    this.#plans.set(word, plan);
    return plan;
  }

  #error({ name, at }: Observation, reason: string): TargetError {
    return new TargetError(this.#target, `a question about \`${name}\``, reason, at as Location | undefined);
  }
}

const eperm = 1;

function tooMuch(patterns: readonly Pattern[], texts: number, part: TextPart | undefined): string {
  const loose = patterns.find(({ kind }) => kind !== "is" && kind !== "startsWith" && kind !== "under");
  const where = texts > 1 ? `each of ${texts} entries` : `the ${part === undefined ? "text" : byPart[part.is]}`;
  if (loose !== undefined)
    return (
      `a program without loops would look for \`${loose.text}\` (${loose.kind}) at each position of ${where}; ` +
      "`is`, `startsWith` and `under` need only a pattern's own length"
    );
  const what = patterns.length === 1 ? "its pattern takes" : `its ${patterns.length} patterns take`;
  return `${what} too many instructions for ${where}`;
}

function fits(kind: DeclarationKind, { shape }: Observation): boolean {
  // The text of a symbolic link is copied like a path.
  return kind === shape.is || (shape.is === "string" && kind === "path");
}

function textOffset(part: TextPart | undefined): number {
  if (part?.is === "socket-path") return unixPathOffset;
  return part?.is === "abstract-name" ? unixPathOffset + 1 : 0;
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
  readonly #into: Value;
  readonly #after = new Block();
  readonly #constants = new Map<bigint, Block>();

  constructor(builder: BodyBuilder, observation: Observation, register: number, size: number) {
    this.#builder = builder;
    this.#observation = observation;
    this.#argument = { immediate: register };
    this.#size = size;
    this.#into = builder.fresh();
  }

  word({ reads }: ObservedWord, plan: () => TextPlan): Value {
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
      case "matches":
        this.#matches(reads.part, plan());
        break;
      case "any-entry":
        this.#anyEntry(plan());
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

  /** The memory of a part; goes to `absent` where there is none. */
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

  /** Goes to a block if the condition holds, and on if it does not. */
  #unless(condition: "equal" | "not-equal" | "less" | "less-signed", left: Value, right: number, to: Block): void {
    const next = new Block();
    this.#builder.branch(condition, left, { immediate: right }, to, next);
    this.#builder.current = next;
  }

  get #part(): number {
    return this.#observation.shape.is === "message" ? messageAddress : 0;
  }

  /** The length of the part in bytes; negative where there is none. */
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

  #matches(part: TextPart, plan: TextPlan): void {
    const { acceptSets } = plan.automaton;
    const [none, found] = [this.#is(0n), (set: number) => this.#is(acceptSets[set]!)];
    const offset = textOffset(part);
    const builder = this.#builder;
    if (part.is === "whole" || part.is === "entry") {
      const base = this.#memory(part.is === "entry" ? part.index : 0, none);
      return matchText(builder, plan, { base, offset, end: { is: "zero" } }, found);
    }
    let end: TextEnd = { is: "zero" };
    if (part.is === "abstract-name") {
      const bytes = this.#bytes();
      this.#unless("less-signed", bytes, offset, none);
      end = { is: "length", length: builder.arithmetic("subtract", bytes, { immediate: offset }) };
    }
    const base = this.#memory(this.#part, none);
    this.#unless("not-equal", builder.load(2, base, 0), socketFamily.unix, none);
    // Behind the address are zeros, so one without a name has the first byte 0, too.
    this.#unless(part.is === "socket-path" ? "equal" : "not-equal", builder.load(1, base, unixPathOffset), 0, none);
    matchText(builder, plan, { base, offset, end }, found);
  }

  #anyEntry(plan: TextPlan): void {
    const { shape } = this.#observation;
    if (shape.is !== "strings") throw new TypeError("no list");
    const { acceptSets } = plan.automaton;
    const builder = this.#builder;
    const count = builder.callKernel(kernelFunctions.parts, this.#argument);
    // 0, as a number that the verifier does not know: otherwise it would walk the rest for each set of bits.
    const bits = builder.copy(builder.arithmetic("subtract", count, { value: count }));
    const all = acceptSets.reduce((sum, set) => sum | set, 0n);
    const done = new Block();
    for (let entry = 0; entry < shape.entries; entry += 1) {
      const base = this.#memory(entry, done);
      const next = new Block();
      const sets = new Map<number, Block>();
      matchText(builder, plan, { base, offset: 0, end: { is: "zero" } }, (set) => {
        if (acceptSets[set] === 0n) return next;
        if (acceptSets[set] === all) return this.#is(all);
        let block = sets.get(set);
        if (block === undefined) {
          block = new Block();
          sets.set(set, block);
          this.#in(block, () => {
            builder.copy(builder.arithmetic("or", bits, builder.constant(acceptSets[set]!)), bits);
            builder.goto(next);
          });
        }
        return block;
      });
      builder.current = next;
    }
    builder.goto(done);
    builder.current = done;
    this.#end({ value: bits });
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
