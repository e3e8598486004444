/**
 * The reference meaning of a program. Every compiled form and every engine must agree with it.
 *
 * A program is turned once into closures (one for each expression and statement), which are kept as long as the program
 * object lives. That is several times faster than walking the tree and no harder to read: each case still says what the
 * construct means.
 *
 * It ends, because closures only call those of the expressions and statements inside them.
 */
import { binaryOperations, compareOperations, extend } from "./arithmetic.ts";
import type { Circumstances, Evaluation, EvaluationState, ScopeState, SystemCallEvent } from "./evaluation.ts";
import { difference, emptySet, holds, union } from "./intervals.ts";
import type {
  BooleanExpression,
  Input,
  IntegerExpression,
  Interval,
  Program,
  Scope,
  Statement,
  VerdictExpression,
} from "./program.ts";
import { strictness, type Verdict } from "./verdicts.ts";

/** What one evaluation works on. */
interface Frame {
  readonly event: SystemCallEvent;
  readonly circumstances: Circumstances;
  readonly state: EvaluationState;
  readonly parameters: readonly bigint[];
  readonly integers: bigint[];
  readonly booleans: boolean[];
  readonly verdicts: number[];
  readonly reports: { readonly report: number; readonly values: readonly bigint[] }[];
  /** The strictest that full tables have raised so far, the first between equals. */
  raised: number | undefined;
  returned: number;
  changedState: boolean;
}

type Compute<T> = (frame: Frame) => T;

/** How a statement ended: `goOn`, `returned`, or the label (≥ 0) of the block that is being left. */
type Completion = number;
const goOn: Completion = -1;
const returned: Completion = -2;

/**
 * Judges one call. Only for numbers that `admit` says are judged. Changes `state` in place; that is the policy's
 * effect, and it stands whatever the verdict is. `parameters` are the words of the program's parameters, if it has any.
 */
export function evaluate(
  program: Program,
  event: SystemCallEvent,
  circumstances: Circumstances,
  state: EvaluationState,
  parameters: readonly bigint[] = [],
): Evaluation {
  if (parameters.length !== program.parameters.length)
    throw new Error(`policy ${program.name}: ${program.parameters.length} parameters, ${parameters.length} values`);
  const step = prepared(program);
  const frame: Frame = {
    event,
    circumstances,
    state,
    parameters,
    integers: step.integers.slice(),
    booleans: step.booleans.slice(),
    verdicts: step.verdicts.slice(),
    reports: [],
    raised: undefined,
    returned: 0,
    changedState: false,
  };
  if (step.run(frame) !== returned) throw new Error(`policy ${program.name}: a path has no return`);
  const strict = (verdict: number) => strictness[program.verdicts[verdict]!.action];
  const verdict =
    frame.raised !== undefined && strict(frame.raised) > strict(frame.returned) ? frame.raised : frame.returned;
  return { verdict, reports: frame.reports, changedState: frame.changedState };
}

/** What a thread, a process or the tree starts with. Entries of other scopes are there, and unused. */
export function initialState(program: Program, scope: Scope): ScopeState {
  const cells = new BigUint64Array(program.cells.length);
  program.cells.forEach((cell, index) => {
    if (cell.scope === scope) cells[index] = cell.initial;
  });
  return { cells, tables: program.tables.map(() => new Map()) };
}

/**
 * What a new process (or its first thread) starts with, from the state of its maker as it was when the fork was judged.
 * A new thread of the same process starts with `initialState(program, "thread")` instead. There is one tree, so its
 * state is the maker's own.
 */
export function inheritState(program: Program, scope: Scope, maker: ScopeState): ScopeState {
  if (scope === "tree") return maker;
  const child = initialState(program, scope);
  program.cells.forEach((cell, index) => {
    if (cell.scope !== scope || cell.onFork === "fresh") return;
    const value = maker.cells[index]!;
    child.cells[index] = cell.onFork === "copy" ? value : BigInt(cell.onFork.map[Number(value)] ?? cell.initial);
  });
  const tables = program.tables.map((table, index) =>
    table.scope === scope && table.onFork === "copy" ? new Map(maker.tables[index]) : new Map<bigint, bigint>(),
  );
  return { cells: child.cells, tables };
}

// ── Preparation ─────────────────────────────────────────────────────────────────────────────────────────────────────

interface Step {
  readonly run: Compute<Completion>;
  readonly integers: readonly bigint[];
  readonly booleans: readonly boolean[];
  readonly verdicts: readonly number[];
}

const steps = new WeakMap<Program, Step>();

function prepared(program: Program): Step {
  let step = steps.get(program);
  if (step === undefined) {
    const preparation = new Preparation(program);
    step = {
      run: preparation.sequence(program.body),
      integers: program.locals.map(() => 0n),
      booleans: program.locals.map(() => false),
      verdicts: program.locals.map(() => 0),
    };
    steps.set(program, step);
  }
  return step;
}

