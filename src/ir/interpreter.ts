/**
 * The interpreter: the reference semantics of a program. Every compiled form and every engine must agree with it.
 *
 * It compiles a program once to closures, one for each expression and statement, and caches them for the life of the
 * program object. This is several times faster than walking the tree. Evaluation terminates because a closure calls only
 * the closures of its operands and inner statements.
 */
import { binaryOperations, compareOperations, extend } from "./arithmetic.ts";
import {
  type Circumstances,
  type EnteredRoom,
  type Evaluation,
  type EvaluationState,
  type ScopeState,
  type SystemCallEvent,
  withEntered,
} from "./evaluation.ts";
import type { Input } from "./inputs.ts";
import { difference, emptySet, holds, union } from "./intervals.ts";
import type {
  BooleanExpression,
  IntegerExpression,
  Interval,
  Program,
  Scope,
  Statement,
  VerdictExpression,
} from "./program.ts";
import { strictness, type Verdict } from "./verdicts.ts";

/** The working state of one evaluation. */
interface Frame {
  readonly event: SystemCallEvent;
  readonly circumstances: Circumstances;
  readonly state: EvaluationState;
  readonly parameters: readonly bigint[];
  readonly integers: bigint[];
  readonly booleans: boolean[];
  readonly verdicts: number[];
  readonly reports: { readonly report: number; readonly values: readonly bigint[] }[];
  entered: readonly EnteredRoom[];
  /** The strictest verdict that full tables and rooms have raised so far; of equally strict ones, the first. */
  raised: number | undefined;
  returned: number;
  changedState: boolean;
}

type Compute<T> = (frame: Frame) => T;

/**
 * Counts the executed parts of one program, for coverage. The interpreter calls a member once for each place; the
 * function that it returns is called at each execution, if there is one.
 */
export interface Probes {
  statement(statement: Statement): (() => void) | undefined;
  /** Arm 0 of an `if` is `then`, and 1 is `otherwise`; a switch's last arm is its `otherwise`. */
  arm(statement: Statement, arm: number): (() => void) | undefined;
  /** An index into `Program.verdicts`. */
  verdict(index: number): (() => void) | undefined;
}

/** How a statement completes: `normal`, `returned`, or the label (≥ 0) of the block that it leaves. */
type Completion = number;
const normal: Completion = -1;
const returned: Completion = -2;

/**
 * Judges one call. The caller must have checked with `admit` that the number is judged. Updates `state` in place for every
 * verdict. `parameters` has one word for each of the program's parameters.
 */
export function evaluate(
  program: Program,
  event: SystemCallEvent,
  circumstances: Circumstances,
  state: EvaluationState,
  parameters: readonly bigint[] = [],
  probes?: Probes,
): Evaluation {
  if (parameters.length !== program.parameters.length)
    throw new Error(`policy ${program.name}: ${program.parameters.length} parameters, ${parameters.length} values`);
  if ((circumstances.observed?.length ?? 0) !== program.words.length)
    throw new Error(`policy ${program.name}: ${program.words.length} words, ${circumstances.observed?.length} values`);
  const step = prepared(program, probes);
  const frame: Frame = {
    event,
    circumstances,
    state,
    parameters,
    integers: step.integers.slice(),
    booleans: step.booleans.slice(),
    verdicts: step.verdicts.slice(),
    reports: [],
    entered: [],
    raised: undefined,
    returned: 0,
    changedState: false,
  };
  if (step.run(frame) !== returned) throw new Error(`policy ${program.name}: a path has no return`);
  const strict = (verdict: number) => strictness[program.verdicts[verdict]!.action];
  const verdict =
    frame.raised !== undefined && strict(frame.raised) > strict(frame.returned) ? frame.raised : frame.returned;
  return { verdict, entered: frame.entered, reports: frame.reports, changedState: frame.changedState };
}

/** The initial state of a thread, a process or the tree. Entries of other scopes exist and are unused. */
export function initialState(program: Program, scope: Scope): ScopeState {
  const cells = new BigUint64Array(program.cells.length);
  program.cells.forEach((cell, index) => {
    if (cell.scope === scope) cells[index] = cell.initial;
  });
  return { cells, tables: program.tables.map(() => new Map()) };
}

/**
 * The initial state of a new process (or of its first thread), from the state of its parent at the time of the fork. A
 * new thread of the same process starts with `initialState(program, "thread")` instead. There is one tree, so its state
 * is the parent's own.
 */
