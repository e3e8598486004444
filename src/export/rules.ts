/**
 * Translates a classic filter's decisions into rules of libseccomp, which container runtimes apply.
 *
 * A rule gives an action if each of its conditions holds; it has at most one condition on each argument, a 64-bit
 * comparison. libseccomp defines no order of rules, so the rules of a call are disjoint. A condition here is a mask and a
 * value (SCMP_CMP_MASKED_EQ): intervals are split into aligned blocks, and the conjunction of two conditions is one.
 */

import { callByNumber } from "../abi/calls.ts";
import { returnWord } from "../abi/return-word.ts";
import type { ArgumentTest, Decision } from "../analysis/decision.ts";
import { complement } from "../analysis/split/intervals.ts";
import type { StaticFilter } from "../engines/engine/static-filter.ts";
import type { NotifiedCall } from "../engines/notify/policy/tested-calls.ts";
import { argumentInputs } from "../ir/inputs.ts";
import type { Interval, Program } from "../ir/program.ts";
import type { ContainerFilter } from "./container-filter.ts";

/** `register & mask` equals `value`. */
export interface Condition {
  readonly mask: bigint;
  readonly value: bigint;
}

export interface Rule {
  /** `SECCOMP_RET_… | data` */
  readonly word: number;
  /** By argument register; without conditions the rule is the call's only one. */
  readonly conditions: ReadonlyMap<number, Condition>;
}

export interface CallRules {
  readonly name: string;
  readonly number: number;
  /** Disjoint. Other arguments get the profile's default. */
  readonly rules: readonly Rule[];
}

export const everyBit = 0xffff_ffff_ffff_ffffn;
export const notify = returnWord("USER_NOTIF");

/** For a call with more rules the agent decides. */
const mostRulesOfCall = 256;
/** For all conditions. The kernel limits a filter to 4,096 instructions, of which the calls' numbers need some 700. */
const mostInstructions = 3000;
/** Ways through a decision can be many although few of them end in a rule. */
const mostSteps = 20_000;

// ── Decisions ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A decision whose leaves are return words. Equal words are one object. */
type Node = { readonly kind: "word"; readonly word: number } | Test;
interface Test {
  readonly kind: "test";
  readonly test: ArgumentTest;
  readonly then: Node;
  readonly otherwise: Node;
}

class Words {
  readonly #words = new Map<number, Node>();
  readonly #lowered = new Map<Decision, Node>();
  readonly #filter: StaticFilter;

  constructor(filter: StaticFilter) {
    this.#filter = filter;
  }

  word(word: number): Node {
    const node = this.#words.get(word) ?? { kind: "word", word };
    this.#words.set(word, node);
    return node;
  }

