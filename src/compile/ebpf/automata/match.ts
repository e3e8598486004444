/**
 * An automaton of string patterns as an eBPF function, in forms that mean the same: a loop over tables, the same without a
 * jump back, comparisons of endings, and the automaton itself as code. `form.ts` chooses.
 */
import { type Automaton, dead, run } from "../../../patterns/automaton.ts";
import type { Pattern } from "../../../patterns/pattern.ts";
import { automatonTables } from "../../../patterns/tables.ts";
import { buildSearch, type Search, type Segment } from "../../search.ts";
import { Code } from "../instructions/code.ts";
import type { MemorySize, Register } from "../instructions/instruction.ts";

// | R1 | R2 | gives in R0 |
// | --- | --- | --- |
// | the text, of which `room` bytes can be read | its length | the index of the accept set, as `run` gives it |
//
// Where the text is longer than the room, or the kernel ends a loop, R0 is `undecided`: no match, and no mismatch either. The
// caller must refuse the call.

/** −1: no index of an accept set. */
export const undecided = -1;

export interface MatchPlace {
  /** How many bytes can be read at R1, whatever the length: 1 … 32,767. */
  readonly room: number;
  /** Where the tables lie that `matchTables` gives, for the forms that have some: in an array map's first value. */
  readonly tables: { readonly map: number; readonly offset: number };
}

const text: Register = 1;
const length: Register = 2;
const state: Register = 3;
const position: Register = 4;
const spare: Register = 5;
const tables: Register = 6;
const over = "over";
const early = "early";
const empty = "empty";
const refuse = "refuse";

/**
 * The tables, for the loop and the form without one. Behind them is room, so that any class of any state can be read: the
 * verifier knows of a class only that it is a byte.
 */
export function matchTables(automaton: Automaton): Uint8Array {
  const { bytes, transitions } = automatonTables(automaton);
  const { stateCount, classCount } = automaton;
  const readable = transitions + 2 * ((stateCount - 1) * classCount + 256);
  const padded = new Uint8Array((Math.max(bytes.length, readable) + 7) & ~7);
  padded.set(bytes);
  return padded;
}

/**
 * The loop: the same few instructions for each automaton. Seccomp programs have neither `may_goto` nor functions with loops,
 * and a loader without CAP_PERFMON cannot load it.
 */
export function loopMatch(automaton: Automaton, { room, tables: place }: MatchPlace): Code {
  const code = begin(automaton, room, place);
  // 0, as a number of which the verifier knows no more than its bounds: from a constant it would follow each round.
  code.move(position, length);
  code.arithmetic("subtract", position, { register: length });
  code.label("next");
  code.mayGoto(refuse);
  code.jump("at-least", position, { register: length }, over);
  code.move(spare, text);
  code.arithmetic("add", spare, { register: position });
  code.load(1, spare, spare, 0);
  advance(code, automaton);
  checkState(code, automaton);
  code.arithmetic("add", position, { immediate: 1 });
  code.jump("at-least", state, { immediate: automaton.settled }, "next");
  code.label(over);
  loadResult(code, automaton);
  code.label(refuse);
  code.result(undecided);
  return code;
}

/**
 * Without a jump back: the round is written out `room` times.
 *
 * It can be loaded where the verifier guards against speculation (kernel/bpf/verifier.c, Linux 6.12). There, an address must
 * be computed within the same bounds on all ways that lead to an instruction (sanitize_ptr_alu); so the ways on which the
 * verifier knows more of the state have ends of their own. And behind a jump whose way is known, the verifier follows the
 * other way too and forgets the register (sanitize_speculative_path); so bounds are looked at last.
 */
export function unrolledMatch(automaton: Automaton, { room, tables: place }: MatchPlace): Code {
  const { start, settled, accepts } = automaton;
  const code = begin(automaton, room, place);
  for (let at = 0; at < room; at++) {
    code.jump("equal", length, { immediate: at }, at === 0 ? empty : over);
    code.load(1, spare, text, at);
    advance(code, automaton);
    if (at % roundsBetweenLooks === 0) code.jump("less", state, { immediate: settled }, early);
    checkState(code, automaton);
  }
  code.label(over);
  loadResult(code, automaton);
  code.label(early);
  code.jump("at-least", state, { immediate: settled }, refuse);
  loadResult(code, automaton);
  code.label(empty);
  code.result(accepts[start]!);
  code.label(refuse);
  code.result(undecided);
  return code;
}

/** After how many bytes the form without a loop looks whether what follows matters. */
const roundsBetweenLooks = 8;

function begin({ start }: Automaton, room: number, place: MatchPlace["tables"]): Code {
  const code = new Code();
  code.jump("greater", length, { immediate: room }, refuse);
  code.wide(tables, { is: "map-value", ...place });
  code.arithmetic("move", state, { immediate: start });
  return code;
}

