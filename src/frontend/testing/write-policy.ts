/**
 * Writes a program of the IR as a policy module, so that the command line can check, explain and run it. It is for
 * generated programs, such as those of a random test that failed.
 */

import { callByName } from "../../abi/calls.ts";
import { errnoName } from "../../abi/errno.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { renderDiagnostics } from "../../diagnostics/render.ts";
import type { Cell, IntegerExpression, Interval, Program, Room, Statement, Table } from "../../ir/program.ts";
import { addsOne, isCell, phaseEntered } from "../../ir/testing/stores.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../ir/traverse.ts";
import type { Verdict } from "../../ir/verdicts.ts";
import { loadPolicy } from "../load.ts";
import { uringCalls } from "../program/call-names.ts";
import {
  constantText,
  counterText,
  ExpressionWriter,
  negated,
  no,
  type Piece,
  type Places,
  yes,
} from "./policy-expressions.ts";

export interface WrittenPolicy {
  readonly text: string;
  /** Differences between module and program that the language cannot express; sentences without a full stop. */
  readonly losses: readonly string[];
  /** The names of the program's cells and tables in the module; undefined for unused ones. */
  readonly cells: readonly (string | undefined)[];
  readonly tables: readonly (string | undefined)[];
}

/**
 * Throws if the compiler refuses the module, which is a bug of this file, and if the program has open parameters.
 * `heading` is a comment at the top, one string for each line.
 */
export function writePolicy(program: Program, heading: readonly string[] = []): WrittenPolicy {
  const own = unshared(program);
  const outcomes = new Map<string, boolean>();
  const ids = new Map<object, number>();
  let entersRooms = true;
  for (;;) {
    const written = new PolicyWriter(own, outcomes, ids, entersRooms).module();
    const { text, places } = unmarked(written.text);
    const loaded = loadPolicy("/written.ts", { architecture: program.architecture, readFile: () => text });
    const errors = loaded.diagnostics.filter(({ severity }) => severity === "error");
    if (errors.length === 0) {
      const comment = [
        ...heading,
        ...(heading.length > 0 && written.losses.length > 0 ? [""] : []),
        ...lossLines(written.losses),
      ];
      return { ...written, text: `${commentOf(comment)}${text}` };
    }
    if (entersRooms && errors.some(({ code }) => roomFaults.includes(code))) {
      entersRooms = false;
      continue;
    }
    const found = errors.flatMap((error) => decided(error, places));
    // An outcome that the module has already would be found for ever.
    if (found.every(([place, outcome]) => outcomes.get(place) === outcome)) {
      throw new Error(`${renderDiagnostics(errors, loaded.sources)}\n${text}`);
    }
    for (const [place, outcome] of found) outcomes.set(place, outcome);
  }
}

function lossLines(losses: readonly string[]): string[] {
  return losses.length === 0 ? [] : ["Not expressible in the language:", ...losses.map((loss) => `- ${loss}`)];
}

function commentOf(lines: readonly string[]): string {
  if (lines.length === 0) return "";
  return `/**\n${lines.map((line) => ` * ${line}`.trimEnd().replaceAll("*/", "* /")).join("\n")}\n */\n`;
}

/** Copies every node, so that facts about one place do not apply to another. */
function unshared<T>(value: T): T {
  if (Array.isArray(value)) return value.map(unshared) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, unshared(member)])) as T;
}

// ── Places that the compiler finds decided ──────────────────────────────────────────────────────────────────────────

const [begins, named, ends] = ["\u0001", "\u0002", "\u0003"];

