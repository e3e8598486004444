/**
 * Prints a program for people: `explain --ir`, goldens, failing property tests. There is no parser for the format.
 *
 * `$name` is a cell, `#name` a table, `&name` a room, `@name` a parameter, `%name.0` a word of an observation, `i0` `b1` `v2` are locals
 * by type, `u32(x)` and `s32(x)` extensions. An operator that depends on the sign ends in it: `<u`, `<s`.
 */

import { callByNumber } from "../abi/calls.ts";
import { printPattern } from "../hosts/names.ts";
import { describePattern } from "../patterns/pattern.ts";
import type { Location } from "./location.ts";
import { fileLists, type ObjectLayer, type PathRule, type PortRules } from "./objects.ts";
import type { Reading, Shape, Source } from "./observation.ts";
import type { BinaryOperator, CompareOperator, Expression, Interval, Program, Statement } from "./program.ts";
import { explainedVerdict, type Verdict } from "./verdicts.ts";

export function printProgram(program: Program): string {
  const printer = new Printer(program);
  return `${[...printer.declarations(), "", ...printer.statements(program.body, "")].join("\n")}\n`;
}

export function printExpression(expression: Expression, program: Program): string {
  return new Printer(program).expression(expression);
}

function printLayer({ files, tcp, udp, unix, scopes, limits }: ObjectLayer): string[] {
  const paths = (rules: readonly PathRule[]) =>
    rules.map(({ path, optional }) => ` ${JSON.stringify(path)}${optional ? "?" : ""}`).join("");
  const ports = (protocol: string, rules: PortRules | undefined) =>
    (["bind", "connect"] as const).flatMap((use) =>
      rules?.[use] === undefined ? [] : [`  ${[`${protocol}.${use}`, ...rules[use]].join(" ")}`],
    );
  return [
    ...fileLists.flatMap((list) =>
      files?.lists[list] === undefined ? [] : [`  files.${list}${paths(files.lists[list])}`],
    ),
    ...(files === undefined || files.except.length === 0 ? [] : [`  files.except${paths(files.except)}`]),
    ...(files === undefined || files.protect.length === 0 ? [] : [`  files.protect${paths(files.protect)}`]),
    ...(files === undefined || files.private.length === 0 ? [] : [`  files.private${paths(files.private)}`]),
    ...(files?.names === true ? ["  files.names"] : []),
    ...(files?.streams === true ? ["  files.streams"] : []),
    ...ports("tcp", tcp),
    ...ports("udp", udp),
    ...(unix === undefined ? [] : [`  unix.connect${paths(unix.connect)}`]),
    ...(scopes.length === 0 ? [] : [`  scope ${scopes.join(" ")}`]),
    ...(limits?.processes === undefined ? [] : [`  limits.processes ${limits.processes.most}`]),
    ...(limits?.privateSize === undefined ? [] : [`  limits.privateSize ${limits.privateSize.most} KiB`]),
  ];
}

function printShape(shape: Shape): string {
  switch (shape.is) {
    case "path":
    case "address":
    case "message":
      return shape.is;
    case "string":
      return `string of ${shape.bytes} bytes`;
    case "strings":
      return `list of ${shape.entries} strings, ${shape.bytes} bytes`;
    case "structure":
      return `struct ${shape.name} of ${shape.minimum} to ${shape.size} bytes`;
  }
}

function printReading(reads: Reading): string {
  switch (reads.is) {
    case "length":
      return "length";
    case "matches":
    case "any-entry": {
      const part =
        reads.is === "any-entry"
          ? "any entry"
          : reads.part.is === "entry"
            ? `entry ${reads.part.index}`
            : reads.part.is;
      return `${part} ${reads.patterns.map(describePattern).join(", ")}`;
    }
    case "field":
      return `${reads.bytes} bytes at ${reads.offset}`;
    case "address":
      return reads.part;
    case "control-length":
      return "control length";
    case "resolved":
      return `resolved ${reads.objects.map(({ is, path }) => `${is} ${JSON.stringify(path)}`).join(", ")}`;
  }
}

