/**
 * Checks that a program is well formed. An error here is a bug in the front end or in a pass, never the policy author's
 * mistake. The interpreter, the printer, the split and the back ends rely on the check and do not repeat it.
 */

import { maximumWord } from "../abi/word.ts";
import { inputs } from "./inputs.ts";
import { isNormal } from "./intervals.ts";
import {
  cellMaximum,
  maximumDeclarations,
  maximumDepth,
  maximumNodes,
  maximumParameters,
  maximumRooms,
  maximumScopeBytes,
  maximumSides,
  maximumTreeCapacity,
  roomTimeout,
  scopeBytes,
} from "./limits.ts";
import type { Location } from "./location.ts";
import { observationFaults, wordFault } from "./observation.ts";
import { parameterFault } from "./parameters.ts";
import type { Cell, Expression, Interval, Program, Statement, ValueType } from "./program.ts";
import { programSize } from "./size.ts";
import { operands } from "./traverse.ts";
import { endsWaiting, maximumErrno, type Verdict } from "./verdicts.ts";

/** Returns one sentence for each error; an empty list for a well-formed program. */
export function checkProgram(program: Program): string[] {
  const check = new Check(program);
  check.declarations();
  const { nodes, depth } = programSize(program);
  // Walking the body of a larger or deeper program could overflow the stack.
  if (nodes > maximumNodes) return [...check.errors, `the program has ${nodes} nodes; ${maximumNodes} are allowed`];
  if (depth > maximumDepth)
    return [...check.errors, `the program is nested ${depth} deep; ${maximumDepth} are allowed`];
  check.body();
  return check.errors;
}

const types: Readonly<Record<Expression["kind"], ValueType>> = {
  constant: "integer",
  input: "integer",
  local: "integer",
  cell: "integer",
  parameter: "integer",
  observed: "integer",
  binary: "integer",
  extend: "integer",
  select: "integer",
  "table-get": "integer",
  "from-boolean": "integer",
  boolean: "boolean",
  "boolean-local": "boolean",
  compare: "boolean",
  within: "boolean",
  not: "boolean",
  all: "boolean",
  any: "boolean",
  "table-has": "boolean",
  verdict: "verdict",
  "verdict-local": "verdict",
  strictest: "verdict",
  "verdict-select": "verdict",
};

/** How control leaves a list of statements: by falling off its end, or to the blocks with these labels. */
interface Exits {
  readonly continues: boolean;
  readonly leaves: ReadonlySet<number>;
}

class Check {
  readonly errors: string[] = [];
  private readonly program: Program;
  private readonly labels = new Set<number>();
  private readonly checked = new Set<object>();

  constructor(program: Program) {
    this.program = program;
  }

  declarations(): void {
    const { program } = this;
    this.admission();
    program.verdicts.forEach((verdict, index) => {
      this.verdict(verdict, index);
    });
    if (program.verdicts[0]?.action !== "allow") this.error("verdict 0 is not an allow");
    program.cells.forEach((cell, index) => {
      this.cell(cell, `cell ${index} (${cell.name})`);
    });
    this.tables();
    this.rooms();
    this.parameters();
    this.observations();
    for (const report of program.reports) this.location(report.at);
    for (const [name, list] of Object.entries({ verdicts: program.verdicts, reports: program.reports })) {
      if (list.length > maximumDeclarations) this.error(`${list.length} ${name}; ${maximumDeclarations} are allowed`);
    }
    if (program.locals.length > maximumDeclarations) this.error(`${program.locals.length} locals`);
    for (const scope of ["thread", "process", "tree"] as const) {
      const bytes = scopeBytes(program, scope);
      if (bytes > maximumScopeBytes[scope]) {
        this.error(`${scope} state takes ${bytes} bytes; ${maximumScopeBytes[scope]} are allowed`);
      }
    }
  }

  body(): void {
    const exits = this.statements(this.program.body, new Set());
    if (exits.continues) this.error("a path through the body has no return");
  }