export function inheritState(program: Program, scope: Scope, parent: ScopeState): ScopeState {
  if (scope === "tree") return parent;
  const child = initialState(program, scope);
  program.cells.forEach((cell, index) => {
    if (cell.scope !== scope || cell.onFork === "fresh") return;
    const value = parent.cells[index]!;
    child.cells[index] = cell.onFork === "copy" ? value : BigInt(cell.onFork.map[Number(value)] ?? cell.initial);
  });
  const tables = program.tables.map((table, index) =>
    table.scope === scope && table.onFork === "copy" ? new Map(parent.tables[index]) : new Map<bigint, bigint>(),
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

const steps = new WeakMap<Program | Probes, Step>();

function prepared(program: Program, probes: Probes | undefined): Step {
  let step = steps.get(probes ?? program);
  if (step === undefined) {
    const preparation = new Preparation(program, probes);
    step = {
      run: preparation.sequence(program.body),
      integers: program.locals.map(() => 0n),
      booleans: program.locals.map(() => false),
      verdicts: program.locals.map(() => 0),
    };
    steps.set(probes ?? program, step);
  }
  return step;
}

const inputReaders: { readonly [I in Input]: Compute<bigint> } = {
  // The kernel's number is an int; the policy sees the low 32 bits of the register.
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
  private readonly probes: Probes | undefined;

  constructor(program: Program, probes: Probes | undefined) {
    this.program = program;
    this.probes = probes;
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
      case "observed": {
        const { word } = expression;
        return (frame) => frame.circumstances.observed![word]!;
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
        return probed(this.probes?.verdict(verdict), () => verdict);
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
    return probed(this.probes?.statement(statement), this.effect(statement));
  }

  private effect(statement: Statement): Compute<Completion> {
    switch (statement.kind) {
      case "set-integer": {
        const { local } = statement;
        const value = this.integer(statement.value);
        return (frame) => {
          frame.integers[local] = value(frame);
          return normal;
        };
      }
      case "set-boolean": {
        const { local } = statement;
        const value = this.boolean(statement.value);
        return (frame) => {
          frame.booleans[local] = value(frame);
          return normal;
        };
      }
      case "set-verdict": {
        const { local } = statement;
        const value = this.verdict(statement.value);
        return (frame) => {
          frame.verdicts[local] = value(frame);
          return normal;
        };
      }
      case "store": {
        const { cell } = statement;
        const { scope } = this.program.cells[cell]!;
        const value = this.integer(statement.value);
        return (frame) => {
          frame.state[scope].cells[cell] = value(frame);
          frame.changedState = true;
          return normal;
        };
      }
      case "table-set":
        return this.tableSet(statement.table, this.integer(statement.key), this.integer(statement.value));
      case "table-delete": {
        const table = this.table(statement.table);
        const key = this.integer(statement.key);
        return (frame) => {
          if (table(frame).delete(key(frame))) frame.changedState = true;
          return normal;
        };
      }
      case "enter":
        return this.enter(statement);
      case "report": {
        const { report } = statement;
        const values = statement.values.map((value) => this.integer(value));
        return (frame) => {
          frame.reports.push({ report, values: values.map((value) => value(frame)) });
          return normal;
        };
      }
      case "if": {
        const condition = this.boolean(statement.condition);
        const then = this.arm(statement, 0, statement.then);
        const otherwise = this.arm(statement, 1, statement.otherwise);
        return (frame) => (condition(frame) ? then(frame) : otherwise(frame));
      }
      case "switch":
        return this.switch(statement);
      case "block": {
        const { label } = statement;
        const body = this.sequence(statement.body);
        return (frame) => {
          const completion = body(frame);
          return completion === label ? normal : completion;
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
        if (completion !== normal) return completion;
      }
      return normal;
    };
  }

  private arm(statement: Statement, index: number, body: readonly Statement[]): Compute<Completion> {
    return probed(this.probes?.arm(statement, index), this.sequence(body));
  }

  /**
   * Finds the arm by binary search over the intervals of all arms: a policy's top level is a switch over hundreds of
   * calls.
   */
  private switch(statement: Extract<Statement, { kind: "switch" }>): Compute<Completion> {
    const value = this.integer(statement.value);
    const arms: { interval: Interval; body: Compute<Completion> }[] = [];
    let taken = emptySet;
    for (const [index, arm] of statement.arms.entries()) {
      const body = this.arm(statement, index, arm.body);
      // Where arms overlap, the first wins.
      for (const interval of difference(arm.intervals, taken)) arms.push({ interval, body });
      taken = union(taken, arm.intervals);
    }
    arms.sort((a, b) => (a.interval.from < b.interval.from ? -1 : 1));
    const otherwise = this.arm(statement, statement.arms.length, statement.otherwise);
    return (frame) => {
      const key = value(frame);
      let low = 0;
      let high = arms.length - 1;
      while (low <= high) {
        const middle = (low + high) >> 1;
        const { interval, body } = arms[middle]!;
        if (key < interval.from) high = middle - 1;
        else if (key > interval.to) low = middle + 1;
        else return body(frame);
      }
      return otherwise(frame);
    };
  }

  private tableSet(index: number, key: Compute<bigint>, value: Compute<bigint>): Compute<Completion> {
    const { capacity, full, holdsValues } = this.program.tables[index]!;
    const table = this.table(index);
    const raise = this.probes?.verdict(full);
    return (frame) => {
      const entries = table(frame);
      const inserted = key(frame);
      const written = value(frame);
      if (entries.size < capacity || entries.has(inserted)) {
        // A set's values have no meaning. Storing 0 for all makes equal sets equal maps.
        entries.set(inserted, holdsValues ? written : 0n);
        frame.changedState = true;
      } else {
        raise?.();
        this.raise(frame, full);
      }
      return normal;
    };
  }

  private enter({ room, side }: Extract<Statement, { kind: "enter" }>): Compute<Completion> {
    const { late } = this.program.rooms[room]!;
    return (frame) => {
      const entered = withEntered(frame.entered, { room, side });
      if (entered === undefined) this.raise(frame, late);
      else frame.entered = entered;
      return normal;
    };
  }

  private raise(frame: Frame, verdict: number): void {
    frame.raised = frame.raised === undefined ? verdict : this.stricter(frame.raised, verdict);
  }

  private table(index: number): Compute<Map<bigint, bigint>> {
    const { scope } = this.program.tables[index]!;
    return (frame) => frame.state[scope].tables[index]!;
  }

  /** The stricter of two verdicts; the first if they are equally strict. */
  private stricter(first: number, next: number): number {
    return this.rank(next) > this.rank(first) ? next : first;
  }

  private rank(verdict: number): number {
    return strictness[(this.program.verdicts[verdict] as Verdict).action];
  }
}

function probed<T>(probe: (() => void) | undefined, compute: Compute<T>): Compute<T> {
  if (probe === undefined) return compute;
  return (frame) => {
    probe();
    return compute(frame);
  };
}
