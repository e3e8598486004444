/**
 * Conditions on argument registers. The machine has 32-bit words, so a 64-bit test becomes tests of its halves.
 *
 * Consecutive tests of the same bits of one register are first combined into one question (questions.ts). The question is
 * asked of the high half, and of the low half only if the high half does not decide. A half outside of the mask is not
 * loaded. `x < 2^32 + 5` on 64 bits is
 *
 *     ld high; jeq #1 → ask the low half; jge #1 → no : yes
 *     ask the low half: ld low; jge #5 → no : yes
 *
 * While a word is in A, further tests of it need no load.
 */

import { maximumHalf } from "../../abi/word.ts";
import type { Decision, DecisionLeaf } from "../../analysis/decision.ts";
import type { CallWord } from "../../ir/inputs.ts";
import { normalisePieces, type Piece } from "../pieces.ts";
import { type Choice as AnyChoice, type Question as AnyQuestion, Questions, questionsBehind } from "../questions.ts";
import { buildSearch, type Search, type Segment } from "../search.ts";
import { countDecisions, factorDecision } from "./factor.ts";
import { type Graph, type GraphNode, measureGraph } from "./graph.ts";
import { argumentOffset, offset } from "./instruction.ts";

/** The content of A: a masked word of `struct seccomp_data`; undefined if it is not usable. */
type Accumulator = { readonly offset: number; readonly mask: number } | undefined;

type Choice = AnyChoice<number>;
type Question = AnyQuestion<number>;

/** The price of an instruction in mean steps: conditions are mostly small, so speed matters more. */
const priceOfInstruction = 0.1;

/** Steps of factoring one decision: enough for 700 tuples with 300 values of the first argument. */
const mostFactoring = 600_000;

/** Larger decisions are not lowered twice to be compared: the one with fewer tests is taken. */
const mostCompared = 64;

export class ConditionLowering {
  readonly #graph: Graph;
  readonly #questions: Questions<number>;
  readonly #lowered = new Map<string, GraphNode>();
  readonly #nodes = new Map<Decision, GraphNode>();

  /** `wordOf` gives the return word of a leaf. */
  constructor(graph: Graph, wordOf: (leaf: DecisionLeaf) => number) {
    this.#graph = graph;
    this.#questions = new Questions((word) => word, wordOf);
  }

  /**
   * The node for a decision, for any content of A. Equivalent decisions share a node. The factored decision is taken if
   * it is smaller and has no longer path: of ranges of several registers it can be much larger.
   */
  lower(decision: Decision): GraphNode {
    const known = this.#nodes.get(decision);
    if (known !== undefined) return known;
    const node = this.#lowerBetter(decision, factorDecision(decision, mostFactoring) ?? decision);
    this.#nodes.set(decision, node);
    return node;
  }

  #lowerBetter(plain: Decision, factored: Decision): GraphNode {
    if (factored === plain) return this.#lower(plain);
    const size = countDecisions(plain);
    if (size > mostCompared) return this.#lower(countDecisions(factored) < size ? factored : plain);
    return better(this.#lower(plain), this.#lower(factored));
  }

