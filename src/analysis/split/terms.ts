/**
 * Symbolic values: the content of a local or a cell on a path, in terms of the inputs of the evaluation. Terms, formulas and
 * verdict terms are hash-consed, so equal ones are one object and `===` compares them.
 *
 * A formula consists of tests `term & mask in intervals`. The term of a test is a call's word if the condition can be
 * reduced to that form (pullback.ts), a cell or another input, or else an opaque term, of which only one thing is known: it
 * has one value throughout an evaluation. So a condition that is tested twice has one outcome.
 */

import { maximumWord } from "../../abi/word.ts";
import { larger, smaller } from "../../ir/arithmetic.ts";
import { type Input, inputFacts, isCallWord, isCircumstance } from "../../ir/inputs.ts";
import { cellMaximum } from "../../ir/limits.ts";
import { wordMaximum } from "../../ir/observation.ts";
import { parameterWords } from "../../ir/parameters.ts";
import type { BinaryOperator, CompareOperator, Program } from "../../ir/program.ts";
import type { StatefulReason } from "../decision.ts";
import {
  bitLength,
  complement,
  type Intervals,
  intersect,
  isEverything,
  lowMask,
  normalise,
  onlyValue,
  prefersComplement,
} from "./intervals.ts";

export type TermShape =
  | { readonly kind: "constant"; readonly value: bigint }
  | { readonly kind: "input"; readonly input: Input }
  /** The cell's word at the start of the evaluation. */
  | { readonly kind: "cell"; readonly cell: number }
  | { readonly kind: "parameter"; readonly parameter: number }
  | { readonly kind: "observed"; readonly word: number }
  | { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Term; readonly right: Term }
  | { readonly kind: "extend"; readonly width: 8 | 16 | 32; readonly signed: boolean; readonly value: Term }
  | { readonly kind: "select"; readonly condition: Formula; readonly then: Term; readonly otherwise: Term }
  /** 1 or 0. */
  | { readonly kind: "compare"; readonly operator: CompareOperator; readonly left: Term; readonly right: Term }
  /** The table's contents have a `version`: 0 at the start, a new one after each change on the path. */
  | {
      readonly kind: "table-get";
      readonly table: number;
      readonly version: number;
      readonly key: Term;
      readonly otherwise: Term;
    }
  /** 1 or 0. */
  | { readonly kind: "table-has"; readonly table: number; readonly version: number; readonly key: Term };

export interface Term {
  readonly id: number;
  readonly shape: TermShape;
  /** A mask of the bits that can be 1. */
  readonly bits: bigint;
  /** The possible values, independently of the path. */
  readonly range: { readonly from: bigint; readonly to: bigint };
  /**
   * Sorted ids of the inputs, cells, parameters and tables in the term, and of the term itself if it is opaque in
   * tests.
   */
  readonly leaves: readonly Term[];
  /** The number of tests inside its selects. */
  readonly size: number;
}

export interface Test {
  readonly id: number;
  readonly term: Term;
  readonly mask: bigint;
  readonly intervals: Intervals;
  readonly rank: Rank;
}

/** The part that can decide a test: the call's number (first), a classic filter, or only the stateful part. */
export type Rank = 0 | 1 | 2;

export type FormulaShape =
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "test"; readonly test: Test; readonly negated: boolean }
  | { readonly kind: "all" | "any"; readonly of: readonly Formula[] };

export interface Formula {
  readonly id: number;
  readonly shape: FormulaShape;
  readonly size: number;
  /** The test to branch on first: of the lowest rank, in source order. */
  readonly first: Test | undefined;
  readonly leaves: readonly Term[];
  negation: Formula | undefined;
}

export type VerdictShape =
  | { readonly kind: "verdict"; readonly verdict: number }
  | {
      readonly kind: "select";
      readonly condition: Formula;
      readonly then: VerdictTerm;
      readonly otherwise: VerdictTerm;
    }
  | { readonly kind: "strictest"; readonly of: readonly VerdictTerm[] };

