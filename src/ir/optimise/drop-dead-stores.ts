/**
 * Pass: drops assignments to locals that are never read, and stores to cells that every path overwrites before a read.
 * A cell's last store stays, because the state outlives the evaluation; so the evaluation still counts as one that
 * changed state.
 */

import { BitSet } from "../bit-set.ts";
import type { Expression, Program, Statement } from "../program.ts";
import { expressionsOf, forEachExpression, mapStatement, sameExpressions } from "../traverse.ts";
import type { Pass } from "./pass.ts";

export const dropDeadStores: Pass = {
  name: "drop-dead-stores",
  run(program: Program): Program {
    const { locals, cells } = program;
    const firstCell = locals.length;
    // The state is live at every return.
    const state = BitSet.none(firstCell + cells.length).with(cells.map((_, cell) => firstCell + cell));
    const body = new Liveness(state, firstCell).statements(program.body, state).statements;
    return body === program.body ? program : { ...program, body };
  },
};

interface Before<T> {
  readonly statements: T;
  /** The locals and cells that may be read later, before these statements. */
  readonly live: BitSet;
}

/** Backward liveness analysis. Control only goes forward, so one walk suffices. */
class Liveness {
  private readonly atReturn: BitSet;
  /** Locals and cells share one set: first the locals, then the cells from this index. */
  private readonly firstCell: number;
  /** The live set after each open block. */
  private readonly behind = new Map<number, BitSet>();

  constructor(atReturn: BitSet, firstCell: number) {
    this.atReturn = atReturn;
    this.firstCell = firstCell;
  }

  statements(statements: readonly Statement[], after: BitSet): Before<readonly Statement[]> {
    let live = after;
    const remaining: Statement[] = [];
    for (let index = statements.length - 1; index >= 0; index--) {
      const statement = statements[index]!;
      const before = this.statement(statement, live);
      live = before.live;
      if (before.statements !== undefined) remaining.push(before.statements);
    }
    remaining.reverse();
    const same =
      remaining.length === statements.length && remaining.every((statement, index) => statement === statements[index]);
    return { statements: same ? statements : remaining, live };
  }

  private statement(statement: Statement, after: BitSet): Before<Statement | undefined> {
    switch (statement.kind) {
      case "set-integer":
      case "set-boolean":
      case "set-verdict":
        return this.write(statement, statement.local, after);
      case "store":
        return this.write(statement, this.firstCell + statement.cell, after);
      case "return":
        return { statements: statement, live: this.withReads(statement, this.atReturn) };
      case "leave":
        return { statements: statement, live: this.behind.get(statement.label) ?? after };
      case "block": {
        this.behind.set(statement.label, after);
        const { statements: body, live } = this.statements(statement.body, after);
        return { statements: body === statement.body ? statement : { ...statement, body }, live };
      }
      case "if":
      case "switch":
        return this.branch(statement, after);
      case "table-set":
      case "table-delete":
      case "enter":
      case "report":
        return { statements: statement, live: this.withReads(statement, after) };
    }
  }

  private write(statement: Statement, word: number, after: BitSet): Before<Statement | undefined> {
    if (!after.has(word)) return { statements: undefined, live: after };
    return { statements: statement, live: this.withReads(statement, after.without(word)) };
  }

  private branch(statement: Statement, after: BitSet): Before<Statement> {
    let live: BitSet | undefined;
    const inside = mapStatement(statement, sameExpressions, (body) => {
      const before = this.statements(body, after);
      live = live?.union(before.live) ?? before.live;
      return before.statements;
    });
    return { statements: inside, live: this.withReads(statement, live ?? after) };
  }

  private withReads(statement: Statement, live: BitSet): BitSet {
    const reads: number[] = [];
    const visit = (expression: Expression) => {
      switch (expression.kind) {
        case "local":
        case "boolean-local":
        case "verdict-local":
          reads.push(expression.local);
          break;
        case "cell":
          reads.push(this.firstCell + expression.cell);
          break;
        default:
      }
    };
    for (const expression of expressionsOf(statement)) forEachExpression(expression, visit);
    return live.with(reads);
  }
}
