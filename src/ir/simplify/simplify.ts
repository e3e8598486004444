/**
 * Simplification of expressions. It preserves the value for every state, every call and every value of the locals.
 * Expressions have no side effects, so operands can be dropped.
 */
import { equalExpressions } from "../equality.ts";
import type { Input } from "../inputs.ts";
import { normalise } from "../intervals.ts";
import type { BooleanExpression, Cell, IntegerExpression, Parameter, VerdictExpression } from "../program.ts";
import type { Verdict } from "../verdicts.ts";
import * as booleans from "./booleans.ts";
import * as integers from "./integers.ts";
import { Ranges } from "./ranges.ts";
import * as verdicts from "./verdicts.ts";

/** Facts about the program. All are optional; more facts give simpler results. */
export interface Surroundings {
  /** Bounds the values of cells. */
  readonly cells?: readonly Cell[];
  /** Bounds the values of parameters. */
  readonly parameters?: readonly Parameter[];
  /** Gives the strictness of verdicts. */
  readonly verdicts?: readonly Verdict[];
  /** Inputs with a known value. */
  readonly inputs?: { readonly [I in Input]?: bigint };
}

/** Simplifies one expression. For many, use one `Simplifier`: it caches results. */
export function simplifyExpression(expression: IntegerExpression, surroundings?: Surroundings): IntegerExpression;
export function simplifyExpression(expression: BooleanExpression, surroundings?: Surroundings): BooleanExpression;
export function simplifyExpression(expression: VerdictExpression, surroundings?: Surroundings): VerdictExpression;
export function simplifyExpression(
  expression: IntegerExpression | BooleanExpression | VerdictExpression,
  surroundings: Surroundings = {},
): IntegerExpression | BooleanExpression | VerdictExpression {
  const simplifier = new Simplifier(surroundings);
  switch (expression.kind) {
    case "verdict":
    case "verdict-local":
    case "strictest":
    case "verdict-select":
      return simplifier.verdict(expression);
    case "boolean":
    case "boolean-local":
    case "compare":
    case "within":
    case "not":
    case "all":
    case "any":
    case "table-has":
      return simplifier.boolean(expression);
    default:
      return simplifier.integer(expression);
  }
}

/** Simplifies bottom up, each shared expression once. Returns the same object if nothing changes. */
export class Simplifier {
  readonly ranges: Ranges;
  private readonly verdicts: readonly Verdict[] | undefined;
  private readonly inputs: { readonly [I in Input]?: bigint };
  private readonly integersSeen = new WeakMap<IntegerExpression, IntegerExpression>();
  private readonly booleansSeen = new WeakMap<BooleanExpression, BooleanExpression>();
  private readonly verdictsSeen = new WeakMap<VerdictExpression, VerdictExpression>();

  constructor(surroundings: Surroundings = {}) {
    this.ranges = new Ranges(surroundings);
    this.verdicts = surroundings.verdicts;
    this.inputs = surroundings.inputs ?? {};
  }

  integer(expression: IntegerExpression): IntegerExpression {
    return remember(this.integersSeen, expression, () => this.simplerInteger(expression));
  }

  boolean(expression: BooleanExpression): BooleanExpression {
    return remember(this.booleansSeen, expression, () => this.simplerBoolean(expression));
  }

  verdict(expression: VerdictExpression): VerdictExpression {
    return remember(this.verdictsSeen, expression, () => this.simplerVerdict(expression));
  }

  private simplerInteger(expression: IntegerExpression): IntegerExpression {
    switch (expression.kind) {
      case "constant":
      case "local":
      case "cell":
      case "parameter":
      case "observed":
        return expression;
      case "input": {
        const value = this.inputs[expression.input];
        return value === undefined ? expression : integers.constant(value);
      }
      case "binary":
        return integers.binary(
          expression.operator,
          this.integer(expression.left),
          this.integer(expression.right),
          this.ranges,
        );
      case "extend":
        return integers.extension(expression.width, expression.signed, this.integer(expression.value), this.ranges);
      case "select":
        return integers.select(
          this.boolean(expression.condition),
          this.integer(expression.then),
          this.integer(expression.otherwise),
        );
      case "table-get":
        return { ...expression, key: this.integer(expression.key), otherwise: this.integer(expression.otherwise) };
      case "from-boolean":
        return integers.fromBoolean(this.boolean(expression.value));
    }
  }

  private simplerBoolean(expression: BooleanExpression): BooleanExpression {
    switch (expression.kind) {
      case "boolean":
      case "boolean-local":
        return expression;
      case "compare":
        return booleans.compare(
          expression.operator,
          this.integer(expression.left),
          this.integer(expression.right),
          this.ranges,
        );
      case "within":
        return booleans.within(this.integer(expression.value), normalise(expression.intervals), this.ranges);
      case "not":
        return booleans.not(this.boolean(expression.value), this.ranges);
      case "all":
      case "any":
        return booleans.junction(
          expression.kind,
          expression.of.map((part) => this.boolean(part)),
          this.ranges,
        );
      case "table-has":
        return { ...expression, key: this.integer(expression.key) };
    }
  }

  private simplerVerdict(expression: VerdictExpression): VerdictExpression {
    switch (expression.kind) {
      case "verdict":
      case "verdict-local":
        return expression;
      case "strictest":
        return verdicts.strictest(
          expression.of.map((part) => this.verdict(part)),
          this.verdicts,
        );
      case "verdict-select":
        return verdicts.verdictSelect(
          this.boolean(expression.condition),
          this.verdict(expression.then),
          this.verdict(expression.otherwise),
        );
    }
  }
}

/**
 * Caches a result, also as its own simplification. An equal result is replaced by the input, so callers can compare
 * with `===`.
 */
function remember<T extends IntegerExpression | BooleanExpression | VerdictExpression>(
  seen: WeakMap<T, T>,
  expression: T,
  simplify: () => T,
): T {
  let simpler = seen.get(expression);
  if (simpler === undefined) {
    const result = simplify();
    simpler = equalExpressions(result, expression) ? expression : result;
    seen.set(expression, simpler);
    seen.set(simpler, simpler);
  }
  return simpler;
}