interface Place {
  readonly place: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** The source without its marks, and the positions of the marks. */
function unmarked(marked: string): { readonly text: string; readonly places: readonly Place[] } {
  let text = "";
  const places: Place[] = [];
  const open: { readonly place: string; readonly at: number }[] = [];
  for (let index = 0; index < marked.length; index += 1) {
    const character = marked[index]!;
    if (character === begins) {
      const end = marked.indexOf(named, index);
      open.push({ place: marked.slice(index + 1, end), at: text.length });
      index = end;
    } else if (character === ends) {
      const { place, at } = open.pop()!;
      const lines = text.slice(0, at).split("\n");
      places.push({ place, line: lines.length, column: lines.at(-1)!.length + 1, length: text.length - at });
    } else text += character;
  }
  return { text, places };
}

function decided({ code, span, message }: Diagnostic, places: readonly Place[]): [string, boolean][] {
  if (code !== "P0204" || span === undefined) return [];
  return places
    .filter(({ line, column, length }) => line === span.line && column === span.column && length === span.length)
    .map(({ place }) => [place, message.startsWith("always")]);
}

// ── The module ──────────────────────────────────────────────────────────────────────────────────────────────────────

const words = new Set(
  "allow ask log deny trap kill strictest calls perThread perProcess perMemory perTree tree now report policy call true false let const if else switch case default break return for of function import export type BigInt Verdict".split(
    " ",
  ),
);
const roomFaults: readonly string[] = ["P0414", "P0415", "P0416", "P0417"];
const roomScopes = { process: "perProcess", memory: "perMemory", tree: "perTree" } as const;
const scopes = { thread: "perThread", process: "perProcess", tree: "perTree" } as const;

interface Written {
  readonly lines: readonly string[];
  /** The next statement is unreachable. */
  readonly ends: boolean;
}

class PolicyWriter {
  readonly #program: Program;
  readonly #writer: ExpressionWriter;
  readonly #outcomes: ReadonlyMap<string, boolean>;
  readonly #places: Places;
  readonly #losses = new Set<string>();
  readonly #cells: (string | undefined)[];
  readonly #tables: (string | undefined)[];
  readonly #rooms: (string | undefined)[];
  readonly #entersRooms: boolean;
  readonly #verdicts = new Set<number>();
  readonly #locals = new Set<number>();
  readonly #taken = new Set(words);
  readonly #keepsKind: readonly boolean[];
  /** Labels with a `leave` in the written part of their block. */
  readonly #left = new Set<number>();

  constructor(
    program: Program,
    outcomes: ReadonlyMap<string, boolean>,
    ids: Map<object, number>,
    entersRooms: boolean,
  ) {
    this.#program = program;
    this.#outcomes = outcomes;
    this.#cells = program.cells.map(() => undefined);
    this.#tables = program.tables.map(() => undefined);
    this.#rooms = program.rooms.map(() => undefined);
    this.#entersRooms = entersRooms;
    this.#keepsKind = expressibleKinds(program);
    const names = {
      local: (index: number) => {
        this.#locals.add(index);
        return `local${index}`;
      },
      cell: (index: number) => {
        this.#cells[index] ??= this.#name(program.cells[index]!.name, "cell");
        return this.#cells[index]!;
      },
      table: (index: number) => {
        this.#tables[index] ??= this.#name(program.tables[index]!.name, "table");
        return this.#tables[index]!;
      },
      verdict: (index: number) => this.#verdictName(index),
      keepsKind: (cell: number) => this.#keepsKind[cell]!,
    };
    this.#places = {
      place: (owner, part) => {
        const id = ids.get(owner) ?? ids.size;
        ids.set(owner, id);
        return `${id} ${part}`;
      },
      outcome: (place) => this.#outcomes.get(place),
      mark: (place, text) => `${begins}${place}${named}${text}${ends}`,
    };
    this.#writer = new ExpressionWriter(program, names, this.#places, refusesClone3(program));
  }

