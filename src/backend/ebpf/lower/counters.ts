/**
 * Recognises changes of state in the IR that are one access to memory in eBPF.
 *
 * ```
 * i0 = ((max − $c) in {0 to n − 1} ? max : ($c + n));  $c = i0      an addition that stays at the counter's end
 * if $phase in {0 to k − 1}: $phase = k, the last one                 a store of k: if the phase is k already, no change
 * ```
 */
import { cellMaximum } from "../../../ir/limits.ts";
import type { IntegerExpression, Program, Statement } from "../../../ir/program.ts";

/**
 * A counter further from its end than this cannot reach it by concurrent additions: at 10 ns each, they would take 91
 * years.
 */
const mostAtOnce = 16n;
const highestStart = 1n << 62n;

export interface Addition {
  readonly cell: number;
  readonly amount: bigint;
  /** The local that also gets the sum. */
  readonly local: number | undefined;
  /** The number of statements. */
  readonly length: 1 | 2;
}

/** The addition that begins with this statement of a list, if it cannot reach the counter's end. */
export function additionAt(program: Program, statements: readonly Statement[], index: number): Addition | undefined {
  const statement = statements[index]!;
  if (statement.kind === "store") {
    const sum = saturatingSum(program, statement.value);
    return sum?.cell === statement.cell ? { ...sum, local: undefined, length: 1 } : undefined;
  }
  const next = statements[index + 1];
  if (statement.kind !== "set-integer" || next?.kind !== "store") return undefined;
  const sum = saturatingSum(program, statement.value);
  if (sum === undefined || sum.cell !== next.cell) return undefined;
  if (next.value.kind !== "local" || next.value.local !== statement.local) return undefined;
  return { ...sum, local: statement.local, length: 2 };
}

function saturatingSum(
  program: Program,
  value: IntegerExpression,
): { readonly cell: number; readonly amount: bigint } | undefined {
  if (value.kind !== "select" || value.condition.kind !== "within") return undefined;
  const { otherwise, then, condition } = value;
  if (otherwise.kind !== "binary" || otherwise.operator !== "add") return undefined;
  if (otherwise.left.kind !== "cell" || otherwise.right.kind !== "constant") return undefined;
  const { cell } = otherwise.left;
  const amount = otherwise.right.value;
  const { kind, initial } = program.cells[cell]!;
  if (kind.is !== "counter" || initial > highestStart || amount < 1n || amount > mostAtOnce) return undefined;
  const most = cellMaximum(program.cells[cell]!);
  const room = condition.value;
  const isRoom =
    room.kind === "binary" &&
    room.operator === "subtract" &&
    room.left.kind === "constant" &&
    room.left.value === most &&
    room.right.kind === "cell" &&
    room.right.cell === cell;
  const [interval, ...others] = condition.intervals;
  const isShort = others.length === 0 && interval?.from === 0n && interval.to === amount - 1n;
  return isRoom && isShort && then.kind === "constant" && then.value === most ? { cell, amount } : undefined;
}

/** The store that this statement reduces to, if it enters the last phase of a cell. */
export function lastPhase(
  program: Program,
  statement: Statement,
): { readonly cell: number; readonly value: bigint } | undefined {
  if (statement.kind !== "if" || statement.condition.kind !== "within" || statement.otherwise.length > 0)
    return undefined;
  const { value, intervals } = statement.condition;
  const [store, ...rest] = statement.then;
  if (value.kind !== "cell" || store?.kind !== "store" || rest.length > 0 || store.cell !== value.cell)
    return undefined;
  const cell = program.cells[value.cell]!;
  if (cell.kind.is !== "phases" || store.value.kind !== "constant") return undefined;
  const last = store.value.value;
  const earlier = intervals.length === 1 && intervals[0]!.from === 0n && intervals[0]!.to === last - 1n;
  return earlier && last === cellMaximum(cell) ? { cell: value.cell, value: last } : undefined;
}
