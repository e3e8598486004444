/**
 * Decisions as questions: consecutive tests of the same bits of one register are combined into one question, which maps
 * intervals of the masked value to targets. (Five equality tests become one search.)
 */

import type { Decision, DecisionLeaf, DecisionTest } from "../analysis/decision.ts";
import { complement } from "../analysis/split/intervals.ts";
import type { CallWord } from "../ir/inputs.ts";
import { normalisePieces, overlayPieces, type Piece } from "./pieces.ts";

/** A decision whose leaves are mapped to a back end's outcomes; equal ones are one object. */
export type Choice<Of> = Outcome<Of> | Question<Of>;

export interface Outcome<Of> {
  readonly kind: "outcome";
  readonly id: number;
  readonly outcome: Of;
}

/** The masked register lies in exactly one of the pieces, which are sorted and cover all possible values. */
export interface Question<Of> {
  readonly kind: "question";
  readonly id: number;
  readonly word: CallWord;
  readonly mask: bigint;
  readonly pieces: readonly Piece<Choice<Of>>[];
}

export class Questions<Of> {
  readonly #keyOf: (outcome: Of) => number | string;
  readonly #outcomeOf: (leaf: DecisionLeaf) => Of;
  readonly #choices = new Map<Decision, Choice<Of>>();
  readonly #unique = new Map<string, Choice<Of>>();

  /** Outcomes with equal keys are equal. */
  constructor(keyOf: (outcome: Of) => number | string, outcomeOf: (leaf: DecisionLeaf) => Of) {
    this.#keyOf = keyOf;
    this.#outcomeOf = outcomeOf;
  }

  /**
   * The choice for a decision. `outcomeOf` is for a decision whose leaves have other outcomes; it then shares only
   * equal questions with others.
   */
  choice(root: Decision, outcomeOf?: (leaf: DecisionLeaf) => Of): Choice<Of> {
    const choices = outcomeOf === undefined ? this.#choices : new Map<Decision, Choice<Of>>();
    const leafOutcome = outcomeOf ?? this.#outcomeOf;
    // Iterative: decisions may be thousands of tests deep.
    const inner = partsOfLargerQuestions(root);
    const drafts = new Map<Decision, Piece<Choice<Of>>[]>();
    const path: Decision[] = [root];
    while (path.length > 0) {
      const decision = path.at(-1)!;
      const missing =
        decision.kind === "leaf"
          ? undefined
          : [decision.then, decision.otherwise].find((next) => !choices.has(next) && !drafts.has(next));
      if (missing !== undefined) {
        path.push(missing);
        continue;
      }
      path.pop();
      if (choices.has(decision) || drafts.has(decision)) continue;
      if (decision.kind === "leaf") choices.set(decision, this.#outcome(leafOutcome(decision)));
      else {
        const pieces = this.#draft(decision, drafts, choices);
        if (inner.has(decision)) drafts.set(decision, pieces);
        else choices.set(decision, this.#question(decision.test.word, decision.test.mask, pieces));
      }
    }
    return choices.get(root)!;
  }

  /** The pieces of the masked register. Consumes the drafts of inner decisions, which have no other use. */
  #draft(
    { test, then, otherwise }: DecisionTest,
    drafts: ReadonlyMap<Decision, Piece<Choice<Of>>[]>,
    choices: ReadonlyMap<Decision, Choice<Of>>,
  ): Piece<Choice<Of>>[] {
    const { word, mask, intervals } = test;
    const finished = (decision: Decision): readonly Piece<Choice<Of>>[] => {
      const choice = choices.get(decision)!;
      return choice.kind === "question" && choice.word === word && choice.mask === mask
        ? choice.pieces
        : [{ from: 0n, to: mask, target: choice }];
    };
    const [inside, outside] = [drafts.get(then), drafts.get(otherwise)];
    if (inside !== undefined && inside.length > (outside?.length ?? 0)) {
      overlayPieces(inside, complement(intervals, mask), outside ?? finished(otherwise));
      return inside;
    }
    const base = outside ?? [...finished(otherwise)];
    overlayPieces(base, intervals, inside ?? finished(then));
    return base;
  }

  #outcome(outcome: Of): Choice<Of> {
    return this.#once(`${this.#keyOf(outcome)}`, (id) => ({ kind: "outcome", id, outcome }));
  }

  #question(word: CallWord, mask: bigint, draft: readonly Piece<Choice<Of>>[]): Choice<Of> {
    const pieces = normalisePieces(draft, mask);
    if (pieces.length === 1) return pieces[0]!.target;
    const key = `${word} ${mask} ${pieces.map((piece) => `${piece.from} ${piece.target.id}`).join()}`;
    return this.#once(key, (id) => ({ kind: "question", id, word, mask, pieces }));
  }

  #once(key: string, make: (id: number) => Choice<Of>): Choice<Of> {
    const known = this.#unique.get(key);
    if (known !== undefined) return known;
    const choice = make(this.#unique.size);
    this.#unique.set(key, choice);
    return choice;
  }
}

/**
 * Decisions that are reached from one place only, by a test of the same bits of the same register: they become part of
 * its question.
 */
function partsOfLargerQuestions(root: Decision): ReadonlySet<Decision> {
  const parts = new Set<Decision>();
  const seen = new Set<Decision>([root]);
  const pending: Decision[] = [root];
  while (pending.length > 0) {
    const decision = pending.pop()!;
    if (decision.kind === "leaf") continue;
    for (const next of [decision.then, decision.otherwise]) {
      if (seen.has(next)) parts.delete(next);
      else {
        seen.add(next);
        pending.push(next);
        const isPart =
          next.kind === "test" && next.test.word === decision.test.word && next.test.mask === decision.test.mask;
        if (isPart) parts.add(next);
      }
    }
  }
  return parts;
}

/** All questions from here on; each comes after the questions that it leads to. */
export function questionsBehind<Of>(root: Choice<Of>): readonly Question<Of>[] {
  const found = new Set<Question<Of>>();
  const pending: Choice<Of>[] = [root];
  while (pending.length > 0) {
    const choice = pending.pop()!;
    if (choice.kind === "outcome" || found.has(choice)) continue;
    found.add(choice);
    for (const { target } of choice.pieces) pending.push(target);
  }
  // A question is created after those that it leads to.
  return [...found].sort((a, b) => a.id - b.id);
}