/** `state` = where it leads by the byte in `spare`. */
function advance(code: Code, { classCount }: Automaton): void {
  code.arithmetic("add", spare, { register: tables });
  code.load(1, spare, spare, 0);
  code.arithmetic("multiply", state, { immediate: classCount });
  code.arithmetic("add", state, { register: spare });
  code.arithmetic("shift-left", state, { immediate: 1 });
  code.arithmetic("add", state, { register: tables });
  code.load(2, state, state, 256);
}

/** Every entry of the tables is a state. This is how the verifier knows. */
function checkState(code: Code, { stateCount }: Automaton): void {
  code.jump("at-least", state, { immediate: stateCount }, refuse);
}

function loadResult(code: Code, automaton: Automaton): void {
  code.arithmetic("shift-left", state, { immediate: 1 });
  code.arithmetic("add", state, { register: tables });
  code.arithmetic("add", state, { immediate: automatonTables(automaton).accepts });
  code.load(2, 0, state, 0);
  code.exit();
}

// ── Endings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Patterns that all are `endsWith`, without a loop or tables: the last bytes are compared with each ending, the longest
 * ending first. Of endings that match one text, each is an ending of the next longer one, so the first that matches says
 * which others do. `patterns` are those of the automaton; undefined where another kind is among them.
 */
export function endingsMatch(
  automaton: Automaton,
  patterns: readonly Pattern[],
  { room }: Pick<MatchPlace, "room">,
): Code | undefined {
  if (patterns.some(({ kind }) => kind !== "endsWith")) return undefined;
  const endings = [...new Set(patterns.map((pattern) => pattern.text))].map((each) => new TextEncoder().encode(each));
  const code = new Code();
  const sizes = [...new Set(endings.map((ending) => ending.length))].sort((a, b) => b - a);
  code.jump("greater", length, { immediate: room }, refuse);
  for (const size of sizes) {
    if (size > room) continue;
    if (size === 0) {
      code.result(run(automaton, new Uint8Array(0)));
      break;
    }
    const shorter = `shorter than ${size}`;
    code.jump("less", length, { immediate: size }, shorter);
    addressOfLast(code, size, room);
    for (const [index, ending] of endings.entries()) {
      if (ending.length !== size) continue;
      const other = `not ending ${index}`;
      compareBytes(code, position, 0, ending, other);
      code.result(run(automaton, ending));
      code.label(other);
    }
    code.label(shorter);
  }
  if (sizes.at(-1) !== 0) code.result(0);
  code.label(refuse);
  code.result(undecided);
  return code;
}

/**
 * `position` = the address of the last `size` bytes. What the verifier knows of the length differs between the ways that
 * lead here, and must not show in the address (see `unrolledMatch`): so a number that it does not know is added and taken
 * away, and the bounds are looked at again.
 */
function addressOfLast(code: Code, size: number, room: number): void {
  code.move(position, length);
  code.load(1, spare, text, 0);
  code.arithmetic("shift-left", spare, { immediate: 24 });
  code.arithmetic("add", position, { register: spare });
  code.arithmetic("subtract", position, { register: spare });
  code.arithmetic("subtract", position, { immediate: size });
  code.jump("greater", position, { immediate: room - size }, refuse);
  code.arithmetic("add", position, { register: text });
}

/** Goes on where these bytes lie at `base` + `offset`, else to the label. */
function compareBytes(code: Code, base: Register, offset: number, bytes: Uint8Array, otherwise: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let done = 0; done < bytes.length; ) {
    const size = ([8, 4, 2, 1] as const).find((one) => done + one <= bytes.length)!;
    const value = wordAt(view, done, size);
    code.load(size, spare, base, offset + done);
    if (value < 1n << 31n) code.jump("not-equal", spare, { immediate: Number(value) }, otherwise);
    else {
      code.wide(0, { is: "value", value });
      code.jump("not-equal", spare, { register: 0 }, otherwise);
    }
    done += size;
  }
}

function wordAt(view: DataView, at: number, size: MemorySize): bigint {
  if (size === 8) return view.getBigUint64(at, true);
  if (size === 4) return BigInt(view.getUint32(at, true));
  return BigInt(size === 2 ? view.getUint16(at, true) : view.getUint8(at));
}

// ── As code ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The automaton as code without a jump back and without tables: a block for each state and position. Where one text only
 * leads on, many bytes are compared at once. Undefined where a state that is not settled leads back to itself, as a star
 * makes it do, or where there would be more than `most` blocks.
 */
export function treeMatch(automaton: Automaton, { room }: Pick<MatchPlace, "room">, most: number): Code | undefined {
  if (isCyclic(automaton)) return undefined;
  return new Tree(automaton, room).code(most);
}

/** Whether a text can come back to a state that is not settled. */
function isCyclic({ stateCount, classCount, settled, transitions }: Automaton): boolean {
  // Takes away what nothing leads to, again and again. What remains is in a cycle, or behind one.
  const leading = new Uint32Array(stateCount);
  for (let at = settled * classCount; at < transitions.length; at++) leading[transitions[at]!]! += 1;
  const pending: number[] = [];
  for (let one = settled; one < stateCount; one++) if (leading[one] === 0) pending.push(one);
  let remaining = stateCount - settled;
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    remaining -= 1;
    for (let at = one * classCount; at < (one + 1) * classCount; at++) {
      const to = transitions[at]!;
      leading[to]! -= 1;
      if (leading[to] === 0 && to >= settled) pending.push(to);
    }
  }
  return remaining > 0;
}

