/**
 * Drops verdicts that the program never uses: an unused `log`, and the value of a constant (`const no =
 * deny("EPERM")`), whose uses have entries of their own.
 */
import type { Program, Statement, VerdictExpression } from "../../ir/program.ts";

export function withoutUnusedVerdicts(program: Program): Program {
  const used = new Set<number>([
    0,
    ...program.tables.map(({ full }) => full),
    ...program.rooms.map(({ late }) => late),
  ]);
  collect(program.body, used);
  if (used.size === program.verdicts.length) return program;
  const sorted = [...used].sort((a, b) => a - b);
  const indexes = new Map(sorted.map((old, index) => [old, index]));
  const renumber = new Renumbering(indexes);
  return {
    ...program,
    verdicts: sorted.map((index) => program.verdicts[index]!),
    tables: program.tables.map((table) => ({ ...table, full: indexes.get(table.full)! })),
    rooms: program.rooms.map((room) => ({ ...room, late: indexes.get(room.late)! })),
    body: renumber.list(program.body),
  };
}

function collect(list: readonly Statement[], used: Set<number>): void {
  for (let at = 0; at < list.length; at++) {
    const statement = list[at]!;
    switch (statement.kind) {
      case "set-verdict":
        collectVerdict(statement.value, used);
        break;
      case "return":
        collectVerdict(statement.verdict, used);
        break;
      case "if":
        collect(statement.then, used);
        collect(statement.otherwise, used);
        break;
      case "switch":
        for (const arm of statement.arms) collect(arm.body, used);
        collect(statement.otherwise, used);
        break;
      case "block":
        collect(statement.body, used);
    }
  }
}

function collectVerdict(expression: VerdictExpression, used: Set<number>): void {
  switch (expression.kind) {
    case "verdict":
      used.add(expression.verdict);
      break;
    case "strictest":
      for (const part of expression.of) collectVerdict(part, used);
      break;
    case "verdict-select":
      collectVerdict(expression.then, used);
      collectVerdict(expression.otherwise, used);
  }
}

class Renumbering {
  private readonly indexes: ReadonlyMap<number, number>;

  constructor(indexes: ReadonlyMap<number, number>) {
    this.indexes = indexes;
  }

  list(statements: readonly Statement[]): readonly Statement[] {
    return statements.map((statement) => this.statement(statement));
  }

  private statement(statement: Statement): Statement {
    switch (statement.kind) {
      case "set-verdict":
        return { ...statement, value: this.verdict(statement.value) };
      case "return":
        return { ...statement, verdict: this.verdict(statement.verdict) };
      case "if":
        return { ...statement, then: this.list(statement.then), otherwise: this.list(statement.otherwise) };
      case "switch":
        return {
          ...statement,
          arms: statement.arms.map((arm) => ({ ...arm, body: this.list(arm.body) })),
          otherwise: this.list(statement.otherwise),
        };
      case "block":
        return { ...statement, body: this.list(statement.body) };
      default:
        return statement;
    }
  }

  private verdict(expression: VerdictExpression): VerdictExpression {
    switch (expression.kind) {
      case "verdict":
        return { kind: "verdict", verdict: this.indexes.get(expression.verdict)! };
      case "strictest":
        return { kind: "strictest", of: expression.of.map((part) => this.verdict(part)) };
      case "verdict-select":
        return {
          ...expression,
          then: this.verdict(expression.then),
          otherwise: this.verdict(expression.otherwise),
        };
      default:
        return expression;
    }
  }
}
