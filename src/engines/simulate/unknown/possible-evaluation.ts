/**
 * Judges a call with unknown bits: computes all its possible verdicts and states.
 *
 * It walks the program once. If a condition depends on unknown bits, it takes both branches and joins their results. So it
 * terminates and is sound: the result of an evaluation with any completion of the bits is covered. It is not exact: two
 * branches that agree through different values may look different.
 *
 * A walk over the split's decision (src/analysis/decision.ts) would be 40 lines. But a decision knows no state: it gives the
 * verdicts of all states, and after one call with unknown bits that can change state, all state would be unknown. Traces of
 * strace leave the upper halves of 32-bit arguments and most memory unknown, so `test` and `simulate` would say "unknown"
 * from there on. With such a walk these tests fail: "state stays known if they do not decide about it, and uncertainty
 * spreads no further than necessary" and "has no effects either if unknown bits do not decide about the verdict"
 * (tree.test.ts), "until their return, if that has a line of its own" (replay.test.ts), and "passes its own case files"
 * (cases-text.property.test.ts).
 */

import { type EnteredRoom, withEntered } from "../../../ir/evaluation.ts";
import type { Input } from "../../../ir/inputs.ts";
import { complement, difference, emptySet, union } from "../../../ir/intervals.ts";
import { maximumEnteredRooms } from "../../../ir/limits.ts";
import type {
  BooleanExpression,
  IntegerExpression,
  Program,
  Statement,
  VerdictExpression,
} from "../../../ir/program.ts";
import { strictness } from "../../../ir/verdicts.ts";
import {
  anything,
  type Bits,
  binaryBits,
  compareBits,
  extendBits,
  isKnown,
  join,
  known,
  meets,
  withinBits,
} from "./known-bits.ts";
import { includesRoom, nothingRaised, Path } from "./path.ts";
import type { PossibleReport, PossibleStates, PossibleTable } from "./possible-state.ts";

export type PossibleInputs = { readonly [I in Input]: Bits } & {
  /** A word for each of `Program.words`. */
  readonly observed: readonly Bits[];
};

export interface PossibleEvaluation {
  /** Indexes into `Program.verdicts`, sorted, at least one. */
  readonly verdicts: readonly number[];
  readonly states: PossibleStates;
  /** The rooms that are certainly entered. */
  readonly entered: readonly EnteredRoom[];
  /** True if no other rooms are entered. */
  readonly enteredKnown: boolean;
  /** The reports that are certainly made. */
  readonly reports: readonly PossibleReport[];
  /** True if no other reports are made, and all values are known. */
  readonly reportsKnown: boolean;
}

/** Does not change `states`. */
export function evaluatePossible(program: Program, inputs: PossibleInputs, states: PossibleStates): PossibleEvaluation {
  const walk = new Walk(program, inputs);
  const left = walk.statements(program.body, Path.start(program, states));
  const { returned } = walk;
  if (left !== undefined || returned === undefined) throw new Error(`policy ${program.name}: a path has no return`);
  return {
    verdicts: [...walk.verdicts].sort((a, b) => a - b),
    states: returned.states,
    entered: returned.entered,
    enteredKnown: returned.entered.length === returned.perhapsEntered.length,
    reports: returned.reports,
    reportsKnown: returned.reportsCertain && returned.reports.every(({ values }) => values.every(isKnown)),
  };
}

class Walk {
  /** The joined facts of all returns so far, and their verdicts. */
  returned: Path | undefined;
  readonly verdicts = new Set<number>();
  private readonly program: Program;
  private readonly inputs: PossibleInputs;
  /** By label: the joined facts of the block's `leave`s so far. */
  private readonly leaving = new Map<number, Path>();

  constructor(program: Program, inputs: PossibleInputs) {
    this.program = program;
    this.inputs = inputs;
  }

  /** The path after the statements; undefined if none reaches their end. Consumes `path`. */
  statements(statements: readonly Statement[], path: Path): Path | undefined {
    let current: Path | undefined = path;
    for (const statement of statements) {
      if (current === undefined) return undefined;
      current = this.statement(statement, current);
    }
    return current;
  }

