/**
 * Decisions under construction: hash-consed graphs of tests of arguments, with leaves. `join` removes the choices of
 * the stateful part: if a condition on state chooses between two decisions, either may be the result.
 */

import { BitSet } from "../../ir/bit-set.ts";
import { type CallWord, callWords, isCallWord } from "../../ir/inputs.ts";
import type { Program } from "../../ir/program.ts";
import { strictness } from "../../ir/verdicts.ts";
import type { ArgumentTest, Decision, StatefulReason } from "../decision.ts";
import { type Environment, Environments } from "./environment.ts";
import { complement, intersect, onlyValue } from "./intervals.ts";
import type { TermPool, Test } from "./terms.ts";

export type DecisionNode = LeafNode | TestNode;

export interface LeafNode {
  readonly kind: "leaf";
  readonly id: number;
  /** Sorted by strictness, then index. */
  readonly possible: readonly number[];
  readonly reasons: ReasonSet;
  readonly height: 0;
  readonly words: 0;
}

export interface TestNode {
  readonly kind: "test";
  readonly id: number;
  readonly test: Test;
  readonly then: DecisionNode;
  readonly otherwise: DecisionNode;
  readonly height: number;
  /** One bit for each word that is tested here or below. */
  readonly words: number;
}

export interface ReasonSet {
  readonly id: number;
  readonly keys: readonly string[];
}

/** Deeper joins become one leaf. */
const deepestJoin = 1500;
/** A larger decision that gets further reasons becomes one leaf. */
const mostNodes = 4096;

export class Decisions {
  readonly #pool: TermPool;
  readonly #environments: Environments;
  readonly #program: Program;
  readonly #nodes = new Map<string, DecisionNode>();
  readonly #reasonSets = new Map<string, ReasonSet>();
  readonly #reasons = new Map<string, StatefulReason>();
  readonly #joins = new Map<string, DecisionNode>();
  readonly #finished = new Map<string, DecisionNode>();
  readonly #exported = new Map<DecisionNode, Decision>();
  readonly #allPossible = new Map<DecisionNode, BitSet>();
  readonly none: ReasonSet;
  #count = 0;
  #steps = 0;
  /** The cost so far: entries of lists that were read or written. */
  work = 0;
  readonly #mostJoins: number;
  readonly #mostSimplifications: number;

  constructor(environments: Environments, mostJoins: number, mostSimplifications: number) {
    this.#pool = environments.pool;
    this.#environments = environments;
    this.#program = environments.pool.program;
    this.#mostJoins = mostJoins;
    this.#mostSimplifications = mostSimplifications;
    this.none = this.#reasonSet([]);
  }

  reasons(list: readonly StatefulReason[]): ReasonSet {
    return this.#reasonSet(
      list.map((reason) => {
        const key = reasonKey(reason);
        if (!this.#reasons.has(key)) this.#reasons.set(key, reason);
        return key;
      }),
    );
  }

  #reasonSet(keys: readonly string[]): ReasonSet {
    this.work += keys.length;
    const sorted = [...new Set(keys)].sort();
    const key = sorted.join(";");
    let set = this.#reasonSets.get(key);
    if (set === undefined) {
      set = { id: this.#reasonSets.size, keys: sorted };
      this.#reasonSets.set(key, set);
    }
    return set;
  }

