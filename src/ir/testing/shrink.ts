/**
 * Shrinks a failing run: a program and a trace. Greedy: it takes the first smaller run that still fails, and repeats.
 * It terminates because every candidate is smaller.
 */
import { checkProgram } from "../check.ts";
import type {
  BooleanExpression,
  Expression,
  IntegerExpression,
  Program,
  Statement,
  VerdictExpression,
} from "../program.ts";
import { bodiesOf, mapStatement, operands, sameExpressions } from "../traverse.ts";
import { keepsPromises } from "./stores.ts";
import type { TraceStep } from "./traces.ts";

export interface Run {
  readonly program: Program;
  readonly trace: readonly TraceStep[];
}

/**
 * Calls `fails` at most `mostTries` times. A run that holds the invariants (stores.ts) shrinks only to runs that do,
 * because a violation could be a failure of its own.
 */
export function shrinkRun(run: Run, fails: (run: Run) => boolean, mostTries = 5000): Run {
  let tries = 0;
  const promises = keepsPromises(run.program);
  const isSmaller = (candidate: Run): boolean => {
    if (tries >= mostTries || (promises && !keepsPromises(candidate.program))) return false;
    tries += 1;
    return fails(candidate);
  };
  let smallest = run;
  for (;;) {
    const found = firstThat(smallerRuns(smallest), isSmaller);
    if (found === undefined) return smallest;
    smallest = found;
  }
}

function firstThat<T>(candidates: Iterable<T>, holds: (candidate: T) => boolean): T | undefined {
  for (const candidate of candidates) if (holds(candidate)) return candidate;
  return undefined;
}

function* smallerRuns({ program, trace }: Run): Generator<Run> {
  for (let length = trace.length >> 1; length >= 1; length >>= 1)
    for (let start = trace.length - length; start >= 0; start -= length)
      yield { program, trace: withoutSteps(trace, start, length) };
  for (const body of smallerLists(program.body)) {
    const candidate = { ...program, body };
    if (checkProgram(candidate).length === 0) yield { program: candidate, trace };
  }
  for (const candidate of plainerDeclarations(program)) {
    if (checkProgram(candidate).length === 0) yield { program: candidate, trace };
  }
  yield* withPlainerCalls({ program, trace });
}

/** Drops the steps, and later steps of tasks that are no longer created. */
function withoutSteps(trace: readonly TraceStep[], start: number, length: number): TraceStep[] {
  const living = new Set([0]);
  return trace.filter((step, index) => {
    if (index >= start && index < start + length) return false;
    const actor = step.kind === "call" || step.kind === "exit" ? step.task : step.parent;
    if (!living.has(actor)) return false;
    if (step.kind === "fork" || step.kind === "thread") living.add(step.child);
    if (step.kind === "exit") living.delete(step.task);
    return true;
  });
}

/** Sets registers and ids to 0, one by one. Time stays, because it must not go backwards. */
function* withPlainerCalls({ program, trace }: Run): Generator<Run> {
  for (const [index, step] of trace.entries()) {
    if (step.kind !== "call") continue;
    const { event } = step;
    const instead = (other: TraceStep): Run => ({
      program,
      trace: trace.map((one, at) => (at === index ? other : one)),
    });
    for (const [register, value] of event.arguments.entries()) {
      if (value === 0n) continue;
      const registers = event.arguments.map((one, at) => (at === register ? 0n : one)) as never;
      yield instead({ ...step, event: { ...event, arguments: registers } });
    }
    if (event.instructionPointer !== 0n) yield instead({ ...step, event: { ...event, instructionPointer: 0n } });
    if (step.uid !== 0 || step.gid !== 0) yield instead({ ...step, uid: 0, gid: 0 });
    if (step.task !== 0) yield instead({ ...step, task: 0 });
  }
}

// ── Declarations ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Simplifies one declaration: state starts as 0, children start fresh, a verdict has no reason. */
function* plainerDeclarations(program: Program): Generator<Program> {
  const { verdicts, cells, tables, rooms, reports } = program;
  const replaced = <T>(list: readonly T[], index: number, one: T) =>
    list.map((other, at) => (at === index ? one : other));
  for (const [index, verdict] of verdicts.entries()) {
    if (verdict.reason !== undefined || verdict.at !== undefined)
      yield { ...program, verdicts: replaced(verdicts, index, { ...verdict, reason: undefined, at: undefined }) };
    if (verdict.errno > 1) yield { ...program, verdicts: replaced(verdicts, index, { ...verdict, errno: 1 }) };
  }
  for (const [index, cell] of cells.entries()) {
    if (cell.initial !== 0n) yield { ...program, cells: replaced(cells, index, { ...cell, initial: 0n }) };
    if (cell.onFork !== "fresh") yield { ...program, cells: replaced(cells, index, { ...cell, onFork: "fresh" }) };
  }
  for (const [index, table] of tables.entries()) {
    if (table.capacity > 1) yield { ...program, tables: replaced(tables, index, { ...table, capacity: 1 }) };
    if (table.onFork !== "fresh") yield { ...program, tables: replaced(tables, index, { ...table, onFork: "fresh" }) };
    const denial = verdicts.findIndex(({ action }) => action === "deny");
    if (verdicts[table.full]!.action !== "deny" && denial >= 0)
      yield { ...program, tables: replaced(tables, index, { ...table, full: denial }) };
  }
  for (const [index, room] of rooms.entries()) {
    const plainer = { ...room, scope: "tree", exclusive: 0 } as const;
    if (room.scope !== "tree" || room.exclusive !== 0) yield { ...program, rooms: replaced(rooms, index, plainer) };
  }
  for (const [index, report] of reports.entries()) {
    const values = report.values.map((value) => ({ ...value, print: "unsigned" as const }));
    if (report.values.some(({ print }) => print !== "unsigned"))
      yield { ...program, reports: replaced(reports, index, { ...report, values }) };
  }
}