const binarySymbols: { readonly [O in BinaryOperator]: string } = {
  add: "+",
  subtract: "-",
  multiply: "*",
  "divide-unsigned": "/u",
  "divide-signed": "/s",
  "remainder-unsigned": "%u",
  "remainder-signed": "%s",
  and: "&",
  or: "|",
  xor: "^",
  "shift-left": "<<",
  "shift-right-unsigned": ">>u",
  "shift-right-signed": ">>s",
};

const compareSymbols: { readonly [O in CompareOperator]: string } = {
  equal: "==",
  "not-equal": "!=",
  "less-unsigned": "<u",
  "less-or-equal-unsigned": "<=u",
  "less-signed": "<s",
  "less-or-equal-signed": "<=s",
};

class Printer {
  private readonly program: Program;

  constructor(program: Program) {
    this.program = program;
  }

  declarations(): string[] {
    const { program } = this;
    const { always, judged } = program.admission;
    return [
      `policy ${program.name} for ${program.architecture}`,
      `always ${this.calls(always)}`,
      `judged ${this.calls(judged)}`,
      ...(program.readOnlyProc ? ["read-only proc"] : []),
      ...program.hosts.map(({ patterns, at }) => `hosts ${patterns.map(printPattern).join(" ")}${this.place(at)}`),
      ...program.objects.flatMap((layer) => [`layer${this.place(layer.at)}`, ...printLayer(layer)]),
      ...program.parameters.map(({ name, kind, from, to, default: fallback, at }) => {
        const range = kind === "flag" ? "" : ` ${from} to ${to}`;
        return `parameter ${kind} @${name}${range}${fallback === undefined ? "" : `, or ${fallback}`}${this.place(at)}`;
      }),
      ...program.observations.map(
        ({ name, shape, sources, at }, index) =>
          `observation ${index} ${name}: ${printShape(shape)} of ${sources.map((one) => this.source(one)).join(", ")}${this.place(at)}`,
      ),
      ...program.words.map((word, index) => `word ${index} ${this.word(index)} ${printReading(word.reads)}`),
      ...program.verdicts.map((verdict, index) => `verdict ${index} ${this.verdict(verdict)}`),
      ...program.cells.map((cell, index) => {
        const phases = cell.kind.is === "phases" ? ` {${cell.kind.names.join(", ")}}` : "";
        const fork =
          cell.onFork === "copy" || cell.onFork === "fresh" ? cell.onFork : `map [${cell.onFork.map.join(", ")}]`;
        const life = cell.scope === "tree" ? "" : `, on fork ${fork}`;
        const start = `starts as ${number(cell.initial)}`;
        return `${cell.scope} ${cell.kind.is}${phases} ${this.cell(index)} ${start}${life}${this.place(cell.at)}`;
      }),
      ...program.tables.map((table, index) => {
        const holds = table.holdsValues ? "table" : "set";
        const life = table.scope === "tree" ? "" : `, on fork ${table.onFork}`;
        const full = `when full verdict ${table.full}`;
        return `${table.scope} ${holds} ${this.table(index)} of ${table.capacity}, ${full}${life}${this.place(table.at)}`;
      }),
      ...program.rooms.map((room, index) => {
        const sides = room.sides.map((side, place) => `${side}${(room.exclusive >>> place) & 1 ? " (exclusive)" : ""}`);
        const wait = `after ${room.timeout} ns verdict ${room.late}`;
        return `${room.scope} room ${this.room(index)} {${sides.join(", ")}}, ${wait}${this.place(room.at)}`;
      }),
      ...program.reports.map((report, index) => {
        const values = report.values.map((value) => `${value.name}: ${value.print}`).join(", ");
        return `report ${index} ${JSON.stringify(report.text)} (${values})${this.place(report.at)}`;
      }),
    ];
  }