  #unite(left: ReasonSet, right: ReasonSet): ReasonSet {
    if (left === right || right.keys.length === 0) return left;
    if (left.keys.length === 0) return right;
    return this.#reasonSet([...left.keys, ...right.keys]);
  }

  leaf(possible: readonly number[], reasons: ReasonSet): LeafNode {
    const { verdicts } = this.#program;
    this.work += possible.length;
    const sorted =
      possible.length < 2
        ? possible
        : [...new Set(possible)].sort(
            (a, b) => strictness[verdicts[a]!.action] - strictness[verdicts[b]!.action] || a - b,
          );
    const key = `${sorted.join()}|${reasons.id}`;
    let node = this.#nodes.get(key);
    if (node === undefined) {
      node = { kind: "leaf", id: this.#count++, possible: sorted, reasons, height: 0, words: 0 };
      this.#nodes.set(key, node);
    }
    return node as LeafNode;
  }

  test(test: Test, then: DecisionNode, otherwise: DecisionNode): DecisionNode {
    if (then === otherwise) return then;
    const key = `${test.id}?${then.id}:${otherwise.id}`;
    let node = this.#nodes.get(key);
    if (node === undefined) {
      node = {
        kind: "test",
        id: this.#count++,
        test,
        then,
        otherwise,
        height: 1 + Math.max(then.height, otherwise.height),
        words: then.words | otherwise.words | (1 << callWords.indexOf(wordOf(test))),
      };
      this.#nodes.set(key, node);
    }
    return node;
  }

  /** The possible results if the stateful part chooses between the two, for these reasons. */
  join(left: DecisionNode, right: DecisionNode, reasons: ReasonSet): DecisionNode {
    return this.#join(left, right, reasons, Environments.empty, 0);
  }

  #join(a: DecisionNode, b: DecisionNode, reasons: ReasonSet, facts: Environment, depth: number): DecisionNode {
    if (a === b) return a;
    if (a.kind === "leaf" && b.kind === "leaf") {
      return this.leaf([...a.possible, ...b.possible], this.#unite(this.#unite(a.reasons, b.reasons), reasons));
    }
    if (depth > deepestJoin || this.#steps++ > this.#mostJoins) return this.#collapse(a, b);
    // Facts matter only if both sides test the same word: each side alone has its own.
    const shared = a.words & b.words;
    const known = this.#restrict(facts, shared);
    const left = this.#follow(a, known);
    const right = this.#follow(b, known);
    if (left !== a || right !== b) return this.#join(left, right, reasons, known, depth + 1);
    const key = `${a.id},${b.id},${reasons.id},${this.#environments.intern(known)}`;
    let result = this.#joins.get(key);
    if (result !== undefined) return result;
    const { test } = a.kind === "test" ? a : (b as TestNode);
    const yes = this.#environments.learn(known, test, true);
    const no = this.#environments.learn(known, test, false);
    const thenA = a.kind === "test" && a.test === test ? a.then : a;
    const thenB = b.kind === "test" && b.test === test ? b.then : b;
    const elseA = a.kind === "test" && a.test === test ? a.otherwise : a;
    const elseB = b.kind === "test" && b.test === test ? b.otherwise : b;
    const then = yes && this.#join(thenA, thenB, reasons, yes, depth + 1);
    const otherwise = no && this.#join(elseA, elseB, reasons, no, depth + 1);
    result = then === undefined ? otherwise! : otherwise === undefined ? then : this.test(test, then, otherwise);
    this.#joins.set(key, result);
    return result;
  }

  #restrict(facts: Environment, shared: number): Environment {
    if (facts.slots.length === 0) return facts;
    if (shared === 0) return Environments.empty;
    const retained = callWords.filter((_, bit) => (shared & (1 << bit)) !== 0).map((word) => this.#pool.input(word));
    return this.#environments.trim(facts, Number.POSITIVE_INFINITY, retained);
  }

  /** Skips the tests that the facts decide. */
  #follow(node: DecisionNode, facts: Environment): DecisionNode {
    let current = node;
    while (current.kind === "test") {
      const outcome = this.#environments.decide(facts, current.test);
      if (outcome === undefined) return current;
      current = outcome ? current.then : current.otherwise;
    }
    return current;
  }

  /** One leaf with all verdicts of both: less precise, but sound. */
  #collapse(a: DecisionNode, b: DecisionNode): LeafNode {
    const possible = this.#possibleIn(a).union(this.#possibleIn(b)).list();
    return this.leaf(possible, this.reasons([{ because: "too-complex" }]));
  }

  /** The verdicts of all leaves below a node. Each node is visited once. */
  #possibleIn(root: DecisionNode): BitSet {
    const pending = [root];
    for (let node = pending.at(-1); node !== undefined; node = pending.at(-1)) {
      if (this.#allPossible.has(node)) {
        pending.pop();
        continue;
      }
      this.work += 1 + (this.#program.verdicts.length >> 5);
      if (node.kind === "leaf") {
        this.#allPossible.set(node, BitSet.none(this.#program.verdicts.length).with(node.possible));
        continue;
      }
      const [then, otherwise] = [this.#allPossible.get(node.then), this.#allPossible.get(node.otherwise)];
      if (then === undefined) pending.push(node.then);
      if (otherwise === undefined) pending.push(node.otherwise);
      if (then !== undefined && otherwise !== undefined) this.#allPossible.set(node, then.union(otherwise));
    }
    return this.#allPossible.get(root)!;
  }

  /** The same tests over other leaves, or over further tests instead of leaves. */
  replaceLeaves(root: DecisionNode, change: (leaf: LeafNode) => DecisionNode): DecisionNode {
    return this.#replace(root, this.#reachable(root), change);
  }

  #reachable(root: DecisionNode): DecisionNode[] {
    const nodes = reachable(root);
    this.work += nodes.length;
    return nodes;
  }

  #replace(root: DecisionNode, nodes: readonly DecisionNode[], change: (leaf: LeafNode) => DecisionNode): DecisionNode {
    if (root.kind === "leaf") return change(root);
    const images = new Map<DecisionNode, DecisionNode>();
    for (const node of nodes) {
      images.set(
        node,
        node.kind === "leaf" ? change(node) : this.test(node.test, images.get(node.then)!, images.get(node.otherwise)!),
      );
    }
    return images.get(root)!;
  }

  addReasons(root: DecisionNode, reasons: ReasonSet): DecisionNode {
    if (reasons.keys.length === 0) return root;
    // If each of n rules adds its own reason, the sets of reasons make 2^n leaves.
    const nodes = this.#reachable(root);
    if (nodes.length > mostNodes) return this.#collapse(root, root);
    return this.#replace(root, nodes, (leaf) => this.leaf(leaf.possible, this.#unite(leaf.reasons, reasons)));
  }

  /** A full table may raise the verdict to this one. */
  mayRaise(root: DecisionNode, raised: number): DecisionNode {
    const { verdicts, tables } = this.#program;
    const rank = (verdict: number) => strictness[verdicts[verdict]!.action];
    return this.replaceLeaves(root, (leaf) => {
      // Among equally strict verdicts the returned one wins over a raised one, and an earlier raised one over a later.
      const wins = leaf.possible.some(
        (verdict) =>
          rank(raised) > rank(verdict) ||
          (rank(raised) === rank(verdict) && tables.some((table) => table.full === verdict)),
      );
      return wins ? this.leaf([...leaf.possible, raised], leaf.reasons) : leaf;
    });
  }

  /** Drops the tests that earlier tests decide, and merges tests that can be one. */
  finish(root: DecisionNode): DecisionNode {
    return this.#finish(root, Environments.empty, { steps: 0 });
  }

  #finish(root: DecisionNode, facts: Environment, budget: { steps: number }): DecisionNode {
    interface Link {
      readonly test: Test;
      /** The side that is already finished, and the outcome that leads to it. */
      readonly side: DecisionNode;
      readonly outcome: boolean;
      readonly key: string;
    }
    const chain: Link[] = [];
    let current = root;
    let known = facts;
    for (;;) {
      known = this.#restrict(known, current.words);
      current = this.#follow(current, known);
      if (current.kind === "leaf") break;
      known = this.#restrict(known, current.words);
      const key = `${current.id},${this.#environments.intern(known)}`;
      const finished = this.#finished.get(key);
      if (finished !== undefined) {
        current = finished;
        break;
      }
      if (budget.steps++ > this.#mostSimplifications) break;
      const yes = this.#environments.learn(known, current.test, true);
      const no = this.#environments.learn(known, current.test, false);
      if (yes === undefined || no === undefined) {
        current = yes === undefined ? current.otherwise : current.then;
        known = (yes ?? no)!;
        continue;
      }
      // Recurses into the shorter side, so that a chain of thousands of tests is a loop.
      const outcome = current.then.height <= current.otherwise.height;
      const side = this.#finish(outcome ? current.then : current.otherwise, outcome ? yes : no, budget);
      chain.push({ test: current.test, side, outcome, key });
      known = outcome ? no : yes;
      current = outcome ? current.otherwise : current.then;
    }
    for (let i = chain.length - 1; i >= 0; i--) {
      const { test, side } = chain[i]!;
      // Consecutive tests of one part of one word that leave the chain for the same side become one test.
      let leaving = leavingSet(chain[i]!);
      let first = i;
      while (first > 0) {
        const before = chain[first - 1]!;
        if (before.side !== side || before.test.term !== test.term || before.test.mask !== test.mask) break;
        first--;
        leaving = leaving.concat(leavingSet(before));
      }
      current = this.#merged(test, leaving, side, current);
      i = first;
      this.#finished.set(chain[i]!.key, current);
    }
    return current;
  }

  /** `test.term & test.mask in leaving ? side : rest`, merged with the tests directly below if that makes fewer. */
  #merged(test: Test, leaving: Test["intervals"], side: DecisionNode, rest: DecisionNode): DecisionNode {
    if (side === rest) return side;
    const formula = this.#pool.test(test.term, test.mask, leaving);
    if (formula === this.#pool.yes) return side;
    if (formula.shape.kind !== "test") return rest;
    const { test: canonical, negated } = formula.shape;
    return this.#branch(canonical, negated ? rest : side, negated ? side : rest);
  }

  #branch(test: Test, then: DecisionNode, otherwise: DecisionNode): DecisionNode {
    if (then === otherwise) return then;
    for (const outcome of [true, false]) {
      const inner = outcome ? then : otherwise;
      const outer = outcome ? otherwise : then;
      if (inner.kind !== "test" || inner.test.term !== test.term) continue;
      const here = outcome ? test.intervals : complement(test.intervals, test.mask);
      for (const innerOutcome of [true, false]) {
        if ((innerOutcome ? inner.otherwise : inner.then) !== outer) continue;
        const { mask, intervals } = inner.test;
        const there = innerOutcome ? intervals : complement(intervals, mask);
        const target = innerOutcome ? inner.then : inner.otherwise;
        let formula = this.#pool.no;
        if (mask === test.mask) formula = this.#pool.test(test.term, mask, intersect(here, there));
        else {
          const first = onlyValue(here);
          const second = onlyValue(there);
          if (first === undefined || second === undefined) continue;
          if (((first ^ second) & mask & test.mask) === 0n) {
            const value = first | second;
            formula = this.#pool.test(test.term, mask | test.mask, [{ from: value, to: value }]);
          }
        }
        if (formula.shape.kind !== "test") return formula === this.#pool.yes ? target : outer;
        const { test: joined, negated } = formula.shape;
        return this.#branch(joined, negated ? outer : target, negated ? target : outer);
      }
    }
    return this.test(test, then, otherwise);
  }

  /** The decision in its exported form. */
  export(root: DecisionNode): Decision {
    const known = this.#exported.get(root);
    if (known !== undefined) return known;
    for (const node of reachable(root)) {
      if (this.#exported.has(node)) continue;
      this.#exported.set(
        node,
        node.kind === "leaf"
          ? {
              kind: "leaf",
              weakest: node.possible[0]!,
              possible: node.possible,
              stateful: node.reasons.keys.map((key) => this.#reasons.get(key)!),
            }
          : {
              kind: "test",
              test: argumentTest(node.test),
              then: this.#exported.get(node.then)!,
              otherwise: this.#exported.get(node.otherwise)!,
            },
      );
    }
    return this.#exported.get(root)!;
  }
}