  module(): WrittenPolicy {
    const { lines } = this.#list(this.#program.body, "  ");
    // The verdict of a table or a room is named before it is declared.
    const rooms = this.#program.rooms.flatMap((room, index) => this.#room(room, index));
    const tables = this.#program.tables.flatMap((table, index) => this.#table(table, index));
    const cells = this.#program.cells.flatMap((cell, index) => this.#cell(cell, index));
    const verdicts = [...this.#verdicts].sort((a, b) => a - b).map((index) => this.#verdict(index));
    const locals = [...this.#locals].sort((a, b) => a - b).map((index) => `  ${this.#local(index)}`);
    this.#noteTheUnsayable();
    const options = this.#program.readOnlyProc ? "{ readOnlyProc: true }, " : "";
    const body = [`export default policy(${options}(call) => {`, ...locals, ...lines, "});"];
    const head = [...verdicts, ...cells, ...tables, ...rooms];
    const text = [...head, ...(head.length > 0 ? [""] : []), ...body].join("\n");
    return {
      text: `${importsOf(text)}\n\n${text}\n`,
      losses: [...this.#losses],
      cells: this.#cells,
      tables: this.#tables,
    };
  }

  /** Records differences that every module has. */
  #noteTheUnsayable(): void {
    const { admission, architecture } = this.#program;
    const judges = (number: number) => admission.judged.some(({ from, to }) => from <= number && number <= to);
    if (refusesClone3(this.#program) && judges(callByName("clone3")!.number[architecture]!)) {
      this.#losses.add("a policy that must see every new process answers clone3 with ENOSYS at least");
    }
    const standard = this.#writer.callsIn([{ from: 0n, to: 4095n }]).map((name) => this.#writer.numberOf(name));
    const known = new Set(standard);
    const foreign = admission.judged.some(({ from, to }) => {
      for (let number = from; number <= to; number += 1n) if (!known.has(Number(number))) return true;
      return false;
    });
    if (foreign || !standard.every((number) => judges(number) || isUring(architecture, number)))
      this.#losses.add("which numbers are calls: the language judges those of the architecture's table");
  }

  // ── Declarations ──────────────────────────────────────────────────────────────────────────────────────────────────

  #name(wanted: string, otherwise: string): string {
    const plain = wanted.replaceAll(/[^A-Za-z0-9]+/g, "_").replace(/^(?=\d|$)/, otherwise);
    let name = plain;
    for (let count = 2; this.#taken.has(name); count += 1) name = `${plain}_${count}`;
    this.#taken.add(name);
    return name;
  }

  #verdictName(index: number): string {
    const { action, reason } = this.#program.verdicts[index]!;
    if (action === "allow" || action === "log") {
      if (reason !== undefined) this.#losses.add(`the reason of \`${action}\`: ${JSON.stringify(reason)}`);
      return action;
    }
    this.#verdicts.add(index);
    return `verdict${index}`;
  }

  #verdict(index: number): string {
    return `const verdict${index} = ${this.#verdictCall(this.#program.verdicts[index]!)};`;
  }

  #verdictCall({ action, errno, reason }: Verdict): string {
    const because = reason === undefined ? [] : [JSON.stringify(reason)];
    if (action === "ask") {
      if (reason === undefined) this.#losses.add("a question without a reason: another one stands in its place");
      return `ask(${JSON.stringify(reason ?? "?")})`;
    }
    if (action === "trap") return `trap(${because})`;
    if (action !== "deny") return `kill(${[JSON.stringify(action.replace("kill-", "")), ...because].join(", ")})`;
    const name = errnoName(errno);
    if (name === undefined) this.#losses.add(`the errno ${errno}, which has no name: EPERM stands in its place`);
    return `deny(${[JSON.stringify(name ?? "EPERM"), ...because].join(", ")})`;
  }