  statements(statements: readonly Statement[], indent: string): string[] {
    return statements.flatMap((statement) => this.statement(statement, indent));
  }

  verdict(verdict: Verdict): string {
    const { reason, at } = verdict;
    return `${explainedVerdict(verdict)}${reason === undefined ? "" : ` ${JSON.stringify(reason)}`}${this.place(at)}`;
  }

  expression(expression: Expression): string {
    const print = (operand: Expression) => this.expression(operand);
    switch (expression.kind) {
      case "constant":
        return number(expression.value);
      case "boolean":
        return String(expression.value);
      case "input":
        return expression.input;
      case "local":
        return `i${expression.local}`;
      case "boolean-local":
        return `b${expression.local}`;
      case "verdict-local":
        return `v${expression.local}`;
      case "cell":
        return this.cell(expression.cell);
      case "parameter":
        return `@${this.program.parameters[expression.parameter]?.name ?? "?"}`;
      case "observed":
        return this.word(expression.word);
      case "binary":
        return `(${print(expression.left)} ${binarySymbols[expression.operator]} ${print(expression.right)})`;
      case "compare":
        return this.compare(expression);
      case "extend":
        return `${expression.signed ? "s" : "u"}${expression.width}(${print(expression.value)})`;
      case "select":
      case "verdict-select":
        return `(${print(expression.condition)} ? ${print(expression.then)} : ${print(expression.otherwise)})`;
      case "table-get":
        return `${this.table(expression.table)}[${print(expression.key)} else ${print(expression.otherwise)}]`;
      case "table-has":
        return `${this.table(expression.table)}.has(${print(expression.key)})`;
      case "from-boolean":
        return `integer(${print(expression.value)})`;
      case "within":
        return `${print(expression.value)} in ${this.set(expression.value, expression.intervals)}`;
      case "not":
        if (expression.value.kind === "within") {
          const { value, intervals } = expression.value;
          return `${print(value)} not in ${this.set(value, intervals)}`;
        }
        return `not ${print(expression.value)}`;
      case "all":
        return expression.of.length === 0 ? "true" : `(${expression.of.map(print).join(" and ")})`;
      case "any":
        return expression.of.length === 0 ? "false" : `(${expression.of.map(print).join(" or ")})`;
      case "strictest":
        return `strictest(${expression.of.map(print).join(", ")})`;
      case "verdict": {
        const verdict = this.program.verdicts[expression.verdict];
        return `${expression.verdict}${verdict === undefined ? "" : ` ${this.verdict(verdict)}`}`;
      }
    }
  }

  /** "%path.1": the word's index beside the argument's name. */
  private word(index: number): string {
    const word = this.program.words[index];
    const observation = word === undefined ? undefined : this.program.observations[word.observation];
    return `%${observation?.name ?? "?"}.${index}`;
  }

  private source({ number, register, length }: Source): string {
    const call = callByNumber(this.program.architecture, number)?.name ?? number;
    return `${call}(${register}${length === undefined ? "" : `, length ${length}`})`;
  }

