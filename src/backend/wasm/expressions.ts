/**
 * Compiles expressions to instructions that leave one operand: integers as i64, booleans as i32 0 or 1, verdicts as
 * `ranked`.
 */

import { maximumWord } from "../../abi/word.ts";
import type { Input } from "../../ir/inputs.ts";
import type {
  BooleanExpression,
  CompareOperator,
  IntegerExpression,
  Program,
  Table,
  VerdictExpression,
} from "../../ir/program.ts";
import { strictness } from "../../ir/verdicts.ts";
import type { FunctionBuilder, Instruction, MemoryInstruction } from "./function-builder.ts";
import { addresses, type MemoryLayout, type TableLayout } from "./layout.ts";
import type { TableFunctions, TableOperation } from "./tables.ts";
import type { VariableAccess } from "./variable-access.ts";
import { compileWithin } from "./within.ts";

/** The context of compiling one program's body. */
export interface Context {
  readonly program: Program;
  readonly layout: MemoryLayout;
  readonly code: FunctionBuilder;
  readonly variables: VariableAccess;
  /** Adds constant bytes to the module's data and returns their address. */
  readonly constant: (bytes: Uint8Array) => number;
  /** The helpers for tables with or without values. */
  readonly tables: (holdsValues: boolean) => TableFunctions;
}

/** Parameters of `step`: the addresses of thread and process state. */
const scopeParameters = { thread: 0, process: 1 } as const;

/** The low bits of a ranked verdict are its index; above is its strictness. So verdicts compare without a table. */
export const verdictIndexBits = 24;

export function ranked(program: Program, verdict: number): number {
  const { action } = program.verdicts[verdict]!;
  return (strictness[action] << verdictIndexBits) | verdict;
}

// ── Integers ────────────────────────────────────────────────────────────────────────────────────────────────────────

const inputLoads: { readonly [I in Input]: readonly [MemoryInstruction, number] } = {
  number: ["i64.load32_u", addresses.number],
  instructionPointer: ["i64.load", addresses.instructionPointer],
  argument0: ["i64.load", addresses.arguments],
  argument1: ["i64.load", addresses.arguments + 8],
  argument2: ["i64.load", addresses.arguments + 16],
  argument3: ["i64.load", addresses.arguments + 24],
  argument4: ["i64.load", addresses.arguments + 32],
  argument5: ["i64.load", addresses.arguments + 40],
  now: ["i64.load", addresses.now],
  alive: ["i64.load", addresses.alive],
  pid: ["i64.load32_u", addresses.pid],
  tid: ["i64.load32_u", addresses.tid],
  uid: ["i64.load32_u", addresses.uid],
  gid: ["i64.load32_u", addresses.gid],
};

const plainBinary = {
  add: "i64.add",
  subtract: "i64.sub",
  multiply: "i64.mul",
  and: "i64.and",
  or: "i64.or",
  xor: "i64.xor",
  // WebAssembly shifts by the low six bits, too.
  "shift-left": "i64.shl",
  "shift-right-unsigned": "i64.shr_u",
  "shift-right-signed": "i64.shr_s",
} as const;

const divisions = {
  "divide-unsigned": "i64.div_u",
  "divide-signed": "i64.div_s",
  "remainder-unsigned": "i64.rem_u",
  "remainder-signed": "i64.rem_s",
} as const;

export function compileInteger(context: Context, expression: IntegerExpression): void {
  const { code } = context;
  switch (expression.kind) {
    case "constant":
      code.i64(expression.value);
      return;
    case "input": {
      const [load, address] = inputLoads[expression.input];
      code.i32(0);
      code.memory(load, address);
      return;
    }
    case "local":
      context.variables.get(expression.local);
      return;
    case "cell": {
      const offset = cellAddress(context, expression.cell);
      code.memory("i64.load", offset);
      return;
    }
    case "observed":
      code.i32(0);
      code.memory("i64.load", context.layout.words + 8 * expression.word);
      return;
    case "parameter":
      throw new Error("the program has open parameters: bind them first (ir/parameters.ts)");
    case "binary":
      compileBinary(context, expression);
      return;
    case "extend":
      compileExtension(context, expression);
      return;
    case "select":
      compileChoice(context, expression, "i64", compileInteger);
      return;
    case "table-get": {
      const { table, key, otherwise } = expression;
      pushTable(context, table);
      compileInteger(context, key);
      compileInteger(context, otherwise);
      code.call(tableFunction(context, table, "get"));
      return;
    }
    case "from-boolean":
      compileBoolean(context, expression.value);
      code.emit("i64.extend_i32_u");
      return;
    default:
      expression satisfies never;
  }
}

