/**
 * Finds locals that some path reads before it assigns them. The IR defines their value (0, false, allow), but a
 * compiler that emits such a program has lost an assignment, and a lost verdict would be an `allow`.
 */
import type { Expression, Program, Statement } from "./program.ts";
import { expressionsOf, operands } from "./traverse.ts";

/** The unassigned locals, ascending. */
export function unassignedLocals(program: Program): readonly number[] {
  if (program.locals.length === 0) return [];
  const walk = new Walk();
  walk.statements(program.body, 0n);
  return [...walk.unassigned].sort((one, other) => one - other);
}

/** The assigned locals as a bit set; undefined after the end of a path. */
type Assigned = bigint | undefined;

function meet(one: Assigned, other: Assigned): Assigned {
  return one === undefined ? other : other === undefined ? one : one & other;
}

class Walk {
  readonly unassigned = new Set<number>();
  /** For each open block, the locals that every `leave` so far finds assigned. */
  readonly #leaving = new Map<number, Assigned>();

  statements(list: readonly Statement[], before: Assigned): Assigned {
    let assigned = before;
    for (let at = 0; at < list.length; at++) {
      if (assigned === undefined) return undefined;
      assigned = this.#statement(list[at]!, assigned);
    }
    return assigned;
  }

  #expressions(list: readonly Expression[], assigned: bigint): void {
    for (let at = 0; at < list.length; at++) {
      const one = list[at]!;
      if (one.kind === "local" || one.kind === "boolean-local" || one.kind === "verdict-local") {
        if (((assigned >> BigInt(one.local)) & 1n) === 0n) this.unassigned.add(one.local);
      } else this.#expressions(operands(one), assigned);
    }
  }

  #statement(statement: Statement, assigned: bigint): Assigned {
    this.#expressions(expressionsOf(statement), assigned);
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
      case "enter":
      case "report":
        return assigned;
    }
  }
}
