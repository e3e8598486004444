/**
 * Unsigned bounds of an expression's pattern that hold in every state and for every call. They are coarse: one
 * interval, no conditions. The front end has finer ranges of its own (frontend/typescript/values/ranges.ts).
 */
import { maximumWord } from "../../abi/word.ts";
import { larger, smaller } from "../arithmetic.ts";
import { type Input, inputFacts, inputs } from "../inputs.ts";
import { cellMaximum } from "../limits.ts";
import { type ObservedWord, wordMaximum } from "../observation.ts";
import { parameterWords } from "../parameters.ts";
import type { Cell, IntegerExpression, Interval, Parameter, Program } from "../program.ts";

type Declarations = Pick<Program, "cells" | "parameters" | "words">;

const everything: Interval = { from: 0n, to: maximumWord };

const inputRanges = Object.fromEntries(inputs.map((input) => [input, { from: 0n, to: inputFacts[input].maximum }])) as {
  readonly [I in Input]: Interval;
};

export class Ranges {
  private readonly cells: readonly Cell[];
  private readonly parameters: readonly Parameter[];
  private readonly words: readonly ObservedWord[];
  private readonly known = new WeakMap<IntegerExpression, Interval>();

  /** Cells, parameters and words that are not given have the full range. */
  constructor({ cells = [], parameters = [], words = [] }: Partial<Declarations> = {}) {
    this.cells = cells;
    this.words = words;
    this.parameters = parameters;
  }

  of(expression: IntegerExpression): Interval {
    let range = this.known.get(expression);
    if (range === undefined) {
      range = this.compute(expression);
      this.known.set(expression, range);
    }
    return range;
  }

  private compute(expression: IntegerExpression): Interval {
    switch (expression.kind) {
      case "constant":
        return { from: expression.value, to: expression.value };
      case "input":
        return inputRanges[expression.input];
      case "local":
        return everything;
      case "cell": {
        const cell = this.cells[expression.cell];
        return cell === undefined ? everything : { from: 0n, to: cellMaximum(cell) };
      }
      case "parameter": {
        const parameter = this.parameters[expression.parameter];
        return parameter === undefined ? everything : parameterWords(parameter);
      }
      case "observed": {
        const word = this.words[expression.word];
        return word === undefined ? everything : { from: 0n, to: wordMaximum(word) };
      }
      case "from-boolean":
        return { from: 0n, to: 1n };
      case "select":
        return hull(this.of(expression.then), this.of(expression.otherwise));
      case "table-get":
        return everything;
      case "extend":
        return extended(expression.width, expression.signed, this.of(expression.value));
      case "binary":
        return this.binary(expression);
    }
  }

  private binary({ operator, left, right }: Extract<IntegerExpression, { kind: "binary" }>): Interval {
    const a = this.of(left);
    const b = this.of(right);
    const constant = b.from === b.to ? b.from : undefined;
    switch (operator) {
      case "add":
        return unlessWrapped(a.from + b.from, a.to + b.to);
      case "subtract":
        return unlessWrapped(a.from - b.to, a.to - b.from);
      case "multiply":
        return unlessWrapped(a.from * b.from, a.to * b.to);
      case "divide-unsigned":
        // Division by 0 gives 0; no other quotient exceeds the dividend.
        return b.from === 0n ? { from: 0n, to: a.to } : { from: a.from / b.to, to: a.to / b.from };
      case "remainder-unsigned":
        return { from: 0n, to: b.from === 0n ? a.to : smaller(a.to, b.to - 1n) };
      case "and":
        return { from: 0n, to: smaller(a.to, b.to) };
      case "or":
        return { from: larger(a.from, b.from), to: ones(a.to | b.to) };
      case "xor":
        return { from: 0n, to: ones(a.to | b.to) };
      case "shift-right-unsigned":
        return constant === undefined
          ? { from: 0n, to: a.to }
          : { from: a.from >> (constant & 63n), to: a.to >> (constant & 63n) };
      case "shift-left":
        return constant === undefined
          ? everything
          : unlessWrapped(a.from << (constant & 63n), a.to << (constant & 63n));
      case "divide-signed":
      case "remainder-signed":
      case "shift-right-signed":
        return everything;
    }
  }
}

function extended(width: 8 | 16 | 32, isSigned: boolean, value: Interval): Interval {
  const top = (1n << BigInt(width)) - 1n;
  if (!isSigned) return value.to <= top ? value : { from: 0n, to: top };
  return value.to <= top >> 1n ? value : everything;
}

function hull(left: Interval, right: Interval): Interval {
  return { from: smaller(left.from, right.from), to: larger(left.to, right.to) };
}

function unlessWrapped(from: bigint, to: bigint): Interval {
  return from >= 0n && to <= maximumWord ? { from, to } : everything;
}

/** The smallest 2^n − 1 that is at least the value. */
function ones(value: bigint): bigint {
  return (1n << BigInt(value.toString(2).length)) - 1n;
}