function compileBinary(context: Context, expression: IntegerExpression & { kind: "binary" }): void {
  const { operator, left, right } = expression;
  const { code } = context;
  switch (operator) {
    case "divide-unsigned":
    case "divide-signed":
    case "remainder-unsigned":
    case "remainder-signed":
      break;
    default:
      compileInteger(context, left);
      compileInteger(context, right);
      code.emit(plainBinary[operator]);
      return;
  }
  // The machine's division traps on 0, and its signed quotient on INT64_MIN / -1. (Its signed remainder by -1 is 0.)
  const minusOne = maximumWord;
  const divisor = right.kind === "constant" ? BigInt.asUintN(64, right.value) : undefined;
  if (divisor !== undefined && divisor !== 0n && divisor !== minusOne) {
    compileInteger(context, left);
    compileInteger(context, right);
    code.emit(divisions[operator]);
    return;
  }
  const isQuotient = operator === "divide-unsigned" || operator === "divide-signed";
  const dividendLocal = code.borrow("i64");
  const divisorLocal = code.borrow("i64");
  compileInteger(context, left);
  code.set(dividendLocal);
  compileInteger(context, right);
  code.tee(divisorLocal);
  code.emit("i64.eqz");
  code.if("i64");
  if (isQuotient) code.i64(0n);
  else code.get(dividendLocal);
  code.else();
  if (operator === "divide-signed") {
    code.get(divisorLocal);
    code.i64(minusOne);
    code.emit("i64.eq");
    code.if("i64");
    code.i64(0n);
    code.get(dividendLocal);
    code.emit("i64.sub");
    code.else();
  }
  code.get(dividendLocal);
  code.get(divisorLocal);
  code.emit(divisions[operator]);
  if (operator === "divide-signed") code.end();
  code.end();
  code.giveBack("i64", divisorLocal);
  code.giveBack("i64", dividendLocal);
}

function compileExtension(context: Context, expression: IntegerExpression & { kind: "extend" }): void {
  const { width, signed, value } = expression;
  const { code } = context;
  if (value.kind === "input") {
    const [load, address] = inputLoads[value.input];
    // Memory is little-endian: the low bits are at the word's address. A word of 32 bits is zero above.
    if (load === "i64.load" || width === 32) {
      code.i32(0);
      code.memory(`i64.load${width}_${signed ? "s" : "u"}`, address);
      return;
    }
  }
  compileInteger(context, value);
  if (signed) {
    code.emit(`i64.extend${width}_s`);
  } else {
    code.i64((1n << BigInt(width)) - 1n);
    code.emit("i64.and");
  }
}

// ── Booleans ────────────────────────────────────────────────────────────────────────────────────────────────────────

const comparisons: { readonly [O in CompareOperator]: Instruction } = {
  equal: "i64.eq",
  "not-equal": "i64.ne",
  "less-unsigned": "i64.lt_u",
  "less-or-equal-unsigned": "i64.le_u",
  "less-signed": "i64.lt_s",
  "less-or-equal-signed": "i64.le_s",
};

export function compileBoolean(context: Context, expression: BooleanExpression): void {
  const { code } = context;
  switch (expression.kind) {
    case "boolean":
      code.i32(expression.value ? 1 : 0);
      return;
    case "boolean-local":
      context.variables.get(expression.local);
      return;
    case "compare":
      compileInteger(context, expression.left);
      compileInteger(context, expression.right);
      code.emit(comparisons[expression.operator]);
      return;
    case "within":
      compileInteger(context, expression.value);
      compileWithin(code, expression.intervals, context.constant);
      return;
    case "not":
      compileBoolean(context, expression.value);
      code.emit("i32.eqz");
      return;
    case "all":
      compileSequence(context, expression.of, true);
      return;
    case "any":
      compileSequence(context, expression.of, false);
      return;
    case "table-has":
      pushTable(context, expression.table);
      compileInteger(context, expression.key);
      code.call(tableFunction(context, expression.table, "has"));
      return;
    default:
      expression satisfies never;
  }
}