const inputReaders: { readonly [I in Input]: Compute<bigint> } = {
  // The kernel's number is an int; as an integer of the policy it is the register's low 32 bits.
  number: ({ event }) => BigInt(event.number >>> 0),
  instructionPointer: ({ event }) => event.instructionPointer,
  argument0: ({ event }) => event.arguments[0],
  argument1: ({ event }) => event.arguments[1],
  argument2: ({ event }) => event.arguments[2],
  argument3: ({ event }) => event.arguments[3],
  argument4: ({ event }) => event.arguments[4],
  argument5: ({ event }) => event.arguments[5],
  now: ({ circumstances }) => circumstances.now,
  pid: ({ circumstances }) => BigInt(circumstances.pid >>> 0),
  tid: ({ circumstances }) => BigInt(circumstances.tid >>> 0),
  uid: ({ circumstances }) => BigInt(circumstances.uid >>> 0),
  gid: ({ circumstances }) => BigInt(circumstances.gid >>> 0),
  alive: ({ circumstances }) => circumstances.alive,
};

class Preparation {
  readonly program: Program;

  constructor(program: Program) {
    this.program = program;
  }

  integer(expression: IntegerExpression): Compute<bigint> {
    switch (expression.kind) {
      case "constant": {
        const { value } = expression;
        return () => value;
      }
      case "input":
        return inputReaders[expression.input];
      case "local": {
        const { local } = expression;
        return (frame) => frame.integers[local]!;
      }
      case "cell": {
        const { cell } = expression;
        const { scope } = this.program.cells[cell]!;
        return (frame) => frame.state[scope].cells[cell]!;
      }
      case "parameter": {
        const { parameter } = expression;
        return (frame) => frame.parameters[parameter]!;
      }
      case "binary": {
        const operation = binaryOperations[expression.operator];
        const left = this.integer(expression.left);
        const right = this.integer(expression.right);
        return (frame) => operation(left(frame), right(frame));
      }
      case "extend": {
        const { width, signed } = expression;
        const value = this.integer(expression.value);
        return (frame) => extend(width, signed, value(frame));
      }
      case "select": {
        const condition = this.boolean(expression.condition);
        const then = this.integer(expression.then);
        const otherwise = this.integer(expression.otherwise);
        return (frame) => (condition(frame) ? then(frame) : otherwise(frame));
      }
      case "table-get": {
        const table = this.table(expression.table);
        const key = this.integer(expression.key);
        const otherwise = this.integer(expression.otherwise);
        return (frame) => table(frame).get(key(frame)) ?? otherwise(frame);
      }
      case "from-boolean": {
        const value = this.boolean(expression.value);
        return (frame) => (value(frame) ? 1n : 0n);
      }
    }
  }

  boolean(expression: BooleanExpression): Compute<boolean> {
    switch (expression.kind) {
      case "boolean": {
        const { value } = expression;
        return () => value;
      }
      case "boolean-local": {
        const { local } = expression;
        return (frame) => frame.booleans[local]!;
      }
      case "compare": {
        const operation = compareOperations[expression.operator];
        const left = this.integer(expression.left);
        const right = this.integer(expression.right);
        return (frame) => operation(left(frame), right(frame));
      }
      case "within": {
        const { intervals } = expression;
        const value = this.integer(expression.value);
        return (frame) => holds(intervals, value(frame));
      }
      case "not": {
        const value = this.boolean(expression.value);
        return (frame) => !value(frame);
      }
      case "all": {
        const of = expression.of.map((part) => this.boolean(part));
        return (frame) => of.every((part) => part(frame));
      }
      case "any": {
        const of = expression.of.map((part) => this.boolean(part));
        return (frame) => of.some((part) => part(frame));
      }
      case "table-has": {
        const table = this.table(expression.table);
        const key = this.integer(expression.key);
        return (frame) => table(frame).has(key(frame));
      }
    }
  }

  verdict(expression: VerdictExpression): Compute<number> {
    switch (expression.kind) {
      case "verdict": {
        const { verdict } = expression;
        return () => verdict;
      }
      case "verdict-local": {
        const { local } = expression;
        return (frame) => frame.verdicts[local]!;
      }
      case "strictest": {
        const of = expression.of.map((part) => this.verdict(part));
        return (frame) => of.map((part) => part(frame)).reduce((first, next) => this.stricter(first, next));
      }
      case "verdict-select": {
        const condition = this.boolean(expression.condition);
        const then = this.verdict(expression.then);
        const otherwise = this.verdict(expression.otherwise);
        return (frame) => (condition(frame) ? then(frame) : otherwise(frame));
      }
    }
  }