// ── Statements ──────────────────────────────────────────────────────────────────────────────────────────────────────

function* smallerLists(list: readonly Statement[]): Generator<readonly Statement[]> {
  for (let length = list.length; length >= 1; length >>= 1)
    for (let start = list.length - length; start >= 0; start -= length)
      yield [...list.slice(0, start), ...list.slice(start + length)];
  for (const [index, statement] of list.entries()) {
    const around = (inside: readonly Statement[]) => [...list.slice(0, index), ...inside, ...list.slice(index + 1)];
    for (const body of bodiesOf(statement)) yield around(body);
    for (const smaller of smallerStatements(statement)) yield around([smaller]);
  }
}

function* smallerStatements(statement: Statement): Generator<Statement> {
  if (statement.kind === "switch")
    for (const index of statement.arms.keys())
      yield { ...statement, arms: statement.arms.filter((_, other) => other !== index) };
  for (const [index, body] of bodiesOf(statement).entries()) {
    for (const smaller of smallerLists(body)) {
      let place = -1;
      yield mapStatement(statement, sameExpressions, (other) => {
        place += 1;
        return place === index ? smaller : other;
      });
    }
  }
  yield* withOneSmaller(statement);
}

/** Shrinks one of the expressions directly inside. */
function* withOneSmaller(statement: Statement): Generator<Statement> {
  for (let place = 0; ; place += 1) {
    let seen = -1;
    let found: Expression | undefined;
    const look = <E extends Expression>(expression: E): E => {
      seen += 1;
      if (seen === place) found = expression;
      return expression;
    };
    mapStatement(statement, { integer: look, boolean: look, verdict: look }, (body) => body);
    if (found === undefined) return;
    for (const smaller of smallerExpressions(found)) {
      let at = -1;
      const replace = <E extends Expression>(expression: E): E => {
        at += 1;
        return at === place ? (smaller as E) : expression;
      };
      yield mapStatement(statement, { integer: replace, boolean: replace, verdict: replace }, (body) => body);
    }
  }
}

// ── Expressions ─────────────────────────────────────────────────────────────────────────────────────────────────────

type ExpressionType = "integer" | "boolean" | "verdict";

function typeOf(expression: Expression): ExpressionType {
  switch (expression.kind) {
    case "constant":
    case "input":
    case "local":
    case "cell":
    case "parameter":
    case "observed":
    case "binary":
    case "extend":
    case "select":
    case "table-get":
    case "from-boolean":
      return "integer";
    case "verdict":
    case "verdict-local":
    case "strictest":
    case "verdict-select":
      return "verdict";
    default:
      return "boolean";
  }
}

/** Yields constants, then operands of the same type, then the expression with one smaller operand. */
function* smallerExpressions(expression: Expression): Generator<Expression> {
  const type = typeOf(expression);
  const parts = operands(expression);
  if (expression.kind !== "constant" && expression.kind !== "verdict" && expression.kind !== "boolean") {
    if (type === "integer") yield { kind: "constant", value: 0n } satisfies IntegerExpression;
    if (type === "boolean")
      for (const value of [false, true]) yield { kind: "boolean", value } satisfies BooleanExpression;
    if (type === "verdict") yield { kind: "verdict", verdict: 0 } satisfies VerdictExpression;
  }
  for (const part of parts) if (typeOf(part) === type) yield part;
  for (const [index, part] of parts.entries())
    for (const smaller of smallerExpressions(part)) yield withPart(expression, index, smaller);
}

/** The expression with the operand at this place replaced. */
function withPart(expression: Expression, place: number, part: Expression): Expression {
  const own = operands(expression);
  const replaced = own.map((operand, index) => (index === place ? part : operand));
  const is = (index: number) => replaced[index] as never;
  switch (expression.kind) {
    case "binary":
    case "compare":
      return { ...expression, left: is(0), right: is(1) };
    case "extend":
    case "from-boolean":
    case "within":
    case "not":
      return { ...expression, value: is(0) };
    case "select":
    case "verdict-select":
      return { ...expression, condition: is(0), then: is(1), otherwise: is(2) };
    case "table-get":
      return { ...expression, key: is(0), otherwise: is(1) };
    case "table-has":
      return { ...expression, key: is(0) };
    case "all":
    case "any":
    case "strictest":
      return { ...expression, of: replaced as never };
    default:
      return expression;
  }
}