/** A conjunction (`all`) or disjunction as one flat block, which the first deciding operand leaves. */
function compileSequence(context: Context, operands: readonly BooleanExpression[], all: boolean): void {
  const { code } = context;
  const last = operands.at(-1);
  if (last === undefined) {
    code.i32(all ? 1 : 0);
    return;
  }
  if (operands.length === 1) {
    compileBoolean(context, last);
    return;
  }
  const decided = code.block("i32");
  for (const operand of operands.slice(0, -1)) {
    code.i32(all ? 0 : 1);
    compileBoolean(context, operand);
    if (all) code.emit("i32.eqz");
    code.branchIf(decided);
    code.emit("drop");
  }
  compileBoolean(context, last);
  code.end();
}

// ── Verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function compileVerdict(context: Context, expression: VerdictExpression): void {
  const { code } = context;
  switch (expression.kind) {
    case "verdict":
      code.i32(ranked(context.program, expression.verdict));
      return;
    case "verdict-local":
      context.variables.get(expression.local);
      return;
    case "verdict-select":
      compileChoice(context, expression, "i32", compileVerdict);
      return;
    case "strictest": {
      const [first, ...others] = expression.of;
      if (first === undefined) throw new Error("strictest has no operands");
      compileVerdict(context, first);
      for (const other of others) {
        compileVerdict(context, other);
        compileStrictest(code);
      }
      return;
    }
    default:
      expression satisfies never;
  }
}

/** [a, b] → the strictest of the two ranked verdicts; a if they are equally strict. */
export function compileStrictest(code: FunctionBuilder): void {
  const first = code.borrow("i32");
  const second = code.borrow("i32");
  code.set(second);
  code.set(first);
  code.get(second);
  code.get(first);
  code.get(second);
  code.i32(verdictIndexBits);
  code.emit("i32.shr_u");
  code.get(first);
  code.i32(verdictIndexBits);
  code.emit("i32.shr_u", "i32.gt_u", "select");
  code.giveBack("i32", second);
  code.giveBack("i32", first);
}

// ── Shared by the types ─────────────────────────────────────────────────────────────────────────────────────────────

/** A select between two simple operands needs no branch; otherwise only the chosen one is evaluated. */
function compileChoice<E extends { readonly kind: string }>(
  context: Context,
  choice: { readonly condition: BooleanExpression; readonly then: E; readonly otherwise: E },
  type: "i32" | "i64",
  compile: (context: Context, expression: E) => void,
): void {
  const { code } = context;
  if (isSimple(choice.then) && isSimple(choice.otherwise)) {
    compile(context, choice.then);
    compile(context, choice.otherwise);
    compileBoolean(context, choice.condition);
    code.emit("select");
    return;
  }
  compileBoolean(context, choice.condition);
  code.if(type);
  compile(context, choice.then);
  code.else();
  compile(context, choice.otherwise);
  code.end();
}

const simpleKinds: ReadonlySet<string> = new Set([
  "constant",
  "input",
  "observed",
  "local",
  "cell",
  "verdict",
  "verdict-local",
]);

function isSimple(expression: { readonly kind: string }): boolean {
  return simpleKinds.has(expression.kind);
}

/** Pushes the base of the cell's state and returns the offset for a load or store. */
export function cellAddress(context: Context, cell: number): number {
  const { scope } = context.program.cells[cell]!;
  const { offset } = context.layout.scopes[scope].cells.find((candidate) => candidate.cell === cell)!;
  if (scope === "tree") {
    context.code.i32(0);
    return context.layout.tree + offset;
  }
  context.code.get(scopeParameters[scope]);
  return offset;
}

/** Pushes a table's address and its number of buckets: the first two operands of each table function. */
export function pushTable(context: Context, index: number): void {
  const { code, layout } = context;
  const { scope } = tableOf(context, index);
  const { offset, buckets } = tableLayout(context, index);
  if (scope === "tree") {
    code.i32(layout.tree + offset);
  } else {
    code.get(scopeParameters[scope]);
    code.i32(offset);
    code.emit("i32.add");
  }
  code.i32(buckets);
}

export function tableFunction(context: Context, index: number, operation: TableOperation): number {
  return context.tables(tableOf(context, index).holdsValues).index[operation];
}

export function tableLayout(context: Context, index: number): TableLayout {
  const { scope } = tableOf(context, index);
  return context.layout.scopes[scope].tables.find((candidate) => candidate.table === index)!;
}

function tableOf(context: Context, index: number): Table {
  return context.program.tables[index]!;
}