export interface VerdictTerm {
  readonly id: number;
  readonly shape: VerdictShape;
  readonly leaves: readonly Term[];
}

/** A formula with more tests is not expanded further. */
const largestFormula = 2000;

export class TermPool {
  readonly program: Program;
  readonly no: Formula;
  readonly yes: Formula;
  readonly #terms = new Map<string, Term>();
  readonly #constants = new Map<bigint, Term>();
  readonly #tests = new Map<string, Test>();
  readonly #formulas = new Map<string, Formula>();
  readonly #verdicts = new Map<string, VerdictTerm>();
  readonly #versions = new Map<string, number>();
  #count = 0;

  constructor(program: Program) {
    this.program = program;
    this.no = this.#formula("no", { kind: "boolean", value: false }, 0, undefined, []);
    this.yes = this.#formula("yes", { kind: "boolean", value: true }, 0, undefined, []);
    this.no.negation = this.yes;
    this.yes.negation = this.no;
  }

  constant(value: bigint): Term {
    let term = this.#constants.get(value);
    if (term === undefined) {
      term = {
        id: this.#count++,
        shape: { kind: "constant", value },
        bits: value,
        range: { from: value, to: value },
        leaves: [],
        size: 0,
      };
      this.#constants.set(value, term);
    }
    return term;
  }

  input(input: Input): Term {
    const known = this.#terms.get(input);
    if (known !== undefined) return known;
    const most = inputFacts[input].maximum;
    return this.#term(input, { kind: "input", input }, most, 0n, most, true, [], 0);
  }

  cell(cell: number): Term {
    const key = `cell${cell}`;
    const known = this.#terms.get(key);
    if (known !== undefined) return known;
    const most = cellMaximum(this.program.cells[cell]!);
    return this.#term(key, { kind: "cell", cell }, lowMask(bitLength(most)), 0n, most, true, [], 0);
  }

  parameter(parameter: number): Term {
    const key = `parameter${parameter}`;
    const known = this.#terms.get(key);
    if (known !== undefined) return known;
    const { from, to } = parameterWords(this.program.parameters[parameter]!);
    return this.#term(key, { kind: "parameter", parameter }, lowMask(bitLength(to)), from, to, true, [], 0);
  }

  observed(word: number): Term {
    const key = `observed${word}`;
    const known = this.#terms.get(key);
    if (known !== undefined) return known;
    const most = wordMaximum(this.program.words[word]!);
    return this.#term(key, { kind: "observed", word }, lowMask(bitLength(most)), 0n, most, true, [], 0);
  }

  tableGet(table: number, version: number, key: Term, otherwise: Term): Term {
    const shape: TermShape = { kind: "table-get", table, version, key, otherwise };
    const name = `get${table},${version},${key.id},${otherwise.id}`;
    return this.#term(name, shape, maximumWord, 0n, maximumWord, true, [key, otherwise], 0);
  }

  tableHas(table: number, version: number, key: Term): Term {
    const shape: TermShape = { kind: "table-has", table, version, key };
    return this.#term(`has${table},${version},${key.id}`, shape, 1n, 0n, 1n, true, [key], 0);
  }

  /** The version of a table's contents after a change. */
  tableVersion(change: string): number {
    let version = this.#versions.get(change);
    if (version === undefined) {
      version = this.#versions.size + 1;
      this.#versions.set(change, version);
    }
    return version;
  }