  #local(index: number): string {
    const start = { integer: "0n", boolean: "false", verdict: "allow" }[this.#program.locals[index]!];
    const type = { integer: "", boolean: ": boolean", verdict: ": Verdict" }[this.#program.locals[index]!];
    return `let local${index}${type} = ${start};`;
  }

  #cell(cell: Cell, index: number): string[] {
    const name = this.#cells[index];
    if (name === undefined) return [];
    const { kind, initial, onFork, scope } = cell;
    const make = `const ${name} = ${scopes[scope]}`;
    if (kind.is === "phases" && this.#keepsKind[index]) {
      // The language requires two phases; nothing enters the added one.
      const phases = kind.names.length === 1 ? [...kind.names, `after ${kind.names[0]}`] : kind.names;
      const list = `[${phases.map((phase) => JSON.stringify(phase)).join(", ")}]`;
      return [`${make}.phases(${[list, ...onForkOf(cell, phases)].join(", ")});`];
    }
    if (typeof onFork === "object")
      this.#losses.add(`the phase of ${name} in which a child starts, given its parent's: it gets a copy`);
    if (!this.#keepsKind[index]) this.#losses.add(`that ${name} is a ${kind.is}: it is a value, of the same words`);
    const start = kind.is === "flag" && this.#keepsKind[index] ? `${initial === 1n}` : constantText(initial);
    const made = this.#keepsKind[index] ? kind.is : "value";
    return [`${make}.${made}(${[start, ...onForkOf(cell, [])].join(", ")});`];
  }

  #table(table: Table, index: number): string[] {
    const name = this.#tables[index];
    if (name === undefined) return [];
    const fresh = table.scope !== "tree" && table.onFork === "fresh" ? ', onFork: "fresh"' : "";
    const full = this.#fullVerdict(table.full, name);
    const kind = table.holdsValues ? "table" : "set";
    return [`const ${name} = ${scopes[table.scope]}.${kind}({ capacity: ${table.capacity}n, full: ${full}${fresh} });`];
  }

