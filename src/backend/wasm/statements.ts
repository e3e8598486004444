/** Compiles statements to WebAssembly instructions. */
import { difference, emptySet, union } from "../../ir/intervals.ts";
import { maximumEnteredRooms } from "../../ir/limits.ts";
import type { Interval, Statement } from "../../ir/program.ts";
import {
  type Context,
  cellAddress,
  compileBoolean,
  compileInteger,
  compileStrictest,
  compileVerdict,
  pushTable,
  ranked,
  tableFunction,
  tableLayout,
  verdictIndexBits,
} from "./expressions.ts";
import type { Label } from "./function-builder.ts";
import { addresses, enteredSize } from "./layout.ts";

export interface StatementContext extends Context {
  /** The number of statements so far, in source order, as in `Variables.cleared`. */
  order: number;
  /** The open block of each label. */
  readonly labels: Map<number, Label>;
  /** The local of the strictest verdict that a table or a room has raised; undefined if the policy has neither. */
  readonly raised: number | undefined;
  /** The local with the address of the next report; undefined if the policy has no reports. */
  readonly reportCursor: number | undefined;
}

export function compileBody(context: StatementContext, body: readonly Statement[]): void {
  for (const statement of body) compileStatement(context, statement);
}

function compileStatement(context: StatementContext, statement: Statement): void {
  const { code } = context;
  context.variables.clearBefore(context.order++);
  switch (statement.kind) {
    case "set-integer":
      context.variables.set(statement.local, () => compileInteger(context, statement.value));
      return;
    case "set-boolean":
      context.variables.set(statement.local, () => compileBoolean(context, statement.value));
      return;
    case "set-verdict":
      context.variables.set(statement.local, () => compileVerdict(context, statement.value));
      return;
    case "store": {
      const offset = cellAddress(context, statement.cell);
      compileInteger(context, statement.value);
      code.memory("i64.store", offset);
      return;
    }
    case "table-set":
      compileTableSet(context, statement);
      return;
    case "table-delete":
      pushTable(context, statement.table);
      compileInteger(context, statement.key);
      code.call(tableFunction(context, statement.table, "delete"));
      return;
    case "enter":
      compileEnter(context, statement);
      return;
    case "report":
      compileReport(context, statement);
      return;
    case "if":
      compileBoolean(context, statement.condition);
      code.if();
      compileBody(context, statement.then);
      if (statement.otherwise.length > 0) {
        code.else();
        compileBody(context, statement.otherwise);
      }
      code.end();
      return;
    case "switch":
      compileSwitch(context, statement);
      return;
    case "block":
      context.labels.set(statement.label, code.block());
      compileBody(context, statement.body);
      code.end();
      return;
    case "leave":
      code.branch(context.labels.get(statement.label)!);
      return;
    case "return":
      compileVerdict(context, statement.verdict);
      if (context.raised !== undefined) {
        code.get(context.raised);
        compileStrictest(code);
      }
      code.i32((1 << verdictIndexBits) - 1);
      code.emit("i32.and", "return");
      return;
    default:
      statement satisfies never;
  }
}

function compileTableSet(context: StatementContext, statement: Statement & { kind: "table-set" }): void {
  const { code } = context;
  pushTable(context, statement.table);
  compileInteger(context, statement.key);
  compileInteger(context, statement.value);
  code.i32(tableLayout(context, statement.table).capacity);
  code.call(tableFunction(context, statement.table, "set"));
  code.if();
  compileRaise(context, context.program.tables[statement.table]!.full);
  code.end();
}

function compileRaise(context: StatementContext, verdict: number): void {
  const { code, raised } = context;
  code.get(raised!);
  code.i32(ranked(context.program, verdict));
  compileStrictest(code);
  code.set(raised!);
}

/** No room is entered yet. */
export function clearEntered({ code, layout, program }: StatementContext): void {
  for (let at = 0; at < enteredSize(program.rooms.length); at += 8) {
    code.i32(0);
    code.i64(0n);
    code.memory("i64.store", layout.entered + at);
  }
}

/** If the room's place does not have this side: takes it if it is free and the call may enter another room, else raises. */
function compileEnter(context: StatementContext, { room, side }: Statement & { kind: "enter" }): void {
  const { code, layout } = context;
  const place = layout.entered + 4 + 4 * room;
  const load = (address: number) => {
    code.i32(0);
    code.memory("i32.load", address);
  };
  load(place);
  code.i32(1 + side);
  code.emit("i32.ne");
  code.if();
  load(place);
  code.emit("i32.eqz");
  load(layout.entered);
  code.i32(maximumEnteredRooms);
  code.emit("i32.lt_u", "i32.and");
  code.if();
  code.i32(0);
  code.i32(1 + side);
  code.memory("i32.store", place);
  code.i32(0);
  load(layout.entered);
  code.i32(1);
  code.emit("i32.add");
  code.memory("i32.store", layout.entered);
  code.else();
  compileRaise(context, context.program.rooms[room]!.late);
  code.end();
  code.end();
}

