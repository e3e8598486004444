/** Specialises a program to one call number. */
import { guardOf } from "../guard.ts";
import type { Input } from "../inputs.ts";
import { holds } from "../intervals.ts";
import type { BooleanExpression, Interval, Program, Statement } from "../program.ts";
import { Simplifier } from "../simplify/simplify.ts";
import { type ExpressionMap, mapStatement } from "../traverse.ts";
import { optimise } from "./optimise.ts";

/**
 * Returns a program that is equivalent for calls with this number and judges no other. Verdicts, cells, tables, reports
 * and locals keep their indexes. Arms and rules of other calls are skipped unread, so specialising to each number in
 * turn costs little more than reading the program once for each. Given `inputs`, it is equivalent for calls with these.
 */
export function specialise(program: Program, number: number, inputs: { readonly [I in Input]?: bigint } = {}): Program {
  const simplifier = new Simplifier({ ...program, inputs: { ...inputs, number: BigInt(number) } });
  const body = new Walk(simplifier, BigInt(number)).statements(program.body);
  const judged = holds(program.admission.judged, BigInt(number));
  const only = { from: BigInt(number), to: BigInt(number) };
  const admission = { ...program.admission, judged: judged ? [only] : [] };
  return optimise({ ...program, admission, body }).program;
}

class Walk {
  private readonly map: ExpressionMap;
  private readonly number: bigint;

  constructor(simplifier: Simplifier, number: bigint) {
    this.number = number;
    this.map = {
      integer: (expression) => simplifier.integer(expression),
      boolean: (expression) => simplifier.boolean(expression),
      verdict: (expression) => simplifier.verdict(expression),
    };
  }

  statements(statements: readonly Statement[]): readonly Statement[] {
    return statements.flatMap((statement) => this.statement(statement));
  }

  private statement(statement: Statement): readonly Statement[] {
    if (statement.kind === "if") {
      const guard = cachedGuard(statement.condition);
      if (guard !== undefined && !holds(guard, this.number)) return this.statements(statement.otherwise);
      const condition = this.map.boolean(statement.condition);
      if (condition.kind === "boolean") return this.statements(condition.value ? statement.then : statement.otherwise);
    }
    if (statement.kind === "switch") {
      const value = this.map.integer(statement.value);
      if (value.kind === "constant") {
        const taken = statement.arms.find((arm) => holds(arm.intervals, value.value));
        return this.statements(taken?.body ?? statement.otherwise);
      }
    }
    return [mapStatement(statement, this.map, (body) => this.statements(body))];
  }
}

/** Cache: each rule is asked once for each number. */
const guards = new WeakMap<BooleanExpression, { readonly guard: readonly Interval[] | undefined }>();

function cachedGuard(condition: BooleanExpression): readonly Interval[] | undefined {
  let known = guards.get(condition);
  if (known === undefined) {
    known = { guard: guardOf(condition) };
    guards.set(condition, known);
  }
  return known.guard;
}
