/**
 * Generates random well-formed programs that use every construct of program.ts. They hold the front end's invariants:
 * flags are 0 or 1, counters are below 2^63, phases never decrease.
 */

import { maximumSigned } from "../../abi/word.ts";
import type { Pattern } from "../../patterns/pattern.ts";
import { normalise } from "../intervals.ts";
import type { Observation, ObservedWord, Reading, Shape } from "../observation.ts";
import type {
  Cell,
  CellKind,
  IntegerExpression,
  Interval,
  OnFork,
  Parameter,
  Program,
  Report,
  Room,
  Scope,
  Statement,
  Table,
  ValueType,
} from "../program.ts";
import { type Action, actionNames, endsWaiting, type Verdict } from "../verdicts.ts";
import { type Choices, chance, listOf, pick, weighted } from "./choices.ts";
import { ExpressionGenerator, indexes, type Vocabulary } from "./expressions.ts";
import { arbitraryValue } from "./values.ts";

export interface ProgramOptions {
  /** The approximate maximum of statements. Default 40. */
  readonly statements?: number;
  /** The maximum nesting of expressions and statements. Default 3. */
  readonly depth?: number;
  /** Uses only the call's number and registers: no state, reports, time or identity. */
  readonly stateless?: boolean;
  /** Enters rooms: also two sides of one, and more than a call can take. */
  readonly rooms?: boolean;
  /** Declares up to three open parameters. */
  readonly parameters?: boolean;
  /** With the verdict `ask`, which only the engine notify has. */
  readonly asks?: boolean;
  /** With observations. An evaluation must provide their words. */
  readonly observations?: boolean;
}

/** read, write, mmap, close, socket, clone, fork, vfork, execve, and numbers at both ends of the table. */
const judgedNumbers = [0, 1, 3, 9, 41, 56, 57, 58, 59, 257, 334, 424, 435, 462];
/** restart_syscall, rt_sigreturn, exit and exit_group of x86-64, for every architecture. */
const alwaysNumbers = [15, 60, 219, 231];

export function generateProgram(choices: Choices, options: ProgramOptions = {}): Program {
  return new ProgramGenerator(choices, options).program();
}

class ProgramGenerator {
  private readonly choices: Choices;
  private readonly stateless: boolean;
  private readonly actions: readonly Action[];
  private readonly maximumDepth: number;
  private readonly values: readonly bigint[];
  private readonly verdicts: readonly Verdict[];
  private readonly cells: readonly Cell[];
  private readonly tables: readonly Table[];
  private readonly rooms: readonly Room[];
  private readonly reports: readonly Report[];
  private readonly parameters: readonly Parameter[];
  private readonly observations: readonly Observation[];
  private readonly words: readonly ObservedWord[];
  private readonly locals: readonly ValueType[];
  private readonly expressions: ExpressionGenerator;
  private statementsLeft: number;
  private nextLabel: number;

  constructor(choices: Choices, options: ProgramOptions) {
    this.choices = choices;
    this.stateless = options.stateless ?? false;
    this.actions = options.asks === true ? actionNames : actionNames.filter((action) => action !== "ask");
    this.maximumDepth = options.depth ?? 3;
    this.statementsLeft = 1 + choices.below(options.statements ?? 40);
    this.nextLabel = choices.below(3);
    this.values = listOf(choices, 1, 4, () => arbitraryValue(choices));
    this.verdicts = [
      { action: "allow", errno: 0, reason: undefined, at: undefined },
      // At least one verdict that a full table can raise.
      { action: "deny", errno: 12, reason: "full", at: undefined },
      ...listOf(choices, 0, 6, (index) => this.verdict(index)),
    ];
    this.cells = this.stateless ? [] : listOf(choices, 0, 5, (index) => this.cell(index));
    this.tables = this.stateless ? [] : listOf(choices, 0, 3, (index) => this.table(index));
    this.reports = this.stateless ? [] : listOf(choices, 0, 2, (index) => this.report(index));
    this.rooms = options.rooms === true ? listOf(choices, 1, 6, (index) => this.room(index)) : [];
    this.parameters = options.parameters === true ? listOf(choices, 1, 3, (index) => this.parameter(index)) : [];
    this.observations = options.observations === true ? listOf(choices, 1, 3, (index) => this.observation(index)) : [];
    this.words = this.observations.flatMap(({ shape }, observation) =>
      listOf(choices, 1, 3, () => ({ observation, reads: this.reading(shape) })),
    );
    this.locals = listOf(choices, 0, 5, () => pick(choices, ["integer", "boolean", "verdict"] as const));
    const words: Vocabulary = {
      declarations: {
        cells: this.cells,
        tables: this.tables,
        parameters: this.parameters,
        words: this.words,
        locals: this.locals,
        verdicts: this.verdicts,
      },
      numbers: judgedNumbers,
      values: this.values,
      stateless: this.stateless,
    };
    this.expressions = new ExpressionGenerator(choices, words);
  }

