/**
 * The program as a graph of statements with successors. Control only goes forward, so the graph has no cycle; positions
 * grow along every path, and a value is dead after the position of its last read.
 */

import { guardOf } from "../../ir/guard.ts";
import type { Input } from "../../ir/inputs.ts";
import type { Expression, Interval, Program, Statement } from "../../ir/program.ts";
import { bodiesOf, expressionsOf, operands } from "../../ir/traverse.ts";
import { firstNotBelow } from "./binary-search.ts";

export interface GraphNode {
  readonly statement: Statement;
  readonly position: number;
  /**
   * The successor of a statement that does not branch; for `if`: [then, otherwise]; for `switch`: the arms, then
   * otherwise.
   */
  readonly next: readonly GraphNode[];
  /**
   * For an `if`: the call numbers outside of which its condition is false; undefined if its form does not show them.
   */
  readonly guard: readonly Interval[] | undefined;
}

export interface Graph {
  readonly start: GraphNode;
  readonly count: number;
  /** The position of the last read; −1 if there is none. */
  readonly lastRead: {
    readonly locals: readonly number[];
    readonly cells: readonly number[];
    readonly tables: readonly number[];
    readonly parameters: readonly number[];
    readonly words: readonly number[];
    readonly inputs: ReadonlyMap<Input, number>;
  };
}

export function buildGraph(program: Program): Graph {
  const locals = new Array<number>(program.locals.length).fill(-1);
  const cells = new Array<number>(program.cells.length).fill(-1);
  const tables = new Array<number>(program.tables.length).fill(-1);
  const parameters = new Array<number>(program.parameters.length).fill(-1);
  const words = new Array<number>(program.words.length).fill(-1);
  const inputs = new Map<Input, number>();
  const afterLabel = new Map<number, GraphNode | undefined>();
  // The graph is built from the end, so positions count down, and the first read found is the last.
  let position = Number.MAX_SAFE_INTEGER;
  let count = 0;

  function noteReads(expression: Expression, at: number): void {
    switch (expression.kind) {
      case "local":
      case "boolean-local":
      case "verdict-local":
        if (locals[expression.local] === -1) locals[expression.local] = at;
        break;
      case "cell":
        if (cells[expression.cell] === -1) cells[expression.cell] = at;
        break;
      case "parameter":
        if (parameters[expression.parameter] === -1) parameters[expression.parameter] = at;
        break;
      case "observed":
        if (words[expression.word] === -1) words[expression.word] = at;
        break;
      case "table-get":
      case "table-has":
        if (tables[expression.table] === -1) tables[expression.table] = at;
        break;
      case "input":
        if (!inputs.has(expression.input)) inputs.set(expression.input, at);
        break;
    }
    for (const operand of operands(expression)) noteReads(operand, at);
  }

  function build(statements: readonly Statement[], after: GraphNode | undefined): GraphNode | undefined {
    let next = after;
    for (let i = statements.length - 1; i >= 0; i--) {
      const statement = statements[i]!;
      if (statement.kind === "block") {
        afterLabel.set(statement.label, next);
        next = build(statement.body, next);
        continue;
      }
      if (statement.kind === "leave") {
        next = afterLabel.get(statement.label);
        continue;
      }
      const branches: (GraphNode | undefined)[] = [];
      const bodies = bodiesOf(statement);
      for (let b = bodies.length - 1; b >= 0; b--) branches[b] = build(bodies[b]!, next);
      const at = position--;
      count++;
      for (const expression of expressionsOf(statement)) noteReads(expression, at);
      // A table change reads the table itself, because the effect depends on whether the key is present.
      if (statement.kind === "table-set" || statement.kind === "table-delete") {
        if (tables[statement.table] === -1) tables[statement.table] = at;
      }
      const following = bodies.length > 0 ? branches : statement.kind === "return" ? [] : [next];
      // The checker guarantees that every path returns, so a missing successor is unreachable.
      const guard = statement.kind === "if" ? guardOf(statement.condition) : undefined;
      next = { statement, position: at, next: following as readonly GraphNode[], guard };
    }
    return next;
  }

  const start = build(program.body, undefined);
  if (start === undefined) throw new Error("a program without a statement has no verdict");
  return { start, count, lastRead: { locals, cells, tables, parameters, words, inputs } };
}

/**
 * Runs of `if`s, each guarded by call numbers and followed by the next if it is false. Policies are lists of rules,
 * most of which are not about a given call. Finds the next node of a run that concerns a call.
 */
export class GuardChains {
  readonly #places = new Map<GraphNode, { readonly chain: Chain; readonly index: number }>();

  /** The first node from this one on that may concern the call: in the run, or after it. */
  skip(node: GraphNode, number: number): GraphNode {
    const { chain, index } = this.#places.get(node) ?? this.#lay(node);
    const concerned = chain.byNumber.get(number);
    if (concerned === undefined) return chain.end;
    const found = concerned[firstNotBelow(concerned, index)];
    return found === undefined ? chain.end : chain.nodes[found]!;
  }

  #lay(first: GraphNode): { readonly chain: Chain; readonly index: number } {
    const nodes: GraphNode[] = [];
    const byNumber = new Map<number, number[]>();
    let node = first;
    while (node.guard !== undefined && !this.#places.has(node)) {
      for (const { from, to } of node.guard) {
        // No architecture has higher call numbers.
        for (let number = Number(from); number <= Math.min(Number(to), 4095); number++) {
          const concerned = byNumber.get(number);
          if (concerned === undefined) byNumber.set(number, [nodes.length]);
          else concerned.push(nodes.length);
        }
      }
      nodes.push(node);
      node = node.next[1]!;
    }
    const chain: Chain = { nodes, byNumber, end: node };
    nodes.forEach((each, index) => {
      this.#places.set(each, { chain, index });
    });
    return { chain, index: 0 };
  }
}

interface Chain {
  readonly nodes: readonly GraphNode[];
  /** For each call number, the indexes of the nodes whose guard it passes, ascending. */
  readonly byNumber: ReadonlyMap<number, readonly number[]>;
  readonly end: GraphNode;
}