function compileReport(context: StatementContext, statement: Statement & { kind: "report" }): void {
  const { code } = context;
  const cursor = context.reportCursor!;
  const header: readonly (readonly [number, number])[] = [
    [0, statement.report],
    [4, statement.values.length],
  ];
  for (const [offset, value] of header) {
    code.get(cursor);
    code.i32(value);
    code.memory("i32.store", addresses.reports + offset);
  }
  for (const [index, value] of statement.values.entries()) {
    code.get(cursor);
    compileInteger(context, value);
    code.memory("i64.store", addresses.reports + 8 + 8 * index);
  }
  code.get(cursor);
  code.i32(8 + 8 * statement.values.length);
  code.emit("i32.add");
  code.set(cursor);
  code.i32(0);
  code.i32(0);
  code.memory("i32.load", addresses.reportCount);
  code.i32(1);
  code.emit("i32.add");
  code.memory("i32.store", addresses.reportCount);
}

// ── Switches ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Case extends Interval {
  readonly target: Label;
}

/**
 * One block inside the other, the outermost to leave by, then one for each body; the dispatch is innermost, and leaving
 * a body's block lands before it:
 *
 * ```
 * block $end  block $otherwise  block $1  block $0
 *   dispatch
 * end  (arm 0) br $end
 * end  (arm 1) br $end
 * end  (otherwise)
 * end
 * ```
 */
function compileSwitch(context: StatementContext, statement: Statement & { kind: "switch" }): void {
  const { code } = context;
  const { arms } = statement;
  const word = code.borrow("i64");
  compileInteger(context, statement.value);
  code.set(word);
  const end = code.block();
  const otherwise = code.block();
  const targets = arms.map(() => code.block()).reverse();
  const cases: Case[] = [];
  let taken = emptySet;
  for (const [index, { intervals }] of arms.entries()) {
    // If arms overlap, the first wins.
    const target = targets[index]!;
    cases.push(...difference(intervals, taken).map(({ from, to }) => ({ from, to, target })));
    taken = union(taken, intervals);
  }
  cases.sort((a, b) => (a.from < b.from ? -1 : 1));
  compileDispatch(context, word, cases, otherwise);
  code.giveBack("i64", word);
  for (const arm of arms) {
    code.end();
    compileBody(context, arm.body);
    code.branch(end);
  }
  code.end();
  compileBody(context, statement.otherwise);
  code.end();
}

/** A jump table pays off from this many cases on, if at least one entry in four is used. */
const fewestInTable = 4;
const sparsest = 4n;
const longestTable = 2048n;

/** Branches to the case that holds the word, else to `otherwise`. `cases` are sorted and disjoint. */
function compileDispatch(context: StatementContext, word: number, cases: readonly Case[], otherwise: Label): void {
  const { code } = context;
  const first = cases[0];
  const last = cases.at(-1);
  if (first === undefined || last === undefined) {
    code.branch(otherwise);
    return;
  }
  const span = last.to - first.from + 1n;
  const covered = cases.reduce((sum, { from, to }) => sum + (to - from + 1n), 0n);
  if (cases.length >= fewestInTable && span <= longestTable && span <= covered * sparsest) {
    compileJumpTable(context, word, cases, otherwise);
    return;
  }
  if (cases.length <= 2) {
    for (const { from, to, target } of cases) {
      code.get(word);
      if (from === to) {
        code.i64(from);
        code.emit("i64.eq");
      } else {
        code.i64(from);
        code.emit("i64.sub");
        code.i64(to - from);
        code.emit("i64.le_u");
      }
      code.branchIf(target);
    }
    code.branch(otherwise);
    return;
  }
  const middle = cases.length >> 1;
  code.get(word);
  code.i64(cases[middle]!.from);
  code.emit("i64.lt_u");
  code.if();
  compileDispatch(context, word, cases.slice(0, middle), otherwise);
  code.end();
  compileDispatch(context, word, cases.slice(middle), otherwise);
}

function compileJumpTable(context: StatementContext, word: number, cases: readonly Case[], otherwise: Label): void {
  const { code } = context;
  const base = cases[0]!.from;
  const span = Number(cases.at(-1)!.to - base);
  const targets = new Array<Label>(span + 1).fill(otherwise);
  for (const { from, to, target } of cases) targets.fill(target, Number(from - base), Number(to - base) + 1);
  // br_table takes 32 bits, so words above the span are handled first.
  const offset = () => {
    code.get(word);
    if (base === 0n) return;
    code.i64(base);
    code.emit("i64.sub");
  };
  offset();
  code.i64(BigInt(span));
  code.emit("i64.gt_u");
  code.branchIf(otherwise);
  offset();
  code.emit("i32.wrap_i64");
  code.branchTable(targets, otherwise);
}
