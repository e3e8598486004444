/**
 * Call numbers as intervals for the search, with the weight of each and a limit on its depth.
 *
 * The measure is libseccomp's filter for the same verdicts: no number may need more steps than there. Its default verdict,
 * which needs no rule, is unknown here, so the two likely ones are both used: a plain allow, and the most frequent other.
 */

import { type ArchitectureName, x32Bit } from "../../abi/architecture.ts";
import { returnWord } from "../../abi/return-word.ts";
import { buildSearch, countTests, type Search, type Segment } from "../search.ts";
import type { GraphNode } from "./graph.ts";
import { libseccompDepth, libseccompSize } from "./libseccomp-depth.ts";

export interface DecidedNumber {
  readonly number: number;
  readonly node: GraphNode;
  /** Allowed before the policy. */
  readonly always: boolean;
}

const lastNumber = 0xffff_ffff;

/**
 * Numbers with bit 30, except −1: a tracer writes −1 to skip a call, and the kernel does not take it for an x32 call.
 */
const x32Numbers = [
  [x32Bit, 0x7fff_ffff],
  [0xc000_0000, 0xffff_fffe],
] as const;

/** A step towards an allowed call has little weight: from Linux 5.11 a bitmap answers before the filter. */
const weightOfAllowed = 1;
const weightOfOthers = 4;
const weightOfUnknown = 0.25;

/** Steps of libseccomp's filter before its search: two x32 tests less one, and a second load. */
const headStart: { readonly [A in ArchitectureName]: number } = { x86_64: 2, aarch64: 0 };

/** Its numbers: asm/unistd_64.h for x86, asm-generic/unistd.h for arm64. */
const restartSyscall = [219, 128];

/** libseccomp refuses x32 numbers before its search, after this many tests. */
const limitForX32 = 2;

/** From the fastest tree to the smallest: takes the first that has no more tests than libseccomp's. */
const prices = [0.1, 0.3, 1];

/** The search for the number in A. `decided` is ascending; x32 numbers lead to `foreign`, all others to `unknown`. */
export function searchNumbers(
  architecture: ArchitectureName,
  decided: readonly DecidedNumber[],
  unknown: GraphNode,
  foreign: GraphNode,
): Search<GraphNode> {
  const rules = likelyRules(decided);
  const segments = numberSegments(architecture, decided, rules, unknown, foreign);
  const budget = Math.min(...rules.map(libseccompSize)) + headStart[architecture];
  let search = buildSearch(segments, prices[0]!);
  for (const price of prices.slice(1)) {
    if (countTests(search) <= budget) return search;
    search = buildSearch(segments, price);
  }
  return search;
}

function numberSegments(
  architecture: ArchitectureName,
  decided: readonly DecidedNumber[],
  rules: readonly (readonly number[])[],
  unknown: GraphNode,
  foreign: GraphNode,
): readonly Segment<GraphNode>[] {
  const segments: { from: number; to: number; target: GraphNode; weight: number; limit: number }[] = [];
  const add = (from: number, to: number, target: GraphNode, weight: number) => {
    if (from > to) return;
    const last = segments.at(-1);
    if (last !== undefined && last.target === target) {
      last.to = to;
      last.weight += weight;
    } else segments.push({ from, to, target, weight, limit: Number.POSITIVE_INFINITY });
  };
  let next = 0;
  for (const { number, node } of decided) {
    add(next, number - 1, unknown, weightOfUnknown);
    add(number, number, node, isAllowed(node) ? weightOfAllowed : weightOfOthers);
    next = number + 1;
  }
  if (architecture === "x86_64") {
    for (const [from, to] of x32Numbers) {
      add(next, from - 1, unknown, weightOfUnknown);
      add(from, to, foreign, weightOfUnknown);
      next = to + 1;
    }
  }
  add(next, lastNumber, unknown, weightOfUnknown);
  for (const ruled of rules) limitDepths(segments, ruled, headStart[architecture]);
  const last = segments.at(-1)!;
  if (architecture === "x86_64" && last.from <= x32Bit) last.limit = Math.min(last.limit, limitForX32);
  return segments;
}

function isAllowed(node: GraphNode): boolean {
  return node.kind === "return" && node.word === returnWord("ALLOW");
}

/**
 * The calls for which libseccomp's filter would have rules: all without the default verdict. The default (a plain allow
 * or the most frequent other) is unknown here, as is whether the profile has rules for the calls that are always
 * allowed; many profiles omit restart_syscall.
 */
function likelyRules(decided: readonly DecidedNumber[]): number[][] {
  const counts = new Map<GraphNode, number>();
  for (const { node } of decided) if (node.kind === "return") counts.set(node, (counts.get(node) ?? 0) + 1);
  const byCount = [...counts].sort(([, a], [, b]) => b - a).map(([node]) => node);
  const defaults = [byCount.find(isAllowed), byCount.find((node) => !isAllowed(node))];
  const always = decided.filter((each) => each.always).map(({ number }) => number);
  return defaults
    .filter((node) => node !== undefined)
    .flatMap((presumed) => {
      const ruled = decided.filter((each) => !each.always && each.node !== presumed).map(({ number }) => number);
      const listed = always.filter((number) => !restartSyscall.includes(number));
      return [ruled, [...ruled, ...listed], [...ruled, ...always]];
    })
    .filter((ruled) => ruled.length > 0)
    .map((ruled) => ruled.sort((a, b) => a - b));
}

/** Limits for each number with a rule, and for adjacent numbers without one, which stand for the others. */
function limitDepths(
  segments: readonly { readonly to: number; limit: number }[],
  ruled: readonly number[],
  allowance: number,
): void {
  const depth = libseccompDepth(ruled);
  let index = 0;
  let probe = 0;
  for (const number of ruled) {
    for (probe = Math.max(probe, number - 1); probe <= number + 1; probe++) {
      while (segments[index]!.to < probe) index++;
      const segment = segments[index]!;
      segment.limit = Math.min(segment.limit, allowance + depth(probe));
    }
  }
}
