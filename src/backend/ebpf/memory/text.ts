/**
 * An automaton of string patterns as blocks of the graph: one for each state and position, without a loop, a table, or an
 * address that the program computes. The kernel's seccomp programs take no other form: the memory of an argument can be
 * read at constant offsets only where the verifier guards against speculation (retrieve_ptr_limit(),
 * kernel/bpf/verifier.c, Linux 6.12). Where one text alone leads on, up to eight bytes are compared at once.
 */
import { type Automaton, dead } from "../../../patterns/automaton.ts";
import type { BodyBuilder } from "../graph/builder.ts";
import { type DispatchRange, dispatch } from "../graph/dispatch.ts";
import { Block, type Value } from "../graph/graph.ts";
import type { MemorySize } from "../instructions/instruction.ts";

/** The end of a string. */
export type TextEnd =
  /** At its first zero, which is not part of it. */
  | { readonly is: "zero" }
  /** After the number of bytes in this value; a zero is an ordinary byte. */
  | { readonly is: "length"; readonly length: Value };

export interface TextPlan {
  readonly automaton: Automaton;
  /** No text is longer, in bytes. */
  readonly longest: number;
  /** How many bytes of the text are read at most. */
  readonly bytes: number;
  /** An upper bound of the blocks. */
  readonly blocks: number;
}

/** Undefined where there would be more than `most` blocks. `zeros`: whether a zero can be part of the text. */
export function planText(automaton: Automaton, zeros: boolean, longest: number, most: number): TextPlan | undefined {
  const { classes, classCount, transitions, start, settled } = automaton;
  const possible = new Set(zeros ? classes : classes.subarray(1));
  const waiting: Set<number>[] = [];
  const lead = (to: number, at: number): void => {
    if (to < settled || at === longest) return;
    waiting[at] ??= new Set();
    waiting[at].add(to);
  };
  let [bytes, blocks] = [0, 0];
  lead(start, 0);
  for (let at = 0; at < waiting.length; at += 1)
    for (const one of waiting[at] ?? []) {
      const run = onlyText(automaton, longest, one, at);
      const isRun = run.bytes.length >= 2;
      blocks += isRun ? loadsOf(run.bytes.length).length : 1;
      bytes = Math.max(bytes, at + (isRun ? run.bytes.length : 1));
      if (blocks > most) return undefined;
      if (isRun) lead(run.to, at + run.bytes.length);
      else for (const by of possible) lead(transitions[one * classCount + by]!, at + 1);
    }
  return { automaton, longest, bytes, blocks };
}

/** The forced bytes from this state, over states in which nothing matches, and the state after them. */
function onlyText(
  { classes, classCount, transitions, accepts, settled }: Automaton,
  longest: number,
  from: number,
  at: number,
): { readonly bytes: readonly number[]; readonly to: number } {
  const bytes: number[] = [];
  let one = from;
  while (one >= settled && accepts[one] === 0 && at + bytes.length < longest) {
    const ways = transitions.subarray(one * classCount, (one + 1) * classCount);
    const way = ways.findIndex((to) => to !== dead);
    if (way < 0 || ways.findLastIndex((to) => to !== dead) !== way) break;
    const byte = classes.indexOf(way);
    if (byte !== classes.lastIndexOf(way) || byte === 0) break;
    bytes.push(byte);
    one = ways[way]!;
  }
  return { bytes, to: one };
}

/** In which sizes so many bytes are loaded. */
function loadsOf(count: number): MemorySize[] {
  const sizes: MemorySize[] = [];
  for (let done = 0; done < count; done += sizes.at(-1)!)
    sizes.push(([8, 4, 2, 1] as const).find((one) => done + one <= count)!);
  return sizes;
}

/**
 * Ends the current block; continues in `found(set)`, with the index of the text's accept set. `plan.bytes` bytes can be
 * read at `base` + `offset`; behind the end of the text, as far as a pattern is compared with them, are zeros or bytes that
 * follow a zero.
 */
