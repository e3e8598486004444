/** Generates random well-typed expressions over the declarations of a program. */
import { argumentInputs, type Input, inputs } from "../inputs.ts";
import { fullSet, normalise } from "../intervals.ts";
import type {
  BinaryOperator,
  BooleanExpression,
  CompareOperator,
  IntegerExpression,
  Interval,
  Program,
  VerdictExpression,
} from "../program.ts";
import { type Choices, chance, listOf, pick, weighted } from "./choices.ts";
import { arbitraryValue } from "./values.ts";

export const binaryOperators = [
  "add",
  "subtract",
  "multiply",
  "divide-unsigned",
  "divide-signed",
  "remainder-unsigned",
  "remainder-signed",
  "and",
  "or",
  "xor",
  "shift-left",
  "shift-right-unsigned",
  "shift-right-signed",
] as const satisfies readonly BinaryOperator[];

export const compareOperators = [
  "equal",
  "not-equal",
  "less-unsigned",
  "less-or-equal-unsigned",
  "less-signed",
  "less-or-equal-signed",
] as const satisfies readonly CompareOperator[];

const staticInputs: readonly Input[] = ["number", "instructionPointer", ...argumentInputs];

/** The names that an expression can refer to. */
export interface Vocabulary {
  readonly declarations: Pick<Program, "cells" | "tables" | "parameters" | "words" | "locals" | "verdicts">;
  /** The numbers of judged calls. */
  readonly numbers: readonly number[];
  /** A few values that recur, so that comparisons, stores and keys match. */
  readonly values: readonly bigint[];
  /** Generates only expressions of the call's number and registers. */
  readonly stateless: boolean;
}

export class ExpressionGenerator {
  private readonly choices: Choices;
  private readonly words: Vocabulary;

  constructor(choices: Choices, words: Vocabulary) {
    this.choices = choices;
    this.words = words;
  }

  integer(depth: number): IntegerExpression {
    const { choices } = this;
    if (depth <= 0) return this.integerLeaf();
    const deeper = depth - 1;
    return weighted<IntegerExpression>(choices, [
      [4, () => this.integerLeaf()],
      [5, () => this.binary(deeper)],
      [3, () => this.extend(deeper)],
      [
        1,
        () => ({
          kind: "select",
          condition: this.boolean(deeper),
          then: this.integer(deeper),
          otherwise: this.integer(deeper),
        }),
      ],
      [1, () => ({ kind: "from-boolean", value: this.boolean(deeper) })],
      [1, () => this.tableGet(deeper)],
    ]);
  }

  boolean(depth: number): BooleanExpression {
    const { choices } = this;
    if (depth <= 0) return this.booleanLeaf();
    const deeper = depth - 1;
    return weighted<BooleanExpression>(choices, [
      [1, () => this.booleanLeaf()],
      [4, () => this.compare(deeper)],
      [4, () => this.within(deeper)],
      [1, () => ({ kind: "not", value: this.boolean(deeper) })],
      [1, () => ({ kind: "all", of: listOf(choices, 0, 3, () => this.boolean(deeper)) })],
      [1, () => ({ kind: "any", of: listOf(choices, 0, 3, () => this.boolean(deeper)) })],
      [1, () => this.tableHas(deeper)],
    ]);
  }

  verdict(depth: number): VerdictExpression {
    const { choices } = this;
    if (depth <= 0) return this.verdictLeaf();
    const deeper = depth - 1;
    return weighted<VerdictExpression>(choices, [
      [5, () => this.verdictLeaf()],
      [1, () => ({ kind: "strictest", of: listOf(choices, 1, 3, () => this.verdict(deeper)) })],
      [
        1,
        () => ({
          kind: "verdict-select",
          condition: this.boolean(deeper),
          then: this.verdict(deeper),
          otherwise: this.verdict(deeper),
        }),
      ],
    ]);
  }

  /** Few different keys, so that lookups find entries and tables fill up. */
  key(depth: number): IntegerExpression {
    const { choices } = this;
    return weighted<IntegerExpression>(choices, [
      [2, () => this.constant()],
      [2, () => ({ kind: "input", input: pick(choices, argumentInputs) })],
      [
        2,
        () => ({
          kind: "binary",
          operator: "and",
          left: { kind: "input", input: pick(choices, argumentInputs) },
          right: { kind: "constant", value: pick(choices, [3n, 7n, 1n]) },
        }),
      ],
      [1, () => this.integer(depth)],
    ]);
  }

  constant(): IntegerExpression {
    return { kind: "constant", value: arbitraryValue(this.choices, this.words.values) };
  }