  private statement(statement: Statement, path: Path): Path | undefined {
    switch (statement.kind) {
      case "set-integer":
        path.integers[statement.local] = this.integer(statement.value, path);
        return path;
      case "set-boolean":
        path.booleans[statement.local] = this.boolean(statement.value, path);
        return path;
      case "set-verdict":
        path.verdicts[statement.local] = this.verdict(statement.value, path);
        return path;
      case "store": {
        const { scope } = this.program.cells[statement.cell]!;
        path.states[scope].cells[statement.cell] = this.integer(statement.value, path);
        return path;
      }
      case "table-set": {
        const { capacity, full, holdsValues } = this.program.tables[statement.table]!;
        const table = this.table(statement.table, path);
        const key = this.integer(statement.key, path);
        const value = holdsValues ? this.integer(statement.value, path) : known(0n);
        const wasFull = table.set(key, value, capacity);
        if (wasFull !== false) {
          const raised = [...path.raised].map((before) => this.raise(before, full));
          path.raised = new Set(wasFull ? raised : [...path.raised, ...raised]);
        }
        return path;
      }
      case "table-delete":
        this.table(statement.table, path).delete(this.integer(statement.key, path));
        return path;
      case "enter":
        return this.enter(statement, path);
      case "report": {
        const values = statement.values.map((value) => this.integer(value, path));
        path.reports = [...path.reports, { report: statement.report, values }];
        return path;
      }
      case "if": {
        const condition = this.boolean(statement.condition, path);
        if (condition !== undefined) return this.statements(condition ? statement.then : statement.otherwise, path);
        const other = path.copy();
        return join2(this.statements(statement.then, path), this.statements(statement.otherwise, other));
      }
      case "switch":
        return this.switch(statement, path);
      case "block": {
        const after = this.statements(statement.body, path);
        const left = this.leaving.get(statement.label);
        this.leaving.delete(statement.label);
        return join2(after, left);
      }
      case "leave":
        this.leaving.set(statement.label, join2(this.leaving.get(statement.label), path)!);
        return undefined;
      case "return": {
        for (const verdict of this.verdict(statement.verdict, path)) {
          for (const raised of path.raised) this.verdicts.add(this.raise(verdict, raised));
        }
        this.returned = join2(this.returned, path);
        return undefined;
      }
    }
  }

  private enter({ room, side }: Statement & { kind: "enter" }, path: Path): Path {
    const next = { room, side };
    const entered = withEntered(path.entered, next);
    const others = path.perhapsEntered.filter((one) => !includesRoom([next], one));
    const mayBeRefused =
      others.some((one) => one.room === room) || new Set(others.map((one) => one.room)).size >= maximumEnteredRooms;
    if (entered === undefined || mayBeRefused) {
      const { late } = this.program.rooms[room]!;
      const raised = [...path.raised].map((before) => this.raise(before, late));
      path.raised = new Set(entered === undefined ? raised : [...path.raised, ...raised]);
    }
    if (entered === undefined) return path;
    if (!mayBeRefused) path.entered = entered;
    if (!includesRoom(path.perhapsEntered, next)) path.perhapsEntered = [...path.perhapsEntered, next];
    return path;
  }

  private switch(statement: Statement & { kind: "switch" }, path: Path): Path | undefined {
    const value = this.integer(statement.value, path);
    const ways: (readonly Statement[])[] = [];
    let taken = emptySet;
    for (const { intervals, body } of statement.arms) {
      const answer = withinBits(value, intervals);
      if (answer === false) continue;
      if (answer === true && ways.length === 0) return this.statements(body, path);
      // If arms overlap, the first one wins.
      if (meets(value, difference(intervals, taken))) ways.push(body);
      taken = union(taken, intervals);
    }
    if (meets(value, complement(taken))) ways.push(statement.otherwise);
    const copies = ways.map((_, index) => (index === 0 ? path : path.copy()));
    return ways.map((way, index) => this.statements(way, copies[index]!)).reduce(join2);
  }

