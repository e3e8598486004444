/** Tests of one value against a set, cached. Most conditions of a policy reduce to one such test, and many repeat. */
import { equalExpressions } from "../../ir/equality.ts";
import { complement, intersection, union } from "../../ir/intervals.ts";
import type { BooleanExpression, CompareOperator, IntegerExpression, Interval } from "../../ir/program.ts";
import { satisfying, satisfyingFromLeft } from "../../ir/simplify/booleans.ts";
import { inverse, sameValue, type Value } from "./values.ts";

/** A condition that tests whether one value lies in a set. */
export interface Question {
  readonly subject: IntegerExpression;
  readonly set: readonly Interval[];
}

/** The images of the set and of its complement on the value's symbol. */
export interface Images {
  readonly value: Value;
  readonly inside: readonly Interval[];
  readonly outside: readonly Interval[];
}

export class Questions {
  /** By operator, with the side of the constant, and by the constant. */
  readonly #sets = new Map<string, Map<bigint, readonly Interval[]>>();
  readonly #questions = new Map<BooleanExpression, Question | undefined>();
  readonly #images = new Map<readonly Interval[], Images>();

  /** Cached for the next value, which mostly has the same form. */
  imagesOf(value: Value, intervals: readonly Interval[]): Images {
    let images = this.#images.get(intervals);
    if (images === undefined || !sameValue(images.value, value)) {
      images = { value, inside: inverse(value, intervals), outside: inverse(value, complement(intervals)) };
      this.#images.set(intervals, images);
    }
    return images;
  }

  /** The condition as a single test of one value; undefined if it is not one. */
  of(condition: BooleanExpression): Question | undefined {
    switch (condition.kind) {
      case "within":
      case "compare":
      case "not":
      case "all":
      case "any":
        break;
      default:
        return undefined;
    }
    if (this.#questions.has(condition)) return this.#questions.get(condition);
    const question = this.#make(condition);
    this.#questions.set(condition, question);
    return question;
  }

  /** One object for each test, with its cached images: a policy repeats its tests of state. */
  #setOf(operator: CompareOperator, value: bigint, fromLeft: boolean): readonly Interval[] {
    const test = fromLeft ? `constant ${operator}` : operator;
    let sets = this.#sets.get(test);
    if (sets === undefined) {
      sets = new Map();
      this.#sets.set(test, sets);
    }
    let set = sets.get(value);
    if (set === undefined) {
      set = fromLeft ? satisfyingFromLeft(operator, value) : satisfying(operator, value);
      sets.set(value, set);
    }
    return set;
  }

  #make(condition: BooleanExpression): Question | undefined {
    switch (condition.kind) {
      case "within":
        return { subject: condition.value, set: condition.intervals };
      case "compare": {
        const { operator, left, right } = condition;
        if (right.kind === "constant") return { subject: left, set: this.#setOf(operator, right.value, false) };
        if (left.kind === "constant") return { subject: right, set: this.#setOf(operator, left.value, true) };
        return undefined;
      }
      case "not": {
        const question = this.of(condition.value);
        return question === undefined ? undefined : { ...question, set: complement(question.set) };
      }
      case "all":
      case "any": {
        let whole: Question | undefined;
        for (const part of condition.of) {
          const question = this.of(part);
          if (question === undefined) return undefined;
          if (whole === undefined) whole = question;
          else {
            if (!equalExpressions(whole.subject, question.subject)) return undefined;
            const join = condition.kind === "all" ? intersection : union;
            whole = { subject: whole.subject, set: join(whole.set, question.set) };
          }
        }
        return whole;
      }
      default:
        return undefined;
    }
  }
}
