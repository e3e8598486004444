/** Decisions as lists of rules, and decisions specialised to facts about the arguments. */
import { larger, smaller } from "../../ir/arithmetic.ts";
import type { Interval } from "../../ir/program.ts";
import type { ArgumentTest, Decision, DecisionLeaf, DecisionTest } from "../decision.ts";

export interface Step {
  readonly test: ArgumentTest;
  readonly outcome: boolean;
  /** The paths of the other outcome come later in the list. */
  readonly first: boolean;
}

/** A leaf and the tests that lead to it. */
export interface Path {
  readonly steps: readonly Step[];
  readonly leaf: DecisionLeaf;
}

/**
 * All paths; at each test, those of one outcome before those of the other. In a list of which the first match applies, only
 * steps that are `first` need be printed. Undefined if there are more than `most` paths.
 * @param isSimpler whether a test is simpler to print than its opposite; decides if no other criterion does
 */
export function pathsOf(
  decision: Decision,
  most: number,
  isSimpler: (node: DecisionTest) => boolean,
): Path[] | undefined {
  const paths: Path[] = [];
  const steps: Step[] = [];
  const walk = (node: Decision): boolean => {
    if (node.kind === "leaf") {
      paths.push({ steps: [...steps], leaf: node });
      return paths.length <= most;
    }
    // The outcome that ends at once comes first: "has CLONE_NEWUSER: deny", then the rest.
    const order = saysOtherwiseFirst(node, isSimpler) ? [false, true] : [true, false];
    for (const outcome of order) {
      steps.push({ test: node.test, outcome, first: outcome === order[0] });
      const continues = walk(outcome ? node.then : node.otherwise);
      steps.pop();
      if (!continues) return false;
    }
    return true;
  };
  return walk(decision) ? paths : undefined;
}

function saysOtherwiseFirst(node: DecisionTest, isSimpler: (node: DecisionTest) => boolean): boolean {
  const { then, otherwise } = node;
  if (otherwise.kind !== "leaf") return false;
  return then.kind !== "leaf" || !isSimpler(node);
}

/** The leaves of the decisions, each once. */
export function leavesOf(...decisions: readonly Decision[]): DecisionLeaf[] {
  const seen = new Set(decisions);
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

/** The outcome of a test that follows from the path's tests of the same bits of the same word; else undefined. */
function impliedBy(path: Path, test: ArgumentTest): boolean | undefined {
  const about = path.steps.filter((step) => step.test.word === test.word && step.test.mask === test.mask);
  if (about.length === 0) return undefined;
  let left: Interval[] = [{ from: 0n, to: test.mask }];
  for (const step of about) left = narrow(left, step.test.intervals, step.outcome);
  if (narrow(left, test.intervals, true).length === 0) return false;
  if (narrow(left, test.intervals, false).length === 0) return true;
  return undefined;
}

/** The part of some intervals that lies inside of others, or outside. */
export function narrow(left: readonly Interval[], intervals: readonly Interval[], inside: boolean): Interval[] {
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