  statement(statement: Statement): Compute<Completion> {
    switch (statement.kind) {
      case "set-integer": {
        const { local } = statement;
        const value = this.integer(statement.value);
        return (frame) => {
          frame.integers[local] = value(frame);
          return goOn;
        };
      }
      case "set-boolean": {
        const { local } = statement;
        const value = this.boolean(statement.value);
        return (frame) => {
          frame.booleans[local] = value(frame);
          return goOn;
        };
      }
      case "set-verdict": {
        const { local } = statement;
        const value = this.verdict(statement.value);
        return (frame) => {
          frame.verdicts[local] = value(frame);
          return goOn;
        };
      }
      case "store": {
        const { cell } = statement;
        const { scope } = this.program.cells[cell]!;
        const value = this.integer(statement.value);
        return (frame) => {
          frame.state[scope].cells[cell] = value(frame);
          frame.changedState = true;
          return goOn;
        };
      }
      case "table-set":
        return this.tableSet(statement.table, this.integer(statement.key), this.integer(statement.value));
      case "table-delete": {
        const table = this.table(statement.table);
        const key = this.integer(statement.key);
        return (frame) => {
          if (table(frame).delete(key(frame))) frame.changedState = true;
          return goOn;
        };
      }
      case "report": {
        const { report } = statement;
        const values = statement.values.map((value) => this.integer(value));
        return (frame) => {
          frame.reports.push({ report, values: values.map((value) => value(frame)) });
          return goOn;
        };
      }
      case "if": {
        const condition = this.boolean(statement.condition);
        const then = this.sequence(statement.then);
        const otherwise = this.sequence(statement.otherwise);
        return (frame) => (condition(frame) ? then(frame) : otherwise(frame));
      }
      case "switch":
        return this.switch(statement);
      case "block": {
        const { label } = statement;
        const body = this.sequence(statement.body);
        return (frame) => {
          const completion = body(frame);
          return completion === label ? goOn : completion;
        };
      }
      case "leave": {
        const { label } = statement;
        return () => label;
      }
      case "return": {
        const verdict = this.verdict(statement.verdict);
        return (frame) => {
          frame.returned = verdict(frame);
          return returned;
        };
      }
    }
  }

  sequence(statements: readonly Statement[]): Compute<Completion> {
    const parts = statements.map((statement) => this.statement(statement));
    if (parts.length === 1) return parts[0]!;
    return (frame) => {
      for (const part of parts) {
        const completion = part(frame);
        if (completion !== goOn) return completion;
      }
      return goOn;
    };
  }

  /** Finds the arm by binary search over all arms' intervals: a policy's top level is a switch over hundreds of calls. */
  private switch(statement: Extract<Statement, { kind: "switch" }>): Compute<Completion> {
    const value = this.integer(statement.value);
    const arms: { interval: Interval; body: Compute<Completion> }[] = [];
    let taken = emptySet;
    for (const arm of statement.arms) {
      const body = this.sequence(arm.body);
      // Where arms overlap, the first wins.
      for (const interval of difference(arm.intervals, taken)) arms.push({ interval, body });
      taken = union(taken, arm.intervals);
    }
    arms.sort((a, b) => (a.interval.from < b.interval.from ? -1 : 1));
    const otherwise = this.sequence(statement.otherwise);
    return (frame) => {
      const wanted = value(frame);
      let low = 0;
      let high = arms.length - 1;
      while (low <= high) {
        const middle = (low + high) >> 1;
        const { interval, body } = arms[middle]!;
        if (wanted < interval.from) high = middle - 1;
        else if (wanted > interval.to) low = middle + 1;
        else return body(frame);
      }
      return otherwise(frame);
    };
  }

  private tableSet(index: number, key: Compute<bigint>, value: Compute<bigint>): Compute<Completion> {
    const { capacity, full, holdsValues } = this.program.tables[index]!;
    const table = this.table(index);
    return (frame) => {
      const entries = table(frame);
      const wanted = key(frame);
      const written = value(frame);
      if (entries.size < capacity || entries.has(wanted)) {
        // A set's values have no meaning; 0 for all, so that equal sets are equal maps.
        entries.set(wanted, holdsValues ? written : 0n);
        frame.changedState = true;
      } else {
        frame.raised = frame.raised === undefined ? full : this.stricter(frame.raised, full);
      }
      return goOn;
    };
  }

  private table(index: number): Compute<Map<bigint, bigint>> {
    const { scope } = this.program.tables[index]!;
    return (frame) => frame.state[scope].tables[index]!;
  }

  /** The strictest of two; the first where they are equally strict. */
  private stricter(first: number, next: number): number {
    return this.rank(next) > this.rank(first) ? next : first;
  }

  private rank(verdict: number): number {
    return strictness[(this.program.verdicts[verdict] as Verdict).action];
  }
}
