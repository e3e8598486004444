import type { Expression, Program, Statement } from "../program.ts";
import { expressionsOf, forEachExpression, mapStatement, sameExpressions } from "../traverse.ts";
import type { Pass } from "./pass.ts";

/**
 * Drops assignments to locals that nothing reads any more, and stores to cells that are stored again, on every path,
 * before anything reads them. (A cell's last store always stays: the state outlives the evaluation, and because of the
 * later store the evaluation still counts as one that changed state.)
 */
export const dropDeadStores: Pass = {
  name: "drop-dead-stores",
  run(program: Program): Program {
    // Whatever returns, the state is read after it.
    const state = new Set(program.cells.map((_, cell) => cellWord(cell)));
    const body = new Liveness(state).statements(program.body, state).statements;
    return body === program.body ? program : { ...program, body };
  },
};

/** Locals and cells in one set: locals from 0 up, cells from −1 down. */
type Word = number;
type Live = ReadonlySet<Word>;

function cellWord(cell: number): Word {
  return -1 - cell;
}

interface Before<T> {
  readonly statements: T;
  /** What may be read later, seen from in front of them. */
  readonly live: Live;
}

/** Goes backwards. Control only ever goes forward, so one walk is enough. */
class Liveness {
  private readonly atReturn: Live;
  /** What is live behind each open block. */
  private readonly behind = new Map<number, Live>();

  constructor(atReturn: Live) {
    this.atReturn = atReturn;
  }

  statements(statements: readonly Statement[], after: Live): Before<readonly Statement[]> {
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

  private statement(statement: Statement, after: Live): Before<Statement | undefined> {
    switch (statement.kind) {
      case "set-integer":
      case "set-boolean":
      case "set-verdict":
        return this.write(statement, statement.local, after);
      case "store":
        return this.write(statement, cellWord(statement.cell), after);
      case "return":
        return { statements: statement, live: withReads(statement, this.atReturn) };
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
        return { statements: statement, live: withReads(statement, after) };
    }
  }

  private write(statement: Statement, word: Word, after: Live): Before<Statement | undefined> {
    if (!after.has(word)) return { statements: undefined, live: after };
    const live = new Set(after);
    live.delete(word);
    return { statements: statement, live: withReads(statement, live) };
  }

  private branch(statement: Statement, after: Live): Before<Statement> {
    const live = new Set<Word>();
    const inside = mapStatement(statement, sameExpressions, (body) => {
      const before = this.statements(body, after);
      for (const word of before.live) live.add(word);
      return before.statements;
    });
    return { statements: inside, live: withReads(statement, live) };
  }
}

function withReads(statement: Statement, live: Live): Live {
  const reads: Word[] = [];
  const visit = (expression: Expression) => {
    switch (expression.kind) {
      case "local":
      case "boolean-local":
      case "verdict-local":
        reads.push(expression.local);
        break;
      case "cell":
        reads.push(cellWord(expression.cell));
        break;
      default:
    }
  };
  for (const expression of expressionsOf(statement)) forEachExpression(expression, visit);
  return reads.every((word) => live.has(word)) ? live : new Set([...live, ...reads]);
}