  intervals(): readonly Interval[] {
    const { choices, words } = this;
    const found = normalise(
      listOf(choices, 1, 3, () => {
        const from = arbitraryValue(choices, words.values);
        if (chance(choices, 2)) return { from, to: from };
        const to = arbitraryValue(choices, words.values);
        return from <= to ? { from, to } : { from: to, to: from };
      }),
    );
    return chance(choices, 40) ? [] : chance(choices, 40) ? fullSet : found;
  }

  /** A set of judged numbers, sorted and disjoint. */
  callNumbers(): readonly Interval[] {
    const { choices, words } = this;
    return normalise(
      listOf(choices, 1, 3, () => {
        const from = BigInt(pick(choices, words.numbers));
        return { from, to: chance(choices, 4) ? from + BigInt(choices.below(8)) : from };
      }),
    );
  }

  private integerLeaf(): IntegerExpression {
    const { choices, words } = this;
    const { parameters, words: observed } = words.declarations;
    const locals = indexes(words.declarations.locals, (type) => type === "integer");
    const cells = words.stateless ? [] : indexes(words.declarations.cells, () => true);
    return weighted<IntegerExpression>(choices, [
      [4, () => this.constant()],
      [5, () => ({ kind: "input", input: pick(choices, argumentInputs) })],
      [2, () => ({ kind: "input", input: pick(choices, words.stateless ? staticInputs : inputs) })],
      [locals.length === 0 ? 0 : 3, () => ({ kind: "local", local: pick(choices, locals) })],
      [cells.length === 0 ? 0 : 4, () => ({ kind: "cell", cell: pick(choices, cells) })],
      [parameters.length === 0 ? 0 : 5, () => ({ kind: "parameter", parameter: choices.below(parameters.length) })],
      [observed.length === 0 ? 0 : 6, () => ({ kind: "observed", word: choices.below(observed.length) })],
    ]);
  }

  private binary(depth: number): IntegerExpression {
    const operator = pick(this.choices, binaryOperators);
    const left = this.integer(depth);
    const right = chance(this.choices, 2) ? this.constant() : this.integer(depth);
    return { kind: "binary", operator, left, right };
  }

  private extend(depth: number): IntegerExpression {
    const { choices } = this;
    const width = pick(choices, [32, 16, 8] as const);
    return { kind: "extend", width, signed: chance(choices, 2), value: this.integer(depth) };
  }

  private tableGet(depth: number): IntegerExpression {
    const { choices, words } = this;
    const tables = indexes(words.declarations.tables, (table) => table.holdsValues);
    if (words.stateless || tables.length === 0) return this.integerLeaf();
    return {
      kind: "table-get",
      table: pick(choices, tables),
      key: this.key(depth),
      otherwise: this.integer(depth),
    };
  }

  private booleanLeaf(): BooleanExpression {
    const { choices, words } = this;
    const locals = indexes(words.declarations.locals, (type) => type === "boolean");
    return weighted<BooleanExpression>(choices, [
      [1, () => ({ kind: "boolean", value: chance(choices, 2) })],
      [locals.length === 0 ? 0 : 3, () => ({ kind: "boolean-local", local: pick(choices, locals) })],
      [4, () => this.within(0)],
      [2, () => this.compare(0)],
    ]);
  }

  private compare(depth: number): BooleanExpression {
    const { choices } = this;
    const operator = pick(choices, compareOperators);
    const left = this.integer(depth);
    const right = chance(choices, 2) ? this.integer(depth) : this.constant();
    return chance(choices, 5)
      ? { kind: "compare", operator, left: right, right: left }
      : { kind: "compare", operator, left, right };
  }

  private within(depth: number): BooleanExpression {
    if (chance(this.choices, 4)) {
      return { kind: "within", value: { kind: "input", input: "number" }, intervals: this.callNumbers() };
    }
    return { kind: "within", value: this.integer(depth), intervals: this.intervals() };
  }

  private tableHas(depth: number): BooleanExpression {
    const { choices, words } = this;
    const tables = indexes(words.declarations.tables, () => true);
    if (words.stateless || tables.length === 0) return this.booleanLeaf();
    return { kind: "table-has", table: pick(choices, tables), key: this.key(depth) };
  }

  private verdictLeaf(): VerdictExpression {
    const { choices, words } = this;
    const locals = indexes(words.declarations.locals, (type) => type === "verdict");
    return weighted<VerdictExpression>(choices, [
      [4, () => ({ kind: "verdict", verdict: choices.below(words.declarations.verdicts.length) })],
      [locals.length === 0 ? 0 : 2, () => ({ kind: "verdict-local", local: pick(choices, locals) })],
    ]);
  }
}

export function indexes<T>(list: readonly T[], type: (element: T) => boolean): number[] {
  return list.flatMap((element, index) => (type(element) ? [index] : []));
}