  private error(text: string): void {
    this.errors.push(text);
  }

  private admission(): void {
    const { always, judged } = this.program.admission;
    for (const list of [always, judged]) this.intervals(list, "admission", 0xffff_ffffn);
    this.intervals(
      [...always, ...judged].sort((a, b) => (a.from < b.from ? -1 : 1)),
      "always and judged together",
      0xffff_ffffn,
    );
  }

  private verdict(verdict: Verdict, index: number): void {
    this.location(verdict.at);
    const valid =
      verdict.action === "deny"
        ? Number.isInteger(verdict.errno) && verdict.errno >= 0 && verdict.errno <= maximumErrno
        : verdict.errno === 0;
    if (!valid) this.error(`verdict ${index}: errno ${verdict.errno} with ${verdict.action}`);
  }

  private parameters(): void {
    const { parameters } = this.program;
    if (parameters.length > maximumParameters) this.error(`${parameters.length} parameters`);
    parameters.forEach((parameter, index) => {
      this.location(parameter.at);
      const name = `parameter ${index} (${parameter.name})`;
      if (parameters.some((other, place) => place < index && other.name === parameter.name))
        this.error(`${name} is declared twice`);
      const fault = parameterFault(parameter);
      if (fault !== undefined) this.error(`${name} ${fault}`);
    });
  }

  private observations(): void {
    const { observations, words } = this.program;
    observations.forEach((observation, index) => {
      this.location(observation.at);
      for (const fault of observationFaults(observation)) {
        this.error(`observation ${index} (${observation.name}): ${fault}`);
      }
    });
    words.forEach((word, index) => {
      const observation = this.index(word.observation, observations, "observation");
      const fault = observation === undefined ? undefined : wordFault(observation, word);
      if (fault !== undefined) this.error(`word ${index}: ${fault}`);
    });
  }

  private cell(cell: Cell, name: string): void {
    this.location(cell.at);
    const { kind, initial, onFork } = cell;
    if (initial < 0n || initial > cellMaximum(cell)) this.error(`${name} cannot start as ${initial}`);
    if (cell.scope === "tree" && onFork !== "fresh") this.error(`${name} has tree scope and must start fresh on fork`);
    if (kind.is === "phases" && kind.names.length === 0) this.error(`${name} has no phases`);
    if (typeof onFork === "string") return;
    if (kind.is !== "phases") this.error(`${name} has a fork map but no phases`);
    else if (onFork.map.length !== kind.names.length) this.error(`${name} does not map each phase`);
    else if (!onFork.map.every((phase) => Number.isInteger(phase) && phase >= 0 && phase < kind.names.length)) {
      this.error(`${name} maps to an undeclared phase`);
    }
  }

  private tables(): void {
    this.program.tables.forEach((table, index) => {
      const name = `table ${index} (${table.name})`;
      this.location(table.at);
      const { capacity } = table;
      if (!Number.isInteger(capacity) || capacity < 1 || capacity > maximumTreeCapacity) {
        this.error(`${name} has capacity ${capacity}`);
      }
      const full = this.program.verdicts[table.full];
      if (full === undefined || full.action === "allow") this.error(`${name}: when full, verdict ${table.full}`);
      if (table.scope === "tree" && table.onFork !== "fresh")
        this.error(`${name} has tree scope and must start fresh on fork`);
    });
  }

  private rooms(): void {
    const { rooms } = this.program;
    if (rooms.length > maximumRooms) this.error(`${rooms.length} rooms; ${maximumRooms} are allowed`);
    rooms.forEach((room, index) => {
      const name = `room ${index} (${room.name})`;
      this.location(room.at);
      const sides = room.sides.length;
      if (sides < 1 || sides > maximumSides) this.error(`${name} has ${sides} sides`);
      if (new Set(room.sides).size !== sides) this.error(`${name} has two sides of one name`);
      if (!Number.isInteger(room.exclusive) || room.exclusive < 0 || room.exclusive >= 2 ** sides)
        this.error(`${name}: exclusive sides ${room.exclusive}`);
      if (room.timeout < roomTimeout.least || room.timeout > roomTimeout.most)
        this.error(`${name} has a timeout of ${room.timeout} ns`);
      const late = this.program.verdicts[room.late];
      if (late === undefined || !endsWaiting(late)) this.error(`${name}: when late, verdict ${room.late}`);
    });
  }