export function matchText(
  builder: BodyBuilder,
  plan: TextPlan,
  text: { readonly base: Value; readonly offset: number; readonly end: TextEnd },
  found: (set: number) => Block,
): void {
  new TextMatch(builder, plan, text, found).run();
}

class TextMatch {
  readonly #builder: BodyBuilder;
  readonly #automaton: Automaton;
  readonly #longest: number;
  readonly #base: Value;
  readonly #offset: number;
  readonly #end: TextEnd;
  readonly #found: (set: number) => Block;
  /** By position and state: the blocks that something leads to. Each position is filled before the next one. */
  readonly #waiting: Map<number, Block>[] = [];

  constructor(
    builder: BodyBuilder,
    { automaton, longest }: TextPlan,
    { base, offset, end }: Parameters<typeof matchText>[2],
    found: (set: number) => Block,
  ) {
    this.#builder = builder;
    this.#automaton = automaton;
    this.#longest = longest;
    this.#base = base;
    this.#offset = offset;
    this.#end = end;
    this.#found = found;
  }

  run(): void {
    this.#builder.goto(this.#target(this.#automaton.start, 0));
    for (let at = 0; at < this.#waiting.length; at += 1)
      for (const [one, block] of this.#waiting[at] ?? []) {
        this.#builder.current = block;
        const run = onlyText(this.#automaton, this.#longest, one, at);
        if (run.bytes.length >= 2) this.#compare(run, at);
        else this.#branch(one, at);
      }
  }

  /** The continuation of a string whose first `at` bytes lead to this state. */
  #target(one: number, at: number): Block {
    if (one < this.#automaton.settled || at === this.#longest) return this.#result(one);
    this.#waiting[at] ??= new Map();
    const known = this.#waiting[at].get(one);
    if (known !== undefined) return known;
    const block = new Block();
    this.#waiting[at].set(one, block);
    return block;
  }

  #result(one: number): Block {
    return this.#found(this.#automaton.accepts[one]!);
  }

  #compare({ bytes, to }: { readonly bytes: readonly number[]; readonly to: number }, at: number): void {
    const none = this.#result(dead);
    if (this.#end.is === "length")
      this.#continueUnless("less", this.#end.length, { immediate: at + bytes.length }, none, 64);
    let done = 0;
    for (const size of loadsOf(bytes.length)) {
      const wanted = bytes.slice(done, done + size).reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n);
      const found = this.#builder.load(size, this.#base, this.#offset + at + done);
      if (size === 8) this.#continueUnless("not-equal", found, this.#builder.constant(wanted), none, 64);
      else this.#continueUnless("not-equal", found, { immediate: Number(BigInt.asIntN(32, wanted)) }, none, 32);
      done += size;
    }
    this.#builder.goto(this.#target(to, at + bytes.length));
  }

  #continueUnless(
    condition: "less" | "not-equal",
    left: Value,
    right: { readonly immediate: number } | { readonly value: Value },
    otherwise: Block,
    width: 32 | 64,
  ): void {
    const next = new Block();
    this.#builder.branch(condition, left, right, otherwise, next, width);
    this.#builder.current = next;
  }

  #branch(one: number, at: number): void {
    const { classes, classCount, transitions } = this.#automaton;
    const builder = this.#builder;
    const end = this.#end;
    if (end.is === "length") {
      const next = new Block();
      builder.branch("equal", end.length, { immediate: at }, this.#result(one), next);
      builder.current = next;
    }
    const byte = builder.load(1, this.#base, this.#offset + at);
    const ranges: (DispatchRange & { to: bigint })[] = [];
    for (let value = 0; value < 256; value += 1) {
      const ends = value === 0 && end.is === "zero";
      const to = transitions[one * classCount + classes[value]!]!;
      const block = ends ? this.#result(one) : this.#target(to, at + 1);
      const last = ranges.at(-1);
      if (last?.block === block) last.to = BigInt(value);
      else ranges.push({ from: BigInt(value), to: BigInt(value), block });
    }
    dispatch(builder, byte, ranges, ranges.at(-1)!.block, true, 0n, 255n);
  }
}