  #lower(decision: Decision): GraphNode {
    const choice = this.#questions.choice(decision);
    // From the leaves up, without recursion: decisions may be thousands of tests deep.
    for (const behind of questionsBehind(choice)) this.#enter(behind, undefined);
    return this.#enter(choice, undefined);
  }

  // ── From questions to nodes ───────────────────────────────────────────────────────────────────────────────────────

  #enter(choice: Choice, loaded: Accumulator): GraphNode {
    if (choice.kind === "outcome") return this.#graph.return(choice.outcome);
    const key = `${choice.id} ${loaded?.offset} ${loaded?.mask}`;
    const known = this.#lowered.get(key);
    if (known !== undefined) return known;
    const node = this.#ask(choice, loaded);
    this.#lowered.set(key, node);
    return node;
  }

  #ask(question: Question, loaded: Accumulator): GraphNode {
    const low = lowOffset(question.word);
    const lowMask = question.mask & maximumHalf;
    const highMask = question.mask >> 32n;
    if (highMask === 0n) return this.#askHalf(low, lowMask, loaded, question.pieces, this.#enterChoice);
    const high = normalisePieces(highPieces(question.pieces, lowMask), highMask);
    return this.#askHalf(low + 4, highMask, loaded, high, (open, afterHigh) =>
      open.length === 1
        ? this.#enter(open[0]!.target, afterHigh)
        : this.#askHalf(low, lowMask, afterHigh, open, this.#enterChoice),
    );
  }

  readonly #enterChoice = (choice: Choice, loaded: Accumulator): GraphNode => this.#enter(choice, loaded);

  /** Searches this half of a masked register. */
  #askHalf<Target>(
    wordOffset: number,
    wideMask: bigint,
    loaded: Accumulator,
    pieces: readonly Piece<Target>[],
    enter: (target: Target, loaded: Accumulator) => GraphNode,
  ): GraphNode {
    const mask = Number(wideMask);
    const available = loaded !== undefined && loaded.offset === wordOffset && isSubset(mask, loaded.mask);
    const before = available ? loaded.mask : 0xffff_ffff;
    const prepare = (node: GraphNode): GraphNode => (available ? node : this.#graph.load(wordOffset, node));
    const unmasked: Accumulator = { offset: wordOffset, mask: before };
    const first = pieces[0]!;
    const second = pieces[1];

    // One test for zero, which does not change A.
    if (pieces.length === 2 && second !== undefined && first.to === 0n) {
      const [zero, other] = [enter(first.target, unmasked), enter(second.target, unmasked)];
      if (zero === other) return zero;
      return prepare(
        before === mask ? this.#graph.test("equal", 0, zero, other) : this.#graph.test("any-bit", mask, other, zero),
      );
    }
    // The mask omits only low bits, and one comparison decides regardless of them.
    if (pieces.length === 2 && second !== undefined && before !== mask && isPrefix(mask)) {
      return prepare(
        this.#graph.test(
          "at-least",
          Number(second.from),
          enter(second.target, unmasked),
          enter(first.target, unmasked),
        ),
      );
    }
    const masked: Accumulator = { offset: wordOffset, mask };
    const found = this.#search(pieces.map((piece) => ({ ...piece, target: enter(piece.target, masked) })));
    return prepare(before === mask ? found : this.#graph.and(mask, found));
  }

  #search(pieces: readonly Piece<GraphNode>[]): GraphNode {
    const joined: Piece<GraphNode>[] = [];
    for (const piece of pieces) {
      const last = joined.at(-1);
      if (last !== undefined && last.target === piece.target) {
        joined[joined.length - 1] = { from: last.from, to: piece.to, target: last.target };
      } else joined.push(piece);
    }
    const segments = joined.map(
      (piece): Segment<GraphNode> => ({
        from: Number(piece.from),
        to: Number(piece.to),
        target: piece.target,
        weight: 1,
        limit: Number.POSITIVE_INFINITY,
      }),
    );
    return searchNode(this.#graph, buildSearch(segments, priceOfInstruction));
  }
}

function better(plain: GraphNode, factored: GraphNode): GraphNode {
  if (factored === plain) return plain;
  const [a, b] = [measureGraph(plain), measureGraph(factored)];
  return b.size < a.size && b.longestPath <= a.longestPath ? factored : plain;
}

/** The tests of a search over the content of A. */
export function searchNode(graph: Graph, search: Search<GraphNode>): GraphNode {
  if (search.kind === "found") return search.target;
  return graph.test(search.operator, search.value, searchNode(graph, search.then), searchNode(graph, search.otherwise));
}

/**
 * Splits pieces of a 64-bit line into pieces of its high half. Each leads to the remaining pieces of the low half,
 * which is a single one if the high half decides.
 */
function highPieces<Target>(pieces: readonly Piece<Target>[], lowMask: bigint): Piece<readonly Piece<Target>[]>[] {
  const result: { from: bigint; to: bigint; target: Piece<Target>[] }[] = [];
  const add = (from: bigint, to: bigint, low: Piece<Target>) => {
    const last = result.at(-1);
    if (last !== undefined && last.from === from && last.to === from) last.target.push(low);
    else result.push({ from, to, target: [low] });
  };
  for (const { from, to, target } of pieces) {
    const [fromHigh, fromLow, toHigh, toLow] = [from >> 32n, from & maximumHalf, to >> 32n, to & maximumHalf];
    const whole = { from: 0n, to: lowMask, target };
    const startsWhole = fromLow === 0n;
    const endsWhole = toLow === lowMask;
    if (fromHigh === toHigh) {
      add(fromHigh, toHigh, { from: fromLow, to: toLow, target });
      continue;
    }
    if (!startsWhole) add(fromHigh, fromHigh, { from: fromLow, to: lowMask, target });
    const middleFrom = startsWhole ? fromHigh : fromHigh + 1n;
    const middleTo = endsWhole ? toHigh : toHigh - 1n;
    if (middleFrom <= middleTo) add(middleFrom, middleTo, whole);
    if (!endsWhole) add(toHigh, toHigh, { from: 0n, to: toLow, target });
  }
  return result;
}

function lowOffset(word: CallWord): number {
  return word === "instructionPointer" ? offset.instructionPointer : argumentOffset(Number(word.at(-1)), "low");
}

function isSubset(mask: number, of: number): boolean {
  return (mask & ~of) === 0;
}

/** Whether the mask is ones followed by zeros. */
function isPrefix(mask: number): boolean {
  const inverse = ~mask >>> 0;
  return (inverse & (inverse + 1)) === 0;
}
