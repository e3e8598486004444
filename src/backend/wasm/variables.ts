/**
 * Assigns the program's locals to places: WebAssembly locals, or memory. V8's compilers store a value for every
 * WebAssembly local at every branch, so that their time and memory grow with locals times branches: 50,000 of each took
 * all the memory of a machine. Few locals are needed at once, however. Control only goes forward, so two whose uses do not
 * overlap in the order of the text can share a place:
 *
 * ```
 * block { a = …; use a }      a: place 0, from its first use to its last
 * block { b = …; use b }      b: place 0 again, set to 0 first
 * ```
 *
 * Variables beyond the places are in memory.
 */
import type { Program, Statement, ValueType } from "../../ir/program.ts";
import { bodiesOf, expressionsOf, forEachExpression } from "../../ir/traverse.ts";

/** Places of each type that are WebAssembly locals; the others are in memory. */
export const mostWasmLocals = 128;

export type PlaceType = "i32" | "i64";

export interface Place {
  readonly type: PlaceType;
  /** Counts for each type from 0. */
  readonly index: number;
}

export interface Variables {
  /** The places of the program's locals; undefined for an unused one. */
  readonly places: readonly (Place | undefined)[];
  /** The number of places of each type. */
  readonly count: { readonly [T in PlaceType]: number };
  /**
   * Locals to set to 0 (false, verdict 0) before a statement, since their place may have the value of another.
   * Statements are counted in source order, each before its inner statements.
   */
  readonly cleared: ReadonlyMap<number, readonly number[]>;
}

const placeTypes: { readonly [T in ValueType]: PlaceType } = { integer: "i64", boolean: "i32", verdict: "i32" };

/** The order numbers between which a local is live, inclusive. */
interface Range {
  /** Comes before any use. */
  first: number;
  last: number;
  /** The first use is an assignment. */
  setFirst: boolean;
}

export function placeVariables(program: Program): Variables {
  const ranges = new RangeFinder(program).ranges;
  const places = new Array<Place | undefined>(program.locals.length).fill(undefined);
  const cleared = new Map<number, number[]>();
  const count = { i32: 0, i64: 0 };
  const free: { readonly [T in PlaceType]: number[] } = { i32: [], i64: [] };
  const inOrder = [...ranges].sort(([, a], [, b]) => a.first - b.first);
  const byEnd = [...ranges].sort(([, a], [, b]) => a.last - b.last);
  let ended = 0;
  for (const [local, { first, setFirst }] of inOrder) {
    for (; ended < byEnd.length && byEnd[ended]![1].last < first; ended++) {
      const { type, index } = places[byEnd[ended]![0]]!;
      free[type].push(index);
    }
    const type = placeTypes[program.locals[local]!];
    places[local] = { type, index: free[type].pop() ?? count[type]++ };
    if (setFirst) continue;
    const before = cleared.get(first);
    if (before === undefined) cleared.set(first, [local]);
    else before.push(local);
  }
  return { places, count, cleared };
}

/** An occurrence of a list of statements: shared lists have several. */
interface List {
  /** The enclosing list, and the order number of the statement in it that contains this one. */
  readonly outer: { readonly list: List; readonly statement: number } | undefined;
  readonly depth: number;
}

class RangeFinder {
  readonly ranges = new Map<number, Range>();
  /** For each local, the innermost list with all its uses so far. */
  private readonly lists = new Map<number, List>();
  private count = 0;

  constructor(program: Program) {
    this.visit(program.body, { outer: undefined, depth: 0 });
  }

  private visit(statements: readonly Statement[], list: List): void {
    for (const statement of statements) {
      const order = this.count++;
      for (const expression of expressionsOf(statement)) {
        forEachExpression(expression, (one) => {
          if (one.kind === "local" || one.kind === "boolean-local" || one.kind === "verdict-local") {
            this.use(one.local, order, list, false);
          }
        });
      }
      if (statement.kind === "set-integer" || statement.kind === "set-boolean" || statement.kind === "set-verdict") {
        this.use(statement.local, order, list, true);
      }
      for (const body of bodiesOf(statement)) {
        this.visit(body, { outer: { list, statement: order }, depth: list.depth + 1 });
      }
    }
  }

  private use(local: number, order: number, list: List, sets: boolean): void {
    const range = this.ranges.get(local);
    if (range === undefined) {
      this.ranges.set(local, { first: order, last: order, setFirst: sets });
      this.lists.set(local, list);
      return;
    }
    range.last = order;
    // Moves the first use out to the statement that contains or precedes both.
    let common = this.lists.get(local)!;
    let other = list;
    const out = () => {
      range.first = common.outer!.statement;
      range.setFirst = false;
      common = common.outer!.list;
    };
    while (common.depth > other.depth) out();
    while (other.depth > common.depth) other = other.outer!.list;
    while (common !== other) {
      out();
      other = other.outer!.list;
    }
    this.lists.set(local, common);
  }
}