  program(): Program {
    const { choices, verdicts, cells, tables, rooms, reports, parameters, observations, words, locals } = this;
    const body = [...this.statements(this.maximumDepth, []), this.return()];
    return {
      architecture: chance(choices, 5) ? "aarch64" : "x86_64",
      name: "random",
      files: ["random.ts"],
      admission: {
        always: alwaysNumbers.map((number) => ({ from: BigInt(number), to: BigInt(number) })),
        // Sometimes one of the numbers is unknown.
        judged: normalise(
          judgedNumbers
            .filter(() => !chance(choices, 8))
            .map((number) => ({ from: BigInt(number), to: BigInt(number) })),
        ),
      },
      verdicts,
      cells,
      tables,
      rooms,
      reports,
      parameters,
      observations,
      words,
      locals,
      readOnlyProc: false,
      hosts: [],
      objects: [],
      body,
    };
  }

  // ── Declarations ──────────────────────────────────────────────────────────────────────────────────────────────────

  private verdict(index: number): Verdict {
    const action = pick(this.choices, this.actions);
    return {
      action,
      errno: action === "deny" ? pick(this.choices, [1, 38, 13, 4095, 0]) : 0,
      reason: chance(this.choices, 2) || action === "ask" ? `reason ${index}` : undefined,
      at: chance(this.choices, 2) ? { file: 0, line: index + 1, column: 1, length: 1 } : undefined,
    };
  }

  private observation(index: number): Observation {
    const shape = pick<Shape>(this.choices, [
      { is: "path" },
      { is: "string", bytes: 4096 },
      { is: "address" },
      { is: "message" },
      { is: "strings", entries: 8, bytes: 4096 },
      { is: "structure", name: "open_how", minimum: 24, size: 24 },
    ]);
    const sized = shape.is === "address" || shape.is === "structure";
    const sources = judgedNumbers
      .filter(() => chance(this.choices, 2))
      .map((number, place) => ({ number, register: place % 6, length: sized ? (place + 1) % 6 : undefined }));
    const first = { number: judgedNumbers[0]!, register: 0, length: sized ? 1 : undefined };
    return { name: `memory${index}`, shape, sources: sources.length === 0 ? [first] : sources, at: undefined };
  }

  private reading(shape: Shape): Reading {
    const { choices } = this;
    const patterns = (): readonly Pattern[] =>
      listOf(choices, 1, 3, (index): Pattern => ({ kind: "startsWith", text: `/${"abc"[index]}` }));
    switch (shape.is) {
      case "path":
      case "string":
        return { is: "matches", part: { is: "whole" }, patterns: patterns() };
      case "address":
      case "message":
        return weighted<Reading>(choices, [
          [shape.is === "message" ? 1 : 0, () => ({ is: "control-length" })],
          [2, () => ({ is: "address", part: pick(choices, ["kind", "family", "port", "high", "low"] as const) })],
          [1, () => ({ is: "matches", part: { is: "socket-path" }, patterns: patterns() })],
        ]);
      case "strings":
        return weighted<Reading>(choices, [
          [1, () => ({ is: "length" })],
          [1, () => ({ is: "any-entry", patterns: patterns() })],
          [1, () => ({ is: "matches", part: { is: "entry", index: choices.below(8) }, patterns: patterns() })],
        ]);
      case "structure":
        return { is: "field", offset: 8 * choices.below(3), bytes: pick(choices, [1, 2, 4, 8] as const) };
    }
  }

  private scope(): Scope {
    return pick(this.choices, ["process", "thread", "tree"] as const);
  }

  private cell(index: number): Cell {
    const { choices } = this;
    const scope = this.scope();
    const kind = weighted<CellKind>(choices, [
      [2, () => ({ is: "value" })],
      [1, () => ({ is: "flag" })],
      [1, () => ({ is: "counter" })],
      [2, () => ({ is: "phases", names: ["starting", "serving", "ending", "ended"].slice(0, 1 + choices.below(4)) })],
    ]);
    const onFork = weighted<OnFork>(choices, [
      [1, () => "copy"],
      [1, () => "fresh"],
      [kind.is === "phases" ? 1 : 0, () => ({ map: this.phaseMap(kind) })],
    ]);
    return {
      name: `${kind.is}${index}`,
      scope,
      kind,
      initial: this.initial(kind),
      onFork: scope === "tree" ? "fresh" : onFork,
      at: undefined,
    };
  }

