/**
 * Walks a program forward with facts about the paths to each statement. The IR has no loops, so one walk suffices. An
 * analysis gives the effect of each statement and the meet of two paths.
 */
import type { BooleanExpression, Statement } from "../program.ts";

export interface ForwardAnalysis<Facts> {
  /** The facts after the statement's expressions and its own effect, before its bodies. */
  readonly after: (statement: Statement, before: Facts) => Facts;
  /** The facts at a place that two paths reach. */
  readonly meet: (one: Facts, other: Facts) => Facts;
  /** The facts in a branch of an `if`, whose condition is `holds` there. */
  readonly assume?: (condition: BooleanExpression, holds: boolean, facts: Facts) => Facts;
}

/** The facts after the statements; undefined if no path reaches their end. */
export function walkForward<Facts>(
  analysis: ForwardAnalysis<Facts>,
  statements: readonly Statement[],
  before: Facts,
): Facts | undefined {
  return new Walk(analysis).statements(statements, before);
}

class Walk<Facts> {
  readonly #analysis: ForwardAnalysis<Facts>;
  /** For each open block, the meet of all `leave`s so far. */
  readonly #leaving = new Map<number, Facts | undefined>();

  constructor(analysis: ForwardAnalysis<Facts>) {
    this.#analysis = analysis;
  }

  statements(list: readonly Statement[], before: Facts): Facts | undefined {
    let facts: Facts | undefined = before;
    for (let at = 0; at < list.length; at++) {
      if (facts === undefined) return undefined;
      facts = this.#statement(list[at]!, facts);
    }
    return facts;
  }

  #statement(statement: Statement, before: Facts): Facts | undefined {
    const facts = this.#analysis.after(statement, before);
    switch (statement.kind) {
      case "if":
        return this.#meet(
          this.statements(statement.then, this.#assume(statement.condition, true, facts)),
          this.statements(statement.otherwise, this.#assume(statement.condition, false, facts)),
        );
      case "switch":
        return statement.arms
          .map(({ body }) => this.statements(body, facts))
          .reduce((one, other) => this.#meet(one, other), this.statements(statement.otherwise, facts));
      case "block": {
        const outer = this.#leaving.get(statement.label);
        this.#leaving.delete(statement.label);
        const after = this.#meet(this.statements(statement.body, facts), this.#leaving.get(statement.label));
        this.#leaving.set(statement.label, outer);
        return after;
      }
      case "leave":
        this.#leaving.set(statement.label, this.#meet(this.#leaving.get(statement.label), facts));
        return undefined;
      case "return":
        return undefined;
      case "set-integer":
      case "set-boolean":
      case "set-verdict":
      case "store":
      case "table-set":
      case "table-delete":
      case "enter":
      case "report":
        return facts;
    }
  }

  #assume(condition: BooleanExpression, holds: boolean, facts: Facts): Facts {
    return this.#analysis.assume?.(condition, holds, facts) ?? facts;
  }

  #meet(one: Facts | undefined, other: Facts | undefined): Facts | undefined {
    if (one === undefined || other === undefined) return one ?? other;
    return this.#analysis.meet(one, other);
  }
}