  #room({ scope, sides, exclusive, timeout, late }: Room, index: number): string[] {
    const name = this.#rooms[index];
    if (name === undefined) return [];
    const list = (names: readonly string[]) => `[${names.map((side) => JSON.stringify(side)).join(", ")}]`;
    const alone = sides.filter((_, side) => (exclusive >>> side) & 1);
    const settings = [
      `sides: ${list(sides)}`,
      ...(alone.length === 0 ? [] : [`exclusive: ${list(alone)}`]),
      `timeout: "${timeout}ns"`,
      `late: ${this.#verdictName(late)}`,
    ];
    return [`const ${name} = ${roomScopes[scope]}.rooms({ ${settings.join(", ")} });`];
  }

  #fullVerdict(verdict: number, name: string): string {
    if (this.#program.verdicts[verdict]!.action !== "log") return this.#verdictName(verdict);
    this.#losses.add(`that a full ${name} is only logged: it is denied`);
    return 'deny("ENOMEM")';
  }

  // ── Statements ────────────────────────────────────────────────────────────────────────────────────────────────────

  #list(statements: readonly Statement[], indent: string): Written {
    const lines: string[] = [];
    for (const statement of statements) {
      const written = this.#statement(statement, indent);
      lines.push(...written.lines);
      if (written.ends) return { lines, ends: true };
    }
    return { lines, ends: false };
  }

  #statement(statement: Statement, indent: string): Written {
    const writer = this.#writer;
    switch (statement.kind) {
      case "set-integer":
        return this.#plain(
          indent,
          `local${statement.local} = ${writer.integer(statement.value).text};`,
          statement.local,
        );
      case "set-boolean":
        return this.#plain(
          indent,
          `local${statement.local} = ${writer.boolean(statement.value).text};`,
          statement.local,
        );
      case "set-verdict":
        return this.#plain(
          indent,
          `local${statement.local} = ${writer.verdict(statement.value).text};`,
          statement.local,
        );
      case "store":
        return this.#plain(indent, this.#store(statement.cell, statement.value));
      case "table-set": {
        const name = this.#tableName(statement.table);
        const key = writer.integer(statement.key).text;
        if (!this.#program.tables[statement.table]!.holdsValues) return this.#plain(indent, `${name}.add(${key});`);
        return this.#plain(indent, `${name}.set(${key}, ${writer.integer(statement.value).text});`);
      }
      case "table-delete":
        return this.#plain(
          indent,
          `${this.#tableName(statement.table)}.delete(${writer.integer(statement.key).text});`,
        );
      case "enter":
        return this.#plain(indent, this.#enter(statement));
      case "report":
        return this.#plain(indent, this.#report(statement));
      case "return":
        return { ...this.#plain(indent, `return ${writer.verdict(statement.verdict).text};`), ends: true };
      case "leave":
        this.#left.add(statement.label);
        return { lines: [`${indent}break block${statement.label};`], ends: true };
      case "block":
        return this.#block(statement, indent);
      case "if":
        return this.#if(statement, indent);
      case "switch":
        return this.#switch(statement, indent);
    }
  }

  /** Writes a line, after the statements that its expressions need. */
  #plain(indent: string, line: string, local?: number): Written {
    if (local !== undefined) this.#locals.add(local);
    return { lines: [...this.#before(indent), ...(line === "" ? [] : [`${indent}${line}`])], ends: false };
  }

  #before(indent: string): string[] {
    const lines = this.#writer.before.map((line) => `${indent}${line}`);
    this.#writer.before = [];
    return lines;
  }

  #tableName(index: number): string {
    this.#tables[index] ??= this.#name(this.#program.tables[index]!.name, "table");
    return this.#tables[index]!;
  }

  #cellName(index: number): string {
    this.#cells[index] ??= this.#name(this.#program.cells[index]!.name, "cell");
    return this.#cells[index]!;
  }

  #store(index: number, value: IntegerExpression): string {
    const { kind } = this.#program.cells[index]!;
    const name = this.#cellName(index);
    if (!this.#keepsKind[index] || kind.is === "value") return `${name}.set(${this.#writer.integer(value).text});`;
    if (kind.is === "flag") {
      if (value.kind === "from-boolean") return `${name}.set(${this.#writer.boolean(value.value).text});`;
      if (value.kind === "constant") return `${name}.set(${value.value !== 0n});`;
      return "";
    }
    if (kind.is === "phases") {
      const phase = enters(index, value) ?? 0;
      return phase === 0 ? "" : `${name}.enter(${JSON.stringify(kind.names[phase])});`;
    }
    if (addsOne(index, value)) return `${name}.add();`;
    if (isCell(value, index)) return "";
    // The language cannot set a counter, but a counter stays at 0 if more is subtracted than it has.
    const set = counterText(value, this.#writer);
    this.#writer.before.push(`const set${this.#writer.fresh} = ${set};`, `${name}.subtract(${name}.get());`);
    return `${name}.add(set${this.#writer.fresh++});`;
  }

  #enter({ room, side }: Statement & { readonly kind: "enter" }): string {
    if (!this.#entersRooms) {
      this.#losses.add("the rooms: the language refuses how the calls enter them");
      return "";
    }
    this.#rooms[room] ??= this.#name(this.#program.rooms[room]!.name, "room");
    return `${this.#rooms[room]}.enter(${JSON.stringify(this.#program.rooms[room]!.sides[side])});`;
  }

  #report({ report, values }: Statement & { readonly kind: "report" }): string {
    const { text, values: described } = this.#program.reports[report]!;
    const members = described.map(({ name, print }, index) => {
      const value = values[index]!;
      let shown = this.#writer.integer(value).text;
      if (print === "signed") shown = `BigInt.asIntN(64, ${shown})`;
      if (print === "boolean") {
        if (value.kind === "from-boolean") shown = this.#writer.boolean(value.value).text;
        else this.#losses.add(`that \`${name}\` of the report ${JSON.stringify(text)} is shown as a boolean`);
      }
      return `${/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)}: ${shown}`;
    });
    return `report(${[JSON.stringify(text), ...(members.length === 0 ? [] : [`{ ${members.join(", ")} }`])].join(", ")});`;
  }

  #block({ label, body }: Statement & { readonly kind: "block" }, indent: string): Written {
    const inner = this.#list(body, `${indent}  `);
    // Labels belong to loops in the language; this loop has one round.
    if (this.#left.has(label)) {
      const lines = [`${indent}block${label}: for (const _ of [0n]) {`, ...inner.lines, `${indent}}`];
      return { lines, ends: false };
    }
    return { lines: inner.lines.map((line) => line.slice(2)), ends: inner.ends };
  }

  #if({ condition, then, otherwise }: Statement & { readonly kind: "if" }, indent: string): Written {
    const test = this.#writer.boolean(condition);
    const before = this.#before(indent);
    const written = this.#either(
      test,
      indent,
      (inner) => this.#list(then, inner),
      (inner) => this.#list(otherwise, inner),
    );
    return { lines: written.lines.length === 0 ? [] : [...before, ...written.lines], ends: written.ends };
  }

  #either(
    test: Piece,
    indent: string,
    then: (indent: string) => Written,
    otherwise: (indent: string) => Written,
  ): Written {
    if (test === yes) return then(indent);
    if (test === no) return otherwise(indent);
    const [first, second] = [then(`${indent}  `), otherwise(`${indent}  `)];
    const ends = first.ends && second.ends;
    if (first.lines.length === 0 && second.lines.length === 0) return { lines: [], ends: false };
    if (first.lines.length === 0) {
      return { lines: [`${indent}if (${negated(test).text}) {`, ...second.lines, `${indent}}`], ends };
    }
    const tail = second.lines.length === 0 ? [] : [`${indent}} else {`, ...second.lines];
    return { lines: [`${indent}if (${test.text}) {`, ...first.lines, ...tail, `${indent}}`], ends };
  }

  /** Writes a switch if every arm has few constants, else nested `if`s. */
  #switch(statement: Statement & { readonly kind: "switch" }, indent: string): Written {
    const { value, arms, otherwise } = statement;
    const overCalls = value.kind === "input" && value.input === "number";
    const labels = arms.map(({ intervals }) => (overCalls ? this.#callLabels(intervals) : integerLabels(intervals)));
    if (labels.some((one) => one === undefined)) return this.#ifs(statement, indent);
    const seen = new Set<string>();
    const distinct = labels.map((one) => one!.filter((label) => !seen.has(label) && seen.add(label)));
    const [lines, endings]: [string[], boolean[]] = [[], []];
    const subject = overCalls
      ? distinct.flat().every((label) => label.startsWith('"'))
        ? "call.name"
        : "call.number"
      : this.#writer.integer(value).text;
    const before = this.#before(indent);
    for (const [index, arm] of arms.entries()) {
      const cases = distinct[index]!.flatMap((label) => {
        const place = this.#places.place(arm, label);
        return this.#places.outcome(place) === false ? [] : [`${indent}  case ${this.#places.mark(place, label)}:`];
      });
      if (cases.length === 0) continue;
      const body = this.#list(arm.body, `${indent}    `);
      const last = [...cases.slice(0, -1), `${cases.at(-1)} {`];
      lines.push(...last, ...body.lines, ...(body.ends ? [] : [`${indent}    break;`]), `${indent}  }`);
      endings.push(body.ends);
    }
    const rest = this.#list(otherwise, `${indent}    `);
    if (lines.length === 0) return { lines: [...before, ...rest.lines.map((line) => line.slice(4))], ends: rest.ends };
    const fallback = [
      `${indent}  default: {`,
      ...rest.lines,
      ...(rest.ends ? [] : [`${indent}    break;`]),
      `${indent}  }`,
    ];
    return {
      lines: [...before, `${indent}switch (${subject}) {`, ...lines, ...fallback, `${indent}}`],
      ends: rest.ends && endings.every((one) => one),
    };
  }

  #callLabels(intervals: readonly Interval[]): string[] | undefined {
    const calls = this.#writer.callsIn(intervals);
    if (calls.length > 12) return undefined;
    return calls.every((name) => this.#writer.canName(name)) ? calls.map((name) => JSON.stringify(name)) : undefined;
  }

  #ifs({ value, arms, otherwise }: Statement & { readonly kind: "switch" }, indent: string): Written {
    // The arms can change state, so the value is saved before them.
    const subject = this.#writer.subject(value);
    const before = this.#before(indent);
    const from = (index: number, within: string): Written => {
      const arm = arms[index];
      if (arm === undefined) return this.#list(otherwise, within);
      const test = this.#writer.isIn(arm, value, subject, arm.intervals);
      return this.#either(
        test,
        within,
        (inner) => this.#list(arm.body, inner),
        (inner) => from(index + 1, inner),
      );
    };
    const written = from(0, indent);
    return { lines: written.lines.length === 0 ? [] : [...before, ...written.lines], ends: written.ends };
  }
}

