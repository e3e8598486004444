import type { Expression, Program, Statement } from "../program.ts";
import { expressionsOf, forEachExpression, mapStatement, sameExpressions } from "../traverse.ts";
import { Words } from "../words.ts";
import type { Pass } from "./pass.ts";

/**
 * Drops assignments to locals that nothing reads any more, and stores to cells that are stored again, on every path,
 * before anything reads them. (A cell's last store always stays: the state outlives the evaluation, and because of the
 * later store the evaluation still counts as one that changed state.)
 */
export const dropDeadStores: Pass = {
  name: "drop-dead-stores",
  run(program: Program): Program {
    const { locals, cells } = program;
    const firstCell = locals.length;
    // Whatever returns, the state is read after it.
    const state = Words.none(firstCell + cells.length).with(cells.map((_, cell) => firstCell + cell));
    const body = new Liveness(state, firstCell).statements(program.body, state).statements;
    return body === program.body ? program : { ...program, body };
  },
};

interface Before<T> {
  readonly statements: T;
  /** What may be read later, seen from in front of them. */
  readonly live: Words;
}

/** Goes backwards. Control only ever goes forward, so one walk is enough. */
class Liveness {
  private readonly atReturn: Words;
  /** Locals and cells are in one set: locals from 0 up, and then the cells. */
  private readonly firstCell: number;
  /** What is live behind each open block. */
  private readonly behind = new Map<number, Words>();

  constructor(atReturn: Words, firstCell: number) {
    this.atReturn = atReturn;
    this.firstCell = firstCell;
  }

  statements(statements: readonly Statement[], after: Words): Before<readonly Statement[]> {
    let live = after;
    const kept: Statement[] = [];
    for (let index = statements.length - 1; index >= 0; index--) {
      const statement = statements[index]!;
      const before = this.statement(statement, live);
      live = before.live;
      if (before.statements !== undefined) kept.push(before.statements);
    }
    kept.reverse();
    const same = kept.length === statements.length && kept.every((statement, index) => statement === statements[index]);
    return { statements: same ? statements : kept, live };
  }

  private statement(statement: Statement, after: Words): Before<Statement | undefined> {
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
      case "report":
        return { statements: statement, live: this.withReads(statement, after) };
    }
  }

  private write(statement: Statement, word: number, after: Words): Before<Statement | undefined> {
    if (!after.has(word)) return { statements: undefined, live: after };
    return { statements: statement, live: this.withReads(statement, after.without(word)) };
  }

  private branch(statement: Statement, after: Words): Before<Statement> {
    let live: Words | undefined;
    const inside = mapStatement(statement, sameExpressions, (body) => {
      const before = this.statements(body, after);
      live = live?.union(before.live) ?? before.live;
      return before.statements;
    });
    return { statements: inside, live: this.withReads(statement, live ?? after) };
  }

  private withReads(statement: Statement, live: Words): Words {
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