function wordOf({ term: { shape } }: Test): CallWord {
  if (shape.kind !== "input" || !isCallWord(shape.input)) throw new Error("a decision tests only words of the call");
  return shape.input;
}

const exportedTests = new WeakMap<Test, ArgumentTest>();

function argumentTest(test: Test): ArgumentTest {
  let exported = exportedTests.get(test);
  if (exported === undefined) {
    exported = { word: wordOf(test), mask: test.mask, intervals: test.intervals };
    exportedTests.set(test, exported);
  }
  return exported;
}

function leavingSet({ test, outcome }: { test: Test; outcome: boolean }): Test["intervals"] {
  return outcome ? test.intervals : complement(test.intervals, test.mask);
}

/** All nodes, each after its children. (A node is created after its children, so its id is larger.) */
function reachable(root: DecisionNode): DecisionNode[] {
  const seen = new Set<DecisionNode>([root]);
  for (const node of seen) {
    if (node.kind === "test") {
      seen.add(node.then);
      seen.add(node.otherwise);
    }
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

function reasonKey(reason: StatefulReason): string {
  switch (reason.because) {
    case "reads-state":
    case "changes-state":
      return `${reason.because} ${reason.cell}`;
    case "reads-table":
    case "changes-table":
      return `${reason.because} ${reason.table}`;
    case "reads-input":
      return `${reason.because} ${reason.input}`;
    case "reads-memory":
      return `${reason.because} ${reason.observation}`;
    case "reads-parameter":
      return `${reason.because} ${reason.parameter}`;
    case "reports":
      return `${reason.because} ${reason.report}`;
    case "enters-room":
      return `${reason.because} ${reason.room} ${reason.side}`;
    case "asks":
    case "not-expressible":
    case "process-creation":
    case "execution":
    case "restriction":
    case "rights":
    case "too-complex":
      return reason.because;
  }
}