/** Labels for small sets of integers. */
function integerLabels(intervals: readonly Interval[]): string[] | undefined {
  if (intervals.some(({ from, to }) => from !== to)) return undefined;
  return intervals.map(({ from }) => constantText(from));
}

function isUring(architecture: Program["architecture"], number: number): boolean {
  return uringCalls.some((name) => callByName(name)?.number[architecture] === number);
}

/** "copy" is the default. */
function onForkOf({ onFork, scope }: Cell, phases: readonly string[]): string[] {
  if (scope === "tree" || onFork === "copy") return [];
  if (onFork === "fresh") return ['{ onFork: "fresh" }'];
  if (phases.length === 0) return [];
  const members = onFork.map.map((to, from) => `${JSON.stringify(phases[from])}: ${JSON.stringify(phases[to])}`);
  return [`{ onFork: { ${members.join(", ")} } }`];
}

/** The front end's rule (admission.ts): clone3 is refused if it matters whether a task is a new process. */
function refusesClone3({ cells, tables, body }: Program): boolean {
  let refuses = false;
  const copies = ({ scope, onFork }: Cell | Table) => scope !== "tree" && onFork !== "fresh";
  forEachStatement(body, (statement) => {
    if (statement.kind === "store") refuses ||= copies(cells[statement.cell]!);
    if (statement.kind === "table-set" || statement.kind === "table-delete")
      refuses ||= copies(tables[statement.table]!);
    for (const expression of expressionsOf(statement))
      forEachExpression(expression, (one) => {
        if (one.kind === "input") refuses ||= one.input === "alive";
        if (one.kind === "cell") refuses ||= copies(cells[one.cell]!);
        if (one.kind === "table-get" || one.kind === "table-has") refuses ||= copies(tables[one.table]!);
      });
  });
  return refuses;
}