  private statement(statement: Statement, indent: string): string[] {
    const line = (text: string) => `${indent}${text}`;
    const inner = (body: readonly Statement[]) => this.statements(body, `${indent}  `);
    switch (statement.kind) {
      case "set-integer":
        return [line(`i${statement.local} = ${this.expression(statement.value)}`)];
      case "set-boolean":
        return [line(`b${statement.local} = ${this.expression(statement.value)}`)];
      case "set-verdict":
        return [line(`v${statement.local} = ${this.expression(statement.value)}`)];
      case "store":
        return [line(`${this.cell(statement.cell)} = ${this.expression(statement.value)}`)];
      case "table-set": {
        const key = this.expression(statement.key);
        const holdsValues = this.program.tables[statement.table]?.holdsValues ?? true;
        if (!holdsValues) return [line(`${this.table(statement.table)} add ${key}`)];
        return [line(`${this.table(statement.table)}[${key}] = ${this.expression(statement.value)}`)];
      }
      case "table-delete":
        return [line(`${this.table(statement.table)} delete ${this.expression(statement.key)}`)];
      case "enter": {
        const side = this.program.rooms[statement.room]?.sides[statement.side] ?? statement.side;
        return [line(`${this.room(statement.room)} enter ${side}`)];
      }
      case "report": {
        const values = statement.values.map((value) => this.expression(value)).join(", ");
        return [line(`report ${statement.report} (${values})`)];
      }
      case "if": {
        const otherwise = statement.otherwise.length === 0 ? [] : [line("else"), ...inner(statement.otherwise)];
        return [line(`if ${this.expression(statement.condition)}`), ...inner(statement.then), ...otherwise];
      }
      case "switch": {
        const arms = statement.arms.flatMap((arm) => [
          `${indent}  ${this.set(statement.value, arm.intervals)}:`,
          ...this.statements(arm.body, `${indent}    `),
        ]);
        const otherwise =
          statement.otherwise.length === 0
            ? []
            : [`${indent}  else:`, ...this.statements(statement.otherwise, `${indent}    `)];
        return [line(`switch ${this.expression(statement.value)}`), ...arms, ...otherwise];
      }
      case "block":
        return [line(`block ${statement.label}`), ...inner(statement.body)];
      case "leave":
        return [line(`leave ${statement.label}`)];
      case "return":
        return [line(`return ${this.expression(statement.verdict)}`)];
    }
  }

  private compare({ operator, left, right }: Extract<Expression, { kind: "compare" }>): string {
    const isNumber = left.kind === "input" && left.input === "number" && right.kind === "constant";
    const name = isNumber ? this.callName(right.value) : undefined;
    return `${this.expression(left)} ${compareSymbols[operator]} ${name ?? this.expression(right)}`;
  }

  /** A set of values; call numbers by their names. */
  private set(value: Expression, intervals: readonly Interval[]): string {
    if (value.kind === "input" && value.input === "number") return `{${this.calls(intervals)}}`;
    return `{${intervals.map(({ from, to }) => (from === to ? number(from) : `${number(from)} to ${number(to)}`)).join(", ")}}`;
  }

  /** Prints a call's name for a single number, and a run of numbers as a range. */
  private calls(intervals: readonly Interval[]): string {
    const text = (value: bigint) => this.callName(value) ?? number(value);
    const texts = intervals.flatMap(({ from, to }) => {
      if (to - from > 3n) return [`${text(from)} to ${text(to)}`];
      return Array.from({ length: Number(to - from) + 1 }, (_, index) => text(from + BigInt(index)));
    });
    return texts.length === 0 ? "none" : texts.join(", ");
  }

  private callName(value: bigint): string | undefined {
    return value <= 0xffff_ffffn ? callByNumber(this.program.architecture, Number(value))?.name : undefined;
  }

  /** Adds the index to a name that is not unique: each use of a policy function declares its own cells. */
  private cell(index: number): string {
    return `$${unique(this.program.cells, index)}`;
  }

  private table(index: number): string {
    return `#${unique(this.program.tables, index)}`;
  }

  private room(index: number): string {
    return `&${unique(this.program.rooms, index)}`;
  }

  private place(at: Location | undefined): string {
    return at === undefined ? "" : ` (${this.program.files[at.file]}:${at.line}:${at.column})`;
  }
}

function unique(list: readonly { readonly name: string }[], index: number): string {
  const name = list[index]?.name ?? "?";
  return list.some((other, place) => other.name === name && place !== index) ? `${name}.${index}` : name;
}

/** Small numbers in decimal, patterns near 2^64 as negative numbers, the rest in hexadecimal. */
function number(value: bigint): string {
  if (value < 0x10000n) return String(value);
  if (value >= 0xffff_ffff_ffff_0000n) return String(BigInt.asIntN(64, value));
  return `0x${value.toString(16)}`;
}