  private location(at: Location | undefined): void {
    if (at === undefined) return;
    const inFile = Number.isInteger(at.file) && at.file >= 0 && at.file < this.program.files.length;
    if (!inFile || !(at.line >= 1 && at.column >= 1 && at.length >= 1)) {
      this.error(`invalid location: file ${at.file}, ${at.line}:${at.column}, length ${at.length}`);
    }
  }

  /** Checks that the intervals are sorted and disjoint. */
  private intervals(intervals: readonly Interval[], of: string, top = maximumWord): void {
    intervals.forEach((interval, index) => {
      const previous = intervals[index - 1];
      if (interval.from < 0n || interval.from > interval.to || interval.to > top) {
        this.error(`${of}: ${interval.from} to ${interval.to} is not an interval`);
      }
      if (previous !== undefined && interval.from <= previous.to) {
        this.error(`${of}: ${previous.from} to ${previous.to} and ${interval.from} to ${interval.to} are not in order`);
      }
    });
  }

  // ── Statements ────────────────────────────────────────────────────────────────────────────────────────────────────

  private statements(statements: readonly Statement[], open: ReadonlySet<number>): Exits {
    const leaves = new Set<number>();
    let continues = true;
    for (const statement of statements) {
      const exits = this.statement(statement, open);
      // Unreachable statements are checked too, but their `leave`s do not count as exits.
      if (continues) for (const label of exits.leaves) leaves.add(label);
      continues &&= exits.continues;
    }
    return { continues, leaves };
  }

  private statement(statement: Statement, open: ReadonlySet<number>): Exits {
    this.location(statement.at);
    switch (statement.kind) {
      case "set-integer":
        this.local(statement.local, "integer");
        this.expression(statement.value, "integer");
        return next;
      case "set-boolean":
        this.local(statement.local, "boolean");
        this.expression(statement.value, "boolean");
        return next;
      case "set-verdict":
        this.local(statement.local, "verdict");
        this.expression(statement.value, "verdict");
        return next;
      case "store":
        this.store(statement);
        return next;
      case "table-set":
        this.index(statement.table, this.program.tables, "table");
        this.expression(statement.key, "integer");
        this.expression(statement.value, "integer");
        return next;
      case "table-delete":
        this.index(statement.table, this.program.tables, "table");
        this.expression(statement.key, "integer");
        return next;
      case "enter": {
        const room = this.index(statement.room, this.program.rooms, "room");
        if (room !== undefined) this.index(statement.side, room.sides, `side of room ${room.name}`);
        return next;
      }
      case "report": {
        const report = this.index(statement.report, this.program.reports, "report");
        if (report !== undefined && report.values.length !== statement.values.length) {
          this.error(`report ${statement.report} has ${report.values.length} values, not ${statement.values.length}`);
        }
        for (const value of statement.values) this.expression(value, "integer");
        return next;
      }
      case "if":
        this.expression(statement.condition, "boolean");
        return either([this.statements(statement.then, open), this.statements(statement.otherwise, open)]);
      case "switch":
        this.expression(statement.value, "integer");
        for (const arm of statement.arms) this.intervals(arm.intervals, "switch");
        return either([
          ...statement.arms.map((arm) => this.statements(arm.body, open)),
          this.statements(statement.otherwise, open),
        ]);
      case "block":
        return this.block(statement, open);
      case "leave":
        if (!open.has(statement.label)) this.error(`leave ${statement.label} is outside of its block`);
        return { continues: false, leaves: new Set([statement.label]) };
      case "return":
        this.expression(statement.verdict, "verdict");
        return { continues: false, leaves: new Set() };
    }
  }