// ── Stores ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The cells that can be declared with their kind: the language can express their initial value and every store. */
function expressibleKinds({ cells, body }: Program): boolean[] {
  const expressible = cells.map(
    ({ kind, initial }) => kind.is !== "phases" || (initial === 0n && kind.names.length <= 256),
  );
  forEachStatement(body, (statement) => {
    if (statement.kind !== "store") return;
    const { cell, value } = statement;
    const { kind } = cells[cell]!;
    if (kind.is === "phases" && enters(cell, value) === undefined) expressible[cell] = false;
    if (kind.is === "flag" && !(value.kind === "from-boolean" || isBit(value) || isCell(value, cell)))
      expressible[cell] = false;
  });
  return expressible;
}

/** A phase never decreases (program.ts), so storing a constant is an entry too. */
function enters(cell: number, value: IntegerExpression): number | undefined {
  return value.kind === "constant" ? Number(value.value) : phaseEntered(cell, value);
}

const isBit = (value: IntegerExpression): boolean => value.kind === "constant" && value.value < 2n;

function importsOf(text: string): string {
  const used = (name: string) => new RegExp(`(?<![.\\w"])${name}\\b`).test(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'));
  const names = [
    "allow",
    "ask",
    "calls",
    "deny",
    "kill",
    "log",
    "now",
    "perMemory",
    "perProcess",
    "perThread",
    "perTree",
    "policy",
    "report",
    "strictest",
    "trap",
    "tree",
  ];
  const types = used("Verdict") ? ["type Verdict"] : [];
  return `import { ${[...names.filter(used), ...types].join(", ")} } from "portcullis";`;
}
