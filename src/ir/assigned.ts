/**
 * Locals that some path reads before it sets them. They would be 0, false or allow there, which IR permits; a compiler
 * that puts out such a program has lost an assignment, and a lost verdict would be an `allow`.
 */
import type { Program, Statement } from "./program.ts";
import { expressionsOf, forEachExpression } from "./traverse.ts";

/** The locals, ascending; empty where each is set on every path to each of its uses. */
export function unassignedLocals(program: Program): readonly number[] {
  const walk = new Walk();
  walk.statements(program.body, 0n);
  return [...walk.unassigned].sort((one, other) => one - other);
}

/** The locals that are set, as bits; undefined where the path has ended. */
type Assigned = bigint | undefined;

function meet(one: Assigned, other: Assigned): Assigned {
  return one === undefined ? other : other === undefined ? one : one & other;
}

class Walk {
  readonly unassigned = new Set<number>();
  /** What is set wherever a block is left. */
  readonly #leaving = new Map<number, Assigned>();

  statements(list: readonly Statement[], before: Assigned): Assigned {
    let assigned = before;
    for (const statement of list) {
      if (assigned === undefined) return undefined;
      assigned = this.#statement(statement, assigned);
    }
    return assigned;
  }

  #statement(statement: Statement, assigned: bigint): Assigned {
    for (const expression of expressionsOf(statement)) {
      forEachExpression(expression, (one) => {
        if (one.kind !== "local" && one.kind !== "boolean-local" && one.kind !== "verdict-local") return;
        if (((assigned >> BigInt(one.local)) & 1n) === 0n) this.unassigned.add(one.local);
      });
    }
    switch (statement.kind) {
      case "set-integer":
      case "set-boolean":
      case "set-verdict":
        return assigned | (1n << BigInt(statement.local));
      case "if":
        return meet(this.statements(statement.then, assigned), this.statements(statement.otherwise, assigned));
      case "switch":
        return statement.arms
          .map(({ body }) => this.statements(body, assigned))
          .reduce(meet, this.statements(statement.otherwise, assigned));
      case "block": {
        const outer = this.#leaving.get(statement.label);
        this.#leaving.delete(statement.label);
        const after = meet(this.statements(statement.body, assigned), this.#leaving.get(statement.label));
        this.#leaving.set(statement.label, outer);
        return after;
      }
      case "leave":
        this.#leaving.set(statement.label, meet(this.#leaving.get(statement.label), assigned));
        return undefined;
      case "return":
        return undefined;
      case "store":
      case "table-set":
      case "table-delete":
      case "report":
        return assigned;
    }
  }
}
