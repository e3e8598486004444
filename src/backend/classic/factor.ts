/**
 * Factors sets of tuples. In `a === 1 && b === 2 || a === 3 && b === 4 || …` each failed test leads to the next tuple, which
 * asks about `a` again. The factored decision asks about each masked register once: for each class of its values, only the
 * tests of other registers remain that these values lead to.
 */
import type { ArgumentTest, Decision, DecisionTest } from "../../analysis/decision.ts";
import type { Interval } from "../../ir/program.ts";

/** An equivalent decision; undefined if it would take more than `most` steps to find. */
export function factorDecision(root: Decision, most: number): Decision | undefined {
  return new Factoring(most).factor(root);
}

/** All nodes of the graph, each once. */
export function countDecisions(root: Decision): number {
  const seen = new Set<Decision>([root]);
  for (const decision of seen) if (decision.kind === "test") seen.add(decision.then).add(decision.otherwise);
  return seen.size;
}

class Factoring {
  #left: number;
  readonly #factored = new Map<Decision, Decision>();
  readonly #unique = new Map<string, DecisionTest>();
  readonly #ids = new Map<object, number>();

  constructor(most: number) {
    this.#left = most;
  }

  /** The recursion is as deep as there are different masked registers. */
  factor(decision: Decision): Decision | undefined {
    if (decision.kind === "leaf") return decision;
    const known = this.#factored.get(decision);
    if (known !== undefined) return known;
    const { word, mask } = decision.test;
    const isSame = (test: ArgumentTest) => test.word === word && test.mask === mask;
    const tests = this.#testsBehind(decision).filter(isSame);
    const parts = new Map<Decision, Interval[]>();
    for (const { holding, intervals } of classes(tests, mask)) {
      const rest = this.#restrict(decision, isSame, new Set(holding));
      const part = rest && this.factor(rest);
      if (part === undefined) return undefined;
      parts.set(part, [...(parts.get(part) ?? []), ...intervals]);
    }
    const [last, ...others] = [...parts].sort(([, a], [, b]) => b.length - a.length);
    const result = others.reduce<Decision>(
      (otherwise, [then, intervals]) => this.#test({ word, mask, intervals: joined(intervals) }, then, otherwise),
      last![0],
    );
    this.#factored.set(decision, result);
    return result;
  }

  #testsBehind(root: Decision): ArgumentTest[] {
    const seen = new Set<Decision>([root]);
    const tests = new Set<ArgumentTest>();
    for (const decision of seen) {
      this.#left--;
      if (decision.kind === "leaf") continue;
      tests.add(decision.test);
      seen.add(decision.then).add(decision.otherwise);
    }
    return [...tests];
  }

  /** The decision if of these tests exactly `holding` hold. Without recursion: decisions may be thousands of tests deep. */
  #restrict(
    root: Decision,
    isDecided: (test: ArgumentTest) => boolean,
    holding: ReadonlySet<ArgumentTest>,
  ): Decision | undefined {
    const done = new Map<Decision, Decision>();
    const path = [root];
    while (path.length > 0) {
      if (this.#left-- <= 0) return undefined;
      const decision = path.at(-1)!;
      if (decision.kind === "leaf") done.set(decision, decision);
      else if (isDecided(decision.test)) {
        const next = holding.has(decision.test) ? decision.then : decision.otherwise;
        const result = done.get(next);
        if (result === undefined) {
          path.push(next);
          continue;
        }
        done.set(decision, result);
      } else {
        const [then, otherwise] = [done.get(decision.then), done.get(decision.otherwise)];
        if (then === undefined || otherwise === undefined) {
          path.push(then === undefined ? decision.then : decision.otherwise);
          continue;
        }
        done.set(decision, this.#test(decision.test, then, otherwise));
      }
      path.pop();
    }
    return done.get(root);
  }

  /** Equal nodes are one object, so that equal parts are found by `===`. */
  #test(test: ArgumentTest, then: Decision, otherwise: Decision): Decision {
    if (then === otherwise) return then;
    const intervals = test.intervals.map(({ from, to }) => `${from}-${to}`).join();
    const key = `${test.word} ${test.mask} ${intervals} ${this.#idOf(then)} ${this.#idOf(otherwise)}`;
    const known = this.#unique.get(key);
    if (known !== undefined) return known;
    const made: DecisionTest = { kind: "test", test, then, otherwise };
    this.#unique.set(key, made);
    return made;
  }

  #idOf(decision: Decision): number {
    const known = this.#ids.get(decision);
    if (known !== undefined) return known;
    this.#ids.set(decision, this.#ids.size);
    return this.#ids.size - 1;
  }
}

/** The values of a masked register by the tests of it that hold for them. */
function classes(
  tests: readonly ArgumentTest[],
  mask: bigint,
): Iterable<{ readonly holding: readonly ArgumentTest[]; readonly intervals: readonly Interval[] }> {
  const changes = tests.flatMap((test, index) =>
    test.intervals.flatMap(({ from, to }) => [
      { at: from, index, isStart: true },
      { at: to + 1n, index, isStart: false },
    ]),
  );
  changes.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const found = new Map<string, { holding: ArgumentTest[]; intervals: Interval[] }>();
  const holding = new Set<number>();
  let from = 0n;
  const end = (to: bigint) => {
    if (from > to) return;
    const indexes = [...holding].sort((a, b) => a - b);
    const known = found.get(indexes.join()) ?? { holding: indexes.map((index) => tests[index]!), intervals: [] };
    found.set(indexes.join(), known);
    known.intervals.push({ from, to });
    from = to + 1n;
  };
  for (const { at, index, isStart } of changes) {
    end(at - 1n);
    if (isStart) holding.add(index);
    else holding.delete(index);
  }
  end(mask);
  return found.values();
}

function joined(intervals: readonly Interval[]): Interval[] {
  const result: { from: bigint; to: bigint }[] = [];
  for (const { from, to } of [...intervals].sort((a, b) => (a.from < b.from ? -1 : 1))) {
    const last = result.at(-1);
    if (last !== undefined && last.to + 1n === from) last.to = to;
    else result.push({ from, to });
  }
  return result;
}