  /** An operation that the caller could not fold. `opaque`: only its own value can be tested. */
  binary(operator: BinaryOperator, left: Term, right: Term, bits: bigint, opaque: boolean): Term {
    const shape: TermShape = { kind: "binary", operator, left, right };
    return this.#term(
      `${operator},${left.id},${right.id}`,
      shape,
      bits,
      0n,
      bits,
      opaque,
      [left, right],
      left.size + right.size,
    );
  }

  extend(width: 8 | 16 | 32, signed: boolean, value: Term): Term {
    const low = lowMask(width);
    // If the sign bit cannot be set, sign extension is zero extension; if no bits are cut off, it has no effect.
    const wide = signed && (value.bits & (1n << BigInt(width - 1))) !== 0n;
    if (!wide && (value.bits & ~low) === 0n) return value;
    const bits = wide ? maximumWord : value.bits & low;
    const shape: TermShape = { kind: "extend", width, signed: wide, value };
    return this.#term(`extend${width},${wide},${value.id}`, shape, bits, 0n, bits, false, [value], value.size);
  }

  compare(operator: CompareOperator, left: Term, right: Term): Term {
    const shape: TermShape = { kind: "compare", operator, left, right };
    return this.#term(`${operator},${left.id},${right.id}`, shape, 1n, 0n, 1n, true, [left, right], 0);
  }

  select(condition: Formula, then: Term, otherwise: Term): Term {
    if (condition === this.yes || then === otherwise) return then;
    if (condition === this.no) return otherwise;
    const size = condition.size + then.size + otherwise.size;
    const from = smaller(then.range.from, otherwise.range.from);
    const to = larger(then.range.to, otherwise.range.to);
    const shape: TermShape = { kind: "select", condition, then, otherwise };
    const key = `select${condition.id},${then.id},${otherwise.id}`;
    return this.#term(
      key,
      shape,
      then.bits | otherwise.bits,
      from,
      to,
      size > largestFormula,
      [then, otherwise],
      size,
      [...condition.leaves],
    );
  }

  #term(
    key: string,
    shape: TermShape,
    bits: bigint,
    from: bigint,
    to: bigint,
    opaque: boolean,
    parts: readonly Term[],
    size: number,
    more: readonly Term[] = [],
  ): Term {
    const known = this.#terms.get(key);
    if (known !== undefined) return known;
    const leaves: Term[] = mergeLeaves([...parts.map((part) => part.leaves), more]);
    const term: Term = {
      id: this.#count++,
      shape,
      bits,
      range: { from, to: smaller(to, bits) },
      leaves,
      size: opaque ? 1 : size,
    };
    if (opaque) leaves.push(term);
    this.#terms.set(key, term);
    return term;
  }

  /** The test in its normal form, simplified by path-independent facts about the term. */
  test(term: Term, mask: bigint, intervals: Intervals): Formula {
    const tested = mask & term.bits;
    const single = onlyValue(intervals);
    if (single !== undefined && single !== 0n && (single & ~tested) === 0n) {
      // Most tests compare with one value, which needs no normalisation.
      const possible = tested !== term.bits || (single >= term.range.from && single <= term.range.to);
      const certain = term.range.from === term.range.to;
      if (possible && !certain) return this.literal(this.#test(term, tested, intervals), false);
    }
    let list = normalise(intervals, tested);
    const { from, to } = term.range;
    if (tested === term.bits) {
      const reachable = normalise([{ from, to }], tested);
      list = intersect(list, reachable);
      if (list.length === 1 && reachable.length === 1 && list[0]!.from === reachable[0]!.from) {
        if (list[0]!.to === reachable[0]!.to) return this.yes;
      }
    }
    if (list.length === 0) return this.no;
    if (isEverything(list, tested)) return this.yes;
    const opposite = complement(list, tested);
    const negated = prefersComplement(list, opposite);
    const canonical = negated ? opposite : list;
    return this.literal(this.#test(term, tested, canonical), negated);
  }

  #test(term: Term, mask: bigint, intervals: Intervals): Test {
    const key = testKey(term, mask, intervals);
    let test = this.#tests.get(key);
    if (test === undefined) {
      const rank = isOfNumber(term) ? 0 : isTested(term) ? 1 : 2;
      test = { id: this.#count++, term, mask, intervals, rank };
      this.#tests.set(key, test);
    }
    return test;
  }

  literal(test: Test, negated: boolean): Formula {
    const key = `${negated ? "not" : ""}${test.id}`;
    return this.#formulas.get(key) ?? this.#formula(key, { kind: "test", test, negated }, 1, test, test.term.leaves);
  }

  not(formula: Formula): Formula {
    if (formula.negation !== undefined) return formula.negation;
    const { shape } = formula;
    let negation: Formula;
    if (shape.kind === "test") negation = this.literal(shape.test, !shape.negated);
    else if (shape.kind === "boolean") negation = shape.value ? this.no : this.yes;
    else
      negation = this.#group(
        shape.kind === "all" ? "any" : "all",
        shape.of.map((part) => this.not(part)),
      );
    formula.negation = negation;
    negation.negation = formula;
    return negation;
  }

  any(formulas: readonly Formula[]): Formula {
    return this.not(this.all(formulas.map((formula) => this.not(formula))));
  }

  all(formulas: readonly Formula[]): Formula {
    const parts = new Set<Formula>();
    for (const formula of formulas) {
      const { shape } = formula;
      if (formula === this.yes) continue;
      if (formula === this.no) return this.no;
      if (shape.kind === "all") for (const part of shape.of) parts.add(part);
      else parts.add(formula);
    }
    const merged = this.#mergeTests([...parts]);
    if (merged === undefined) return this.no;
    if (merged.length === 0) return this.yes;
    if (merged.length === 1) return merged[0]!;
    return this.#group("all", merged);
  }

  /** if-then-else of formulas. */
  either(condition: Formula, then: Formula, otherwise: Formula): Formula {
    if (condition === this.yes || then === otherwise) return then;
    if (condition === this.no) return otherwise;
    return this.any([this.all([condition, then]), this.all([this.not(condition), otherwise])]);
  }

  /**
   * Merges the tests of a conjunction that read one term: under one mask they intersect; two that each leave one value
   * become one comparison, `(w & 3) = 1 and (w & 12) = 8` becomes `(w & 15) = 9`.
   */
  #mergeTests(parts: readonly Formula[]): readonly Formula[] | undefined {
    const tests = parts.filter((part) => part.shape.kind === "test");
    if (tests.length < 2) return parts;
    const result: Formula[] = [];
    const position = new Map<string, number>();
    for (const part of parts) {
      if (part.shape.kind !== "test") {
        result.push(part);
        continue;
      }
      let { test, negated } = part.shape;
      const { term } = test;
      let { mask } = test;
      let list = negated ? complement(test.intervals, mask) : test.intervals;
      const single = onlyValue(list);
      if (single !== undefined) {
        const key = `=${term.id}`;
        const at = position.get(key);
        const before = at === undefined ? undefined : result[at]!.shape;
        if (at !== undefined && before?.kind === "test") {
          const other = before.negated ? complement(before.test.intervals, before.test.mask) : before.test.intervals;
          const value = onlyValue(other);
          if (value !== undefined) {
            if (((value ^ single) & before.test.mask & mask) !== 0n) return undefined;
            mask |= before.test.mask;
            list = [{ from: value | single, to: value | single }];
            const joined = this.test(term, mask, list);
            if (joined === this.no) return undefined;
            result[at] = joined;
            continue;
          }
        }
        position.set(key, result.length);
        result.push(part);
        continue;
      }
      const key = `${term.id},${mask}`;
      const at = position.get(key);
      const before = at === undefined ? undefined : result[at]!.shape;
      if (at !== undefined && before?.kind === "test") {
        const other = before.negated ? complement(before.test.intervals, mask) : before.test.intervals;
        const joined = this.test(term, mask, intersect(list, other));
        if (joined === this.no) return undefined;
        result[at] = joined;
        if (joined.shape.kind === "test") ({ test, negated } = joined.shape);
        continue;
      }
      position.set(key, result.length);
      result.push(part);
    }
    return result.filter((part) => part !== this.yes);
  }

  #group(kind: "all" | "any", of: readonly Formula[]): Formula {
    const key = `${kind}${of.map((part) => part.id).join()}`;
    const known = this.#formulas.get(key);
    if (known !== undefined) return known;
    let size = 0;
    let first: Test | undefined;
    for (const part of of) {
      size += part.size;
      if (part.first !== undefined && (first === undefined || part.first.rank < first.rank)) first = part.first;
    }
    return this.#formula(key, { kind, of }, size, first, mergeLeaves(of.map((part) => part.leaves)));
  }

  #formula(key: string, shape: FormulaShape, size: number, first: Test | undefined, leaves: readonly Term[]): Formula {
    const formula: Formula = { id: this.#count++, shape, size, first, leaves, negation: undefined };
    this.#formulas.set(key, formula);
    return formula;
  }

  verdict(verdict: number): VerdictTerm {
    return this.#verdict(`${verdict}`, { kind: "verdict", verdict }, []);
  }

  verdictSelect(condition: Formula, then: VerdictTerm, otherwise: VerdictTerm): VerdictTerm {
    if (condition === this.yes || then === otherwise) return then;
    if (condition === this.no) return otherwise;
    return this.#verdict(
      `select${condition.id},${then.id},${otherwise.id}`,
      { kind: "select", condition, then, otherwise },
      [condition.leaves, then.leaves, otherwise.leaves],
    );
  }

  strictest(of: readonly VerdictTerm[]): VerdictTerm {
    if (of.length === 1) return of[0]!;
    return this.#verdict(
      `strictest${of.map((part) => part.id).join()}`,
      { kind: "strictest", of },
      of.map((part) => part.leaves),
    );
  }

  #verdict(key: string, shape: VerdictShape, leaves: readonly (readonly Term[])[]): VerdictTerm {
    let term = this.#verdicts.get(key);
    if (term === undefined) {
      term = { id: this.#count++, shape, leaves: leaves.length === 0 ? [] : mergeLeaves(leaves) };
      this.#verdicts.set(key, term);
    }
    return term;
  }

  /** The state that the stateful part needs to decide a test. */
  reasons(test: Test): StatefulReason[] {
    const reasons: StatefulReason[] = [];
    for (const { shape } of test.term.leaves) {
      if (shape.kind === "cell") reasons.push({ because: "reads-state", cell: shape.cell });
      else if (shape.kind === "table-get" || shape.kind === "table-has")
        reasons.push({ because: "reads-table", table: shape.table });
      else if (shape.kind === "parameter") reasons.push({ because: "reads-parameter", parameter: shape.parameter });
      else if (shape.kind === "observed")
        reasons.push({ because: "reads-memory", observation: this.program.words[shape.word]!.observation });
      else if (shape.kind === "input" && isCircumstance(shape.input))
        reasons.push({ because: "reads-input", input: shape.input });
    }
    return reasons.length > 0 ? reasons : [{ because: "not-expressible" }];
  }
}

function testKey(term: Term, mask: bigint, intervals: Intervals): string {
  let key = `${term.id}&${mask.toString(36)}`;
  for (const { from, to } of intervals)
    key += from === to ? `,${from.toString(36)}` : `,${from.toString(36)}-${to.toString(36)}`;
  return key;
}

function isTested(term: Term): boolean {
  return term.shape.kind === "input" && isCallWord(term.shape.input);
}

/** Whether the call's number alone decides it. */
function isOfNumber(term: Term): boolean {
  return term.leaves.every(({ shape }) =>
    shape.kind === "input"
      ? shape.input === "number"
      : shape.kind === "binary" || shape.kind === "compare" || shape.kind === "select",
  );
}

function mergeLeaves(lists: readonly (readonly Term[])[]): Term[] {
  const some = lists.filter((list) => list.length > 0);
  if (some.length === 0) return [];
  if (some.length === 1) return [...some[0]!];
  return [...new Set(some.flat())].sort((a, b) => a.id - b.id);
}