  private integer(expression: IntegerExpression, path: Path): Bits {
    switch (expression.kind) {
      case "constant":
        return known(expression.value);
      case "input":
        return this.inputs[expression.input];
      case "local":
        return path.integers[expression.local]!;
      case "cell":
        return path.states[this.program.cells[expression.cell]!.scope].cells[expression.cell]!;
      case "parameter":
        return anything;
      case "observed":
        return this.inputs.observed[expression.word]!;
      case "binary":
        return binaryBits(
          expression.operator,
          this.integer(expression.left, path),
          this.integer(expression.right, path),
        );
      case "extend":
        return extendBits(expression.width, expression.signed, this.integer(expression.value, path));
      case "select": {
        const condition = this.boolean(expression.condition, path);
        if (condition !== undefined) return this.integer(condition ? expression.then : expression.otherwise, path);
        return join(this.integer(expression.then, path), this.integer(expression.otherwise, path));
      }
      case "table-get": {
        const value = this.table(expression.table, path).get(this.integer(expression.key, path));
        return value === undefined ? anything : value === false ? this.integer(expression.otherwise, path) : value;
      }
      case "from-boolean": {
        const value = this.boolean(expression.value, path);
        return value === undefined ? { value: 0n, unknown: 1n } : known(value ? 1n : 0n);
      }
    }
  }

  /** Undefined if it depends on unknown bits. */
  private boolean(expression: BooleanExpression, path: Path): boolean | undefined {
    switch (expression.kind) {
      case "boolean":
        return expression.value;
      case "boolean-local":
        return path.booleans[expression.local];
      case "compare":
        return compareBits(
          expression.operator,
          this.integer(expression.left, path),
          this.integer(expression.right, path),
        );
      case "within":
        return withinBits(this.integer(expression.value, path), expression.intervals);
      case "not": {
        const value = this.boolean(expression.value, path);
        return value === undefined ? undefined : !value;
      }
      case "all":
        return this.sequence(expression.of, path, false);
      case "any":
        return this.sequence(expression.of, path, true);
      case "table-has": {
        const value = this.table(expression.table, path).get(this.integer(expression.key, path));
        return value === undefined ? undefined : value !== false;
      }
    }
  }

  /** `decides` if any operand is; otherwise undefined if any operand is. */
  private sequence(operands: readonly BooleanExpression[], path: Path, decides: boolean): boolean | undefined {
    let result: boolean | undefined = !decides;
    for (const operand of operands) {
      const value = this.boolean(operand, path);
      if (value === decides) return decides;
      if (value === undefined) result = undefined;
    }
    return result;
  }

  private verdict(expression: VerdictExpression, path: Path): ReadonlySet<number> {
    switch (expression.kind) {
      case "verdict":
        return new Set([expression.verdict]);
      case "verdict-local":
        return path.verdicts[expression.local]!;
      case "verdict-select": {
        const condition = this.boolean(expression.condition, path);
        if (condition !== undefined) return this.verdict(condition ? expression.then : expression.otherwise, path);
        return new Set([...this.verdict(expression.then, path), ...this.verdict(expression.otherwise, path)]);
      }
      case "strictest":
        return expression.of
          .map((part) => this.verdict(part, path))
          .reduce((first, next) => this.raiseAll(first, next));
    }
  }

  /** The stricter of two verdicts; the first if they are equally strict. */
  private raise(first: number, next: number): number {
    return this.rank(next) > this.rank(first) ? next : first;
  }

  private raiseAll(first: ReadonlySet<number>, next: ReadonlySet<number>): ReadonlySet<number> {
    const results = new Set<number>();
    for (const one of first) for (const other of next) results.add(this.raise(one, other));
    return results;
  }

  private rank(verdict: number): number {
    return verdict === nothingRaised ? -1 : strictness[this.program.verdicts[verdict]!.action];
  }

  private table(index: number, path: Path): PossibleTable {
    return path.states[this.program.tables[index]!.scope].tables[index]!;
  }
}

function join2(left: Path | undefined, right: Path | undefined): Path | undefined {
  if (left === undefined) return right;
  if (right !== undefined) left.join(right);
  return left;
}