  decision(decision: Decision): Node {
    let node = this.#lowered.get(decision);
    if (node === undefined) {
      node =
        decision.kind === "leaf"
          ? this.word(this.#filter.target.leaf(decision))
          : test(decision.test, this.decision(decision.then), this.decision(decision.otherwise));
      this.#lowered.set(decision, node);
    }
    return node;
  }
}

function test(condition: ArgumentTest, then: Node, otherwise: Node): Node {
  return then === otherwise ? then : { kind: "test", test: condition, then, otherwise };
}

/** The call is reported where the tests hold; elsewhere the rest decides. */
function reportedWhere({ tests }: NotifiedCall, rest: Node, words: Words): Node {
  return tests.reduceRight<Node>((then, { argument, half, is, isNot = [] }) => {
    const shift = half === "high" ? 32n : 0n;
    const values = [...(is ?? isNot)].sort((a, b) => a - b).map((value) => BigInt(value) << shift);
    const intervals = values.map((value) => ({ from: value, to: value }));
    const mask = 0xffff_ffffn << shift;
    const condition = { word: argumentInputs[argument]!, mask, intervals };
    return is === undefined ? test(condition, rest, then) : test(condition, then, rest);
  }, words.word(notify));
}

// ── Rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────

class Inexpressible extends Error {}

/**
 * The rules of each call that the architecture has, by number; `usual` is the profile's default, which needs no rule.
 * `isExact`: the rules notify the agent of no more calls than the filter does.
 */
export function rulesOf(
  program: Program,
  { decided, reported }: Pick<ContainerFilter, "decided" | "reported">,
  usual: number,
  mostValue: bigint = everyBit,
): { readonly calls: readonly CallRules[]; readonly isExact: boolean } {
  const words = new Words(decided);
  const found: CallRules[] = [];
  let isExact = true;
  const add = (number: number, decision: Node): void => {
    const call = callByNumber(program.architecture, number);
    if (call === undefined) return;
    const own = reported.filter((one) => one.number === number);
    const node = own.reduceRight((rest, one) => reportedWhere(one, rest, words), decision);
    const { rules, isWhole } = rulesOfNode(node, usual, mostValue);
    isExact &&= isWhole;
    found.push({ name: call.name, number, rules });
  };
  for (const { from, to } of program.admission.always)
    for (let number = from; number <= to; number++) add(Number(number), words.word(decided.target.always));
  for (const [number, decision] of decided.split) add(number, words.decision(decision));
  const unknown = words.word(decided.target.unknown);
  for (const number of new Set(reported.map((one) => one.number)))
    if (!found.some((one) => one.number === number)) add(number, unknown);
  const costly = found
    .map((call) => ({ call, cost: instructionsOf(call.rules) }))
    .filter(({ cost }) => cost > 0)
    .sort((a, b) => b.cost - a.cost);
  let sum = costly.reduce((total, { cost }) => total + cost, 0);
  const dropped = new Set<CallRules>();
  for (const { call, cost } of costly) {
    if (sum <= mostInstructions) break;
    sum -= cost;
    dropped.add(call);
    isExact = false;
  }
  const calls = found.map((call) => (dropped.has(call) ? { ...call, rules: [always(notify)] } : call));
  return { calls: calls.sort((a, b) => (a.name < b.name ? -1 : 1)), isExact };
}

/** The length of the filter that libseccomp makes: a load, a mask and a test for each half of a condition, and a jump. */
function instructionsOf(rules: readonly Rule[]): number {
  const halves = rules
    .flatMap(({ conditions }) => [...conditions.values()])
    .map(({ mask }) => (mask >> 32n === 0n ? 0 : 1) + ((mask & 0xffff_ffffn) === 0n ? 0 : 1));
  return halves.reduce((sum, count) => sum + 3 * count + 1, 0);
}

const always = (word: number): Rule => ({ word, conditions: new Map() });

function rulesOfNode(
  node: Node,
  usual: number,
  mostValue: bigint,
): { readonly rules: readonly Rule[]; readonly isWhole: boolean } {
  if (node.kind === "word") return { rules: node.word === usual ? [] : [always(node.word)], isWhole: true };
  const rules: Rule[] = [];
  let isWhole = true;
  let steps = 0;
  const visit = (each: Node, conditions: ReadonlyMap<number, Condition>): void => {
    steps++;
    if (steps > mostSteps || rules.length > mostRulesOfCall) throw new Inexpressible();
    if (each.kind === "word") {
      if (each.word !== usual) rules.push({ word: each.word, conditions });
      return;
    }
    const { word, mask, intervals } = each.test;
    const argument = argumentInputs.indexOf(word as (typeof argumentInputs)[number]);
    if (argument < 0) {
      // libseccomp has no condition on the instruction pointer.
      isWhole = false;
      rules.push({ word: notify, conditions });
      return;
    }
    const branches = [
      [intervals, each.then],
      [complement(intervals, mask), each.otherwise],
    ] as const;
    for (const [values, next] of branches) {
      for (const block of values.flatMap((interval) => blocksOf(interval, mask))) {
        const both = conjunction(conditions.get(argument), block);
        if (both !== undefined && needsMore(both, mostValue)) throw new Inexpressible();
        if (both !== undefined) visit(next, new Map([...conditions, [argument, both]]));
      }
    }
  };
  try {
    visit(node, new Map());
  } catch (error) {
    if (!(error instanceof Inexpressible)) throw error;
    return { rules: [always(notify)], isWhole: false };
  }
  return { rules, isWhole };
}

/** A condition on all bits has one number, another one also its mask, which is not smaller. */
const needsMore = ({ mask, value }: Condition, most: bigint): boolean => (mask === everyBit ? value : mask) > most;

/** Both conditions; undefined if no value fulfils them. */
function conjunction(one: Condition | undefined, other: Condition): Condition | undefined {
  if (one === undefined) return other;
  if (((one.value ^ other.value) & one.mask & other.mask) !== 0n) return undefined;
  return { mask: one.mask | other.mask, value: one.value | other.value };
}

/** Conditions that together hold for the values of the interval under the mask, each at most once. */
export function blocksOf({ from, to }: Interval, mask: bigint): readonly Condition[] {
  const blocks: Condition[] = [];
  for (let start = from; start <= to; ) {
    let size = 1n;
    while ((start & (2n * size - 1n)) === 0n && start + 2n * size - 1n <= to) size *= 2n;
    // No value under the mask has a bit outside of it.
    if ((start & ~mask) === 0n) blocks.push({ mask: mask & ~(size - 1n), value: start });
    start += size;
  }
  return blocks;
}