  private phaseMap(kind: CellKind): number[] {
    if (kind.is !== "phases") return [];
    return kind.names.map(() => this.choices.below(kind.names.length));
  }

  private initial(kind: CellKind): bigint {
    const { choices } = this;
    switch (kind.is) {
      case "value":
        return arbitraryValue(choices, this.values);
      case "flag":
        return BigInt(choices.below(2));
      case "counter":
        return pick(choices, [0n, 1n, 0x7fff_ffff_ffff_fffen, maximumSigned]);
      case "phases":
        return BigInt(choices.below(kind.names.length));
    }
  }

  private table(index: number): Table {
    const { choices } = this;
    const scope = this.scope();
    const strict = indexes(this.verdicts, ({ action }) => action !== "allow");
    return {
      name: `table${index}`,
      scope,
      capacity: 1 + choices.below(4),
      full: pick(choices, strict),
      onFork: scope !== "tree" && chance(choices, 2) ? "copy" : "fresh",
      holdsValues: !chance(choices, 3),
      at: undefined,
    };
  }

  private room(index: number): Room {
    const { choices } = this;
    const sides = listOf(choices, 2, 3, (side) => `side${side}`);
    return {
      name: `room${index}`,
      scope: pick(choices, ["process", "memory", "tree"] as const),
      sides,
      exclusive: choices.below(1 << sides.length),
      timeout: pick(choices, [1_000_000n, 60_000_000_000n]),
      late: pick(choices, indexes(this.verdicts, endsWaiting)),
      at: undefined,
    };
  }

  private parameter(index: number): Parameter {
    const { choices } = this;
    const name = `parameter${index}`;
    if (chance(choices, 4)) return { name, kind: "flag", from: 0n, to: 1n, default: undefined, at: undefined };
    const word = () => arbitraryValue(choices, this.values);
    const isSigned = chance(choices, 3);
    const read = (value: bigint) => (isSigned ? BigInt.asIntN(64, value) : value);
    const ends = [read(word()), chance(choices, 2) ? read(word()) : undefined];
    const small = ends[0]! + BigInt(choices.below(8));
    const other = ends[1] ?? (read(BigInt.asUintN(64, small)) === small ? small : ends[0]!);
    const [from, to] = other < ends[0]! ? [other, ends[0]!] : [ends[0]!, other];
    return { name, kind: "integer", from, to, default: chance(choices, 2) ? to : undefined, at: undefined };
  }

  private report(index: number): Report {
    const { choices } = this;
    return {
      text: `report ${index}`,
      values: listOf(choices, 0, 3, (value) => ({
        name: `value${value}`,
        print: pick(choices, ["unsigned", "signed", "boolean"] as const),
      })),
      at: undefined,
    };
  }

  // ── Statements ────────────────────────────────────────────────────────────────────────────────────────────────────

  private statements(depth: number, labels: readonly number[]): Statement[] {
    const statements: Statement[] = [];
    // More statements at the top level, so that few programs end at once.
    const wanted = this.choices.below(depth === this.maximumDepth ? 14 : 6);
    while (statements.length < wanted && this.statementsLeft > 0) {
      this.statementsLeft--;
      statements.push(this.statement(depth, labels));
    }
    return statements;
  }

  private statement(depth: number, labels: readonly number[]): Statement {
    const { choices, expressions } = this;
    const made = weighted<Statement>(choices, [
      [1, () => this.return()],
      [4, () => this.effect()],
      [3, () => this.assignment()],
      [labels.length === 0 ? 0 : 1, () => ({ kind: "leave", label: pick(choices, labels) })],
      [
        depth <= 0 ? 0 : 5,
        () => ({
          kind: "if",
          condition: expressions.boolean(2),
          then: this.statements(depth - 1, labels),
          otherwise: chance(choices, 2) ? this.statements(depth - 1, labels) : [],
        }),
      ],
      [depth <= 0 ? 0 : 3, () => this.switch(depth - 1, labels)],
      [depth <= 0 ? 0 : 2, () => this.block(depth - 1, labels)],
    ]);
    return chance(choices, 4) ? { ...made, at: { file: 0, line: 1 + choices.below(99), column: 3, length: 2 } } : made;
  }

