/**
 * Finds locals that some path reads before it assigns them. The IR defines their value (0, false, allow), but a
 * compiler that emits such a program has lost an assignment, and a lost verdict would be an `allow`.
 */
import type { Expression, Program, Statement } from "../program.ts";
import { expressionsOf, operands } from "../traverse.ts";
import { type ForwardAnalysis, walkForward } from "./forward.ts";

/** The unassigned locals, ascending. */
export function unassignedLocals(program: Program): readonly number[] {
  if (program.locals.length === 0) return [];
  const search = new Search();
  walkForward(search, program.body, 0n);
  return [...search.unassigned].sort((one, other) => one - other);
}

/** The facts are the assigned locals as a bit set. */
class Search implements ForwardAnalysis<bigint> {
  readonly unassigned = new Set<number>();

  readonly meet = (one: bigint, other: bigint): bigint => one & other;

  readonly after = (statement: Statement, assigned: bigint): bigint => {
    this.#expressions(expressionsOf(statement), assigned);
    switch (statement.kind) {
      case "set-integer":
      case "set-boolean":
      case "set-verdict":
        return assigned | (1n << BigInt(statement.local));
      // Listed, so that a new kind does not compile until its assignments are considered here.
      case "store":
      case "table-set":
      case "table-delete":
      case "enter":
      case "report":
      case "if":
      case "switch":
      case "block":
      case "leave":
      case "return":
        return assigned;
    }
  };

  #expressions(list: readonly Expression[], assigned: bigint): void {
    for (let at = 0; at < list.length; at++) {
      const one = list[at]!;
      if (one.kind === "local" || one.kind === "boolean-local" || one.kind === "verdict-local") {
        if (((assigned >> BigInt(one.local)) & 1n) === 0n) this.unassigned.add(one.local);
      } else this.#expressions(operands(one), assigned);
    }
  }
}