  private block(statement: Extract<Statement, { kind: "block" }>, open: ReadonlySet<number>): Exits {
    const { label } = statement;
    if (!Number.isInteger(label) || label < 0) this.error(`label ${label}`);
    if (this.labels.has(label)) this.error(`two blocks have label ${label}`);
    this.labels.add(label);
    const inside = this.statements(statement.body, new Set([...open, label]));
    const leaves = new Set(inside.leaves);
    const left = leaves.delete(label);
    return { continues: inside.continues || left, leaves };
  }

  private store(statement: Extract<Statement, { kind: "store" }>): void {
    const cell = this.index(statement.cell, this.program.cells, "cell");
    this.expression(statement.value, "integer");
    if (cell !== undefined && statement.value.kind === "constant" && statement.value.value > cellMaximum(cell)) {
      this.error(`cell ${statement.cell} (${cell.name}) cannot hold ${statement.value.value}`);
    }
  }

  // ── Expressions ───────────────────────────────────────────────────────────────────────────────────────────────────

  private expression(expression: Expression, type: ValueType): void {
    if (types[expression.kind] !== type) this.error(`${expression.kind} where a value of type ${type} is expected`);
    // A shared expression is walked once; its type is checked at each use.
    if (this.checked.has(expression)) return;
    this.checked.add(expression);
    switch (expression.kind) {
      case "constant":
        if (expression.value < 0n || expression.value > maximumWord) {
          this.error(`constant ${expression.value} is not a 64-bit pattern`);
        }
        return;
      case "input":
        if (!inputs.includes(expression.input)) this.error(`no input ${expression.input}`);
        return;
      case "local":
        this.local(expression.local, "integer");
        return;
      case "boolean-local":
        this.local(expression.local, "boolean");
        return;
      case "verdict-local":
        this.local(expression.local, "verdict");
        return;
      case "cell":
        this.index(expression.cell, this.program.cells, "cell");
        return;
      case "parameter":
        this.index(expression.parameter, this.program.parameters, "parameter");
        return;
      case "observed":
        this.index(expression.word, this.program.words, "word");
        return;
      case "verdict":
        this.index(expression.verdict, this.program.verdicts, "verdict");
        return;
      case "within":
        if (!isNormal(expression.intervals)) this.error("within: intervals out of order, adjacent or out of range");
        break;
      case "strictest":
        if (expression.of.length === 0) this.error("strictest has no operands");
        break;
      case "table-has":
        this.index(expression.table, this.program.tables, "table");
        break;
      case "table-get": {
        const table = this.index(expression.table, this.program.tables, "table");
        if (table?.holdsValues === false)
          this.error(`table ${expression.table} (${table.name}) is a set and has no values`);
        break;
      }
      default:
    }
    this.operandsOf(expression);
  }

  private operandsOf(expression: Expression): void {
    const booleans = ["not", "all", "any", "from-boolean"].includes(expression.kind);
    operands(expression).forEach((operand, index) => {
      const isCondition = index === 0 && (expression.kind === "select" || expression.kind === "verdict-select");
      const expected =
        booleans || isCondition ? "boolean" : types[expression.kind] === "verdict" ? "verdict" : "integer";
      this.expression(operand, expected);
    });
  }

  private local(index: number, type: ValueType): void {
    const actual = this.index(index, this.program.locals, "local");
    if (actual !== undefined && actual !== type) this.error(`local ${index} is of type ${actual}, not ${type}`);
  }

  private index<T>(index: number, list: readonly T[], name: string): T | undefined {
    const element = list[index];
    if (element === undefined) this.error(`no ${name} ${index}`);
    return element;
  }
}

const next: Exits = { continues: true, leaves: new Set() };

function either(branches: readonly Exits[]): Exits {
  return {
    continues: branches.some((branch) => branch.continues),
    leaves: new Set(branches.flatMap((branch) => [...branch.leaves])),
  };
}