  private return(): Statement {
    return { kind: "return", verdict: this.expressions.verdict(2) };
  }

  private block(depth: number, labels: readonly number[]): Statement {
    const label = this.nextLabel++;
    return { kind: "block", label, body: this.statements(depth, [...labels, label]) };
  }

  private switch(depth: number, labels: readonly number[]): Statement {
    const { choices, expressions } = this;
    const overCalls = !chance(choices, 3);
    const overlapping = chance(choices, 10);
    let taken: Interval[] = [];
    const arms = listOf(choices, 0, 3, () => {
      const intervals = (overCalls ? expressions.callNumbers() : expressions.intervals()).filter(
        (interval) => overlapping || !taken.some((other) => other.from <= interval.to && interval.from <= other.to),
      );
      taken = [...taken, ...intervals];
      return { intervals, body: this.statements(depth, labels) };
    });
    return {
      kind: "switch",
      value: overCalls ? { kind: "input", input: "number" } : expressions.integer(2),
      arms,
      otherwise: chance(choices, 2) ? this.statements(depth, labels) : [],
    };
  }

  private assignment(): Statement {
    const { choices, expressions, locals } = this;
    if (locals.length === 0) return this.effect();
    const local = choices.below(locals.length);
    switch (locals[local]!) {
      case "integer":
        return { kind: "set-integer", local, value: expressions.integer(3) };
      case "boolean":
        return { kind: "set-boolean", local, value: expressions.boolean(2) };
      case "verdict":
        return { kind: "set-verdict", local, value: expressions.verdict(2) };
    }
  }

  /** A change of state or a report; an empty block if the program has neither. */
  private effect(): Statement {
    const { choices, expressions, cells, tables, rooms, reports } = this;
    const table = () => choices.below(tables.length);
    return weighted<Statement>(choices, [
      [cells.length + tables.length + rooms.length + reports.length === 0 ? 1 : 0, () => this.block(0, [])],
      [cells.length === 0 ? 0 : 4, () => this.store()],
      [
        tables.length === 0 ? 0 : 4,
        () => ({ kind: "table-set", table: table(), key: expressions.key(1), value: expressions.integer(2) }),
      ],
      [tables.length === 0 ? 0 : 1, () => ({ kind: "table-delete", table: table(), key: expressions.key(1) })],
      [reports.length === 0 ? 0 : 2, () => this.reportStatement()],
      [rooms.length === 0 ? 0 : 4, () => this.enter()],
    ]);
  }

  private enter(): Statement {
    const room = this.choices.below(this.rooms.length);
    return { kind: "enter", room, side: this.choices.below(this.rooms[room]!.sides.length) };
  }

  private reportStatement(): Statement {
    const report = this.choices.below(this.reports.length);
    const values = this.reports[report]!.values.map(() => this.expressions.integer(2));
    return { kind: "report", report, values };
  }

  /** Stores only values that the cell can hold. */
  private store(): Statement {
    const { choices, expressions } = this;
    const index = choices.below(this.cells.length);
    const { kind } = this.cells[index]!;
    const cell: IntegerExpression = { kind: "cell", cell: index };
    const store = (value: IntegerExpression): Statement => ({ kind: "store", cell: index, value });
    switch (kind.is) {
      case "value":
        return store(expressions.integer(3));
      case "flag":
        return store({ kind: "from-boolean", value: expressions.boolean(2) });
      case "counter":
        return store(chance(choices, 3) ? halved(expressions.integer(2)) : saturatingIncrement(cell));
      case "phases": {
        const phase = { kind: "constant", value: BigInt(choices.below(kind.names.length)) } as const;
        const before = { kind: "compare", operator: "less-unsigned", left: cell, right: phase } as const;
        return store({ kind: "select", condition: before, then: phase, otherwise: cell });
      }
    }
  }
}

function halved(value: IntegerExpression): IntegerExpression {
  return { kind: "binary", operator: "shift-right-unsigned", left: value, right: { kind: "constant", value: 1n } };
}

function saturatingIncrement(cell: IntegerExpression): IntegerExpression {
  const last = { kind: "constant", value: maximumSigned } as const;
  return {
    kind: "select",
    condition: { kind: "compare", operator: "less-unsigned", left: cell, right: last },
    then: { kind: "binary", operator: "add", left: cell, right: { kind: "constant", value: 1n } },
    otherwise: cell,
  };
}
