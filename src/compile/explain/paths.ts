/** Decisions as lists of rules, and what is left of a decision once something of the arguments is known. */
import { larger, smaller } from "../../ir/arithmetic.ts";
import type { Interval } from "../../ir/program.ts";
import type { ArgumentTest, Decision, DecisionLeaf } from "../decision.ts";

/** The tests that lead to a leaf. */
export interface Path {
  readonly steps: readonly { readonly test: ArgumentTest; readonly outcome: boolean }[];
  readonly leaf: DecisionLeaf;
}

/**
 * All paths, those through a passed test first: read as a list of which the first match counts, the tests that a path
 * has failed need not be said again. Undefined where there are more than `most`.
 */
export function pathsOf(decision: Decision, most: number): Path[] | undefined {
  const paths: Path[] = [];
  const steps: { test: ArgumentTest; outcome: boolean }[] = [];
  const walk = (node: Decision): boolean => {
    if (node.kind === "leaf") {
      paths.push({ steps: [...steps], leaf: node });
      return paths.length <= most;
    }
    for (const outcome of [true, false]) {
      steps.push({ test: node.test, outcome });
      const goesOn = walk(outcome ? node.then : node.otherwise);
      steps.pop();
      if (!goesOn) return false;
    }
    return true;
  };
  return walk(decision) ? paths : undefined;
}

export function leavesOf(decision: Decision): DecisionLeaf[] {
  const seen = new Set<Decision>([decision]);
  for (const node of seen) {
    if (node.kind === "leaf") continue;
    seen.add(node.then);
    seen.add(node.otherwise);
  }
  return [...seen].filter((node) => node.kind === "leaf");
}

/** The leaves of a decision that a call on this path of another decision (of the same call) can reach. */
export function leavesUnder(decision: Decision, path: Path): DecisionLeaf[] {
  const leaves = new Set<DecisionLeaf>();
  const seen = new Set<Decision>();
  const walk = (node: Decision): void => {
    if (seen.has(node)) return;
    seen.add(node);
    if (node.kind === "leaf") {
      leaves.add(node);
      return;
    }
    const outcome = impliedBy(path, node.test);
    if (outcome !== false) walk(node.then);
    if (outcome !== true) walk(node.otherwise);
  };
  walk(decision);
  return [...leaves];
}

/** What the path says of a test, as far as tests of the same bits of the same word say it. */
function impliedBy(path: Path, test: ArgumentTest): boolean | undefined {
  const about = path.steps.filter((step) => step.test.word === test.word && step.test.mask === test.mask);
  if (about.length === 0) return undefined;
  let left: Interval[] = [{ from: 0n, to: test.mask }];
  for (const step of about) left = narrow(left, step.test.intervals, step.outcome);
  if (narrow(left, test.intervals, true).length === 0) return false;
  if (narrow(left, test.intervals, false).length === 0) return true;
  return undefined;
}

function narrow(left: readonly Interval[], intervals: readonly Interval[], inside: boolean): Interval[] {
  const result: Interval[] = [];
  for (const { from, to } of left) {
    let next = from;
    for (const each of intervals) {
      if (each.to < next || each.from > to) continue;
      if (inside) {
        result.push({ from: larger(each.from, next), to: smaller(each.to, to) });
      } else if (each.from > next) result.push({ from: next, to: each.from - 1n });
      next = each.to + 1n;
    }
    if (!inside && next <= to) result.push({ from: next, to });
  }
  return result;
}