class Tree {
  readonly #automaton: Automaton;
  readonly #room: number;
  readonly #code = new Code();
  /** By position: the states whose blocks are still to be written. Each block follows all that lead to it. */
  readonly #waiting: Set<number>[] = [];
  readonly #results = new Set<number>();
  #labels = 0;

  constructor(automaton: Automaton, room: number) {
    this.#automaton = automaton;
    this.#room = room;
  }

  code(most: number): Code | undefined {
    const code = this.#code;
    let blocks = 0;
    code.jump("greater", length, { immediate: this.#room }, refuse);
    code.goto(this.#target(this.#automaton.start, 0));
    for (let at = 0; at < this.#waiting.length; at++)
      for (const one of this.#waiting[at] ?? []) {
        blocks += 1;
        if (blocks > most) return undefined;
        this.#begin(blockLabel(one, at));
        this.#block(one, at);
      }
    for (const set of this.#results) {
      this.#begin(resultLabel(set));
      code.result(set);
    }
    code.label(refuse);
    code.result(undecided);
    return code;
  }

  #begin(label: string): void {
    this.#code.dropLast(label);
    this.#code.label(label);
  }

  /** The label at which a text goes on of which `at` bytes have led to this state. */
  #target(one: number, at: number): string {
    // A text that is as long as there is room has ended.
    if (one < this.#automaton.settled || at === this.#room) return this.#result(one);
    this.#waiting[at] ??= new Set();
    this.#waiting[at].add(one);
    return blockLabel(one, at);
  }

  #result(one: number): string {
    const set = this.#automaton.accepts[one]!;
    this.#results.add(set);
    return resultLabel(set);
  }

  #block(one: number, at: number): void {
    const only = this.#onlyText(one, at);
    if (only.bytes.length >= 2) this.#compare(only, at);
    else this.#search(one, at);
  }

  /** The bytes that alone lead on from here, over states in which nothing matches, and the state behind them. */
  #onlyText(from: number, at: number): { bytes: number[]; to: number } {
    const { classes, classCount, transitions, accepts, settled } = this.#automaton;
    const bytes: number[] = [];
    let one = from;
    while (one >= settled && accepts[one] === 0 && at + bytes.length < this.#room) {
      const ways = transitions.subarray(one * classCount, (one + 1) * classCount);
      const way = ways.findIndex((to) => to !== dead);
      if (ways.findLastIndex((to) => to !== dead) !== way) break;
      if (classes.indexOf(way) !== classes.lastIndexOf(way)) break;
      bytes.push(classes.indexOf(way));
      one = ways[way]!;
    }
    return { bytes, to: one };
  }

  #compare({ bytes, to }: { bytes: readonly number[]; to: number }, at: number): void {
    const code = this.#code;
    const none = this.#result(dead);
    code.jump("less", length, { immediate: at + bytes.length }, none);
    compareBytes(code, text, at, Uint8Array.from(bytes), none);
    code.goto(this.#target(to, at + bytes.length));
  }

  #search(one: number, at: number): void {
    const { classes, classCount, transitions } = this.#automaton;
    this.#code.jump("equal", length, { immediate: at }, this.#result(one));
    this.#code.load(1, spare, text, at);
    const segments: (Segment<string> & { to: number })[] = [];
    for (let byte = 0; byte < 256; byte++) {
      const target = this.#target(transitions[one * classCount + classes[byte]!]!, at + 1);
      const last = segments.at(-1);
      if (last?.target === target) last.to = byte;
      else segments.push({ from: byte, to: byte, target, weight: 1, limit: Number.POSITIVE_INFINITY });
    }
    this.#emit(buildSearch(segments, priceOfInstruction));
  }

  #emit(search: Search<string>): void {
    const code = this.#code;
    if (search.kind === "found") return code.goto(search.target);
    const { operator, value, then, otherwise } = search;
    const right = { immediate: value };
    if (then.kind === "found") {
      code.jump(operator, spare, right, then.target);
      this.#emit(otherwise);
    } else if (otherwise.kind === "found") {
      code.jump(operator === "equal" ? "not-equal" : "less", spare, right, otherwise.target);
      this.#emit(then);
    } else {
      this.#labels += 1;
      const label = `arm ${this.#labels}`;
      code.jump(operator, spare, right, label);
      this.#emit(otherwise);
      code.label(label);
      this.#emit(then);
    }
  }
}

/** What one more instruction is worth in steps: programs are small, and a kernel may bound them. */
const priceOfInstruction = 0.5;

const blockLabel = (one: number, at: number): string => `state ${one} at ${at}`;
const resultLabel = (set: number): string => `set ${set}`;
