/** Children of expressions and statements, for passes that treat most kinds alike. */
import type { Input } from "./inputs.ts";
import type { BooleanExpression, Expression, IntegerExpression, Statement, VerdictExpression } from "./program.ts";

// Every check walks its program before V8 optimises these functions: there, an iterator and an empty list each time are
// most of their cost.
const none: readonly never[] = [];

/** The expressions directly inside an expression. */
export function operands(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "constant":
    case "input":
    case "local":
    case "cell":
    case "parameter":
    case "observed":
    case "boolean":
    case "boolean-local":
    case "verdict":
    case "verdict-local":
      return none;
    case "binary":
    case "compare":
      return [expression.left, expression.right];
    case "extend":
    case "from-boolean":
    case "within":
    case "not":
      return [expression.value];
    case "select":
    case "verdict-select":
      return [expression.condition, expression.then, expression.otherwise];
    case "table-get":
      return [expression.key, expression.otherwise];
    case "table-has":
      return [expression.key];
    case "all":
    case "any":
    case "strictest":
      return expression.of;
  }
}

/** The expressions directly inside a statement, not those of the statements inside it. */
export function expressionsOf(statement: Statement): readonly Expression[] {
  switch (statement.kind) {
    case "set-integer":
    case "set-boolean":
    case "set-verdict":
    case "store":
    case "switch":
      return [statement.value];
    case "table-set":
      return [statement.key, statement.value];
    case "table-delete":
      return [statement.key];
    case "report":
      return statement.values;
    case "if":
      return [statement.condition];
    case "return":
      return [statement.verdict];
    case "enter":
    case "block":
    case "leave":
      return none;
  }
}

/** The statement lists directly inside a statement. */
export function bodiesOf(statement: Statement): readonly (readonly Statement[])[] {
  switch (statement.kind) {
    case "if":
      return [statement.then, statement.otherwise];
    case "switch":
      return [...statement.arms.map((arm) => arm.body), statement.otherwise];
    case "block":
      return [statement.body];
    default:
      return none;
  }
}

/** Visits every statement in source order, each before its inner statements. */
export function forEachStatement(statements: readonly Statement[], visit: (statement: Statement) => void): void {
  for (let at = 0; at < statements.length; at++) {
    const statement = statements[at]!;
    visit(statement);
    const bodies = bodiesOf(statement);
    for (let body = 0; body < bodies.length; body++) forEachStatement(bodies[body]!, visit);
  }
}

/** Visits an expression, then its operands, recursively. */
export function forEachExpression(expression: Expression, visit: (expression: Expression) => void): void {
  visit(expression);
  const parts = operands(expression);
  for (let at = 0; at < parts.length; at++) forEachExpression(parts[at]!, visit);
}

/** The inputs that some expression reads. */
export function inputsOf(statements: readonly Statement[]): ReadonlySet<Input> {
  const inputs = new Set<Input>();
  forEachStatement(statements, (statement) => {
    for (const expression of expressionsOf(statement)) {
      forEachExpression(expression, (one) => {
        if (one.kind === "input") inputs.add(one.input);
      });
    }
  });
  return inputs;
}

/** Replacement functions for each type of expression. */
export interface ExpressionMap {
  readonly integer: (expression: IntegerExpression) => IntegerExpression;
  readonly boolean: (expression: BooleanExpression) => BooleanExpression;
  readonly verdict: (expression: VerdictExpression) => VerdictExpression;
}

/** The node with these parts; the same object if they are its own. */
function withParts<Node extends object>(node: Node, parts: Partial<Node>): Node {
  for (const name in parts) if (parts[name] !== node[name]) return { ...node, ...parts };
  return node;
}

/** Replaces the operands of an expression; returns the same object if nothing changes. */
export function mapInteger(
  expression: IntegerExpression,
  map: Pick<ExpressionMap, "integer" | "boolean">,
): IntegerExpression {
  switch (expression.kind) {
    case "constant":
    case "input":
    case "local":
    case "cell":
    case "parameter":
    case "observed":
      return expression;
    case "binary":
      return withParts(expression, { left: map.integer(expression.left), right: map.integer(expression.right) });
    case "extend":
      return withParts(expression, { value: map.integer(expression.value) });
    case "select":
      return withParts(expression, {
        condition: map.boolean(expression.condition),
        then: map.integer(expression.then),
        otherwise: map.integer(expression.otherwise),
      });
    case "table-get":
      return withParts(expression, { key: map.integer(expression.key), otherwise: map.integer(expression.otherwise) });
    case "from-boolean":
      return withParts(expression, { value: map.boolean(expression.value) });
  }
}

/** `mapInteger` for a condition. */
export function mapBoolean(
  expression: BooleanExpression,
  map: Pick<ExpressionMap, "integer" | "boolean">,
): BooleanExpression {
  switch (expression.kind) {
    case "boolean":
    case "boolean-local":
      return expression;
    case "compare":
      return withParts(expression, { left: map.integer(expression.left), right: map.integer(expression.right) });
    case "within":
      return withParts(expression, { value: map.integer(expression.value) });
    case "not":
      return withParts(expression, { value: map.boolean(expression.value) });
    case "all":
    case "any":
      return withParts(expression, { of: mapList(expression.of, map.boolean) });
    case "table-has":
      return withParts(expression, { key: map.integer(expression.key) });
  }
}

/** `mapInteger` for a verdict. */
export function mapVerdict(expression: VerdictExpression, map: ExpressionMap): VerdictExpression {
  switch (expression.kind) {
    case "verdict":
    case "verdict-local":
      return expression;
    case "strictest":
      return withParts(expression, { of: mapList(expression.of, map.verdict) });
    case "verdict-select":
      return withParts(expression, {
        condition: map.boolean(expression.condition),
        then: map.verdict(expression.then),
        otherwise: map.verdict(expression.otherwise),
      });
  }
}

/** Replaces a statement's own expressions and its bodies; returns the same object if nothing changes. */
export function mapStatement(
  statement: Statement,
  map: ExpressionMap,
  body: (statements: readonly Statement[]) => readonly Statement[],
): Statement {
  switch (statement.kind) {
    case "set-integer":
    case "store":
      return withParts(statement, { value: map.integer(statement.value) });
    case "set-boolean":
      return withParts(statement, { value: map.boolean(statement.value) });
    case "set-verdict":
      return withParts(statement, { value: map.verdict(statement.value) });
    case "table-set":
      return withParts(statement, { key: map.integer(statement.key), value: map.integer(statement.value) });
    case "table-delete":
      return withParts(statement, { key: map.integer(statement.key) });
    case "report":
      return withParts(statement, { values: mapList(statement.values, map.integer) });
    case "if":
      return withParts(statement, {
        condition: map.boolean(statement.condition),
        then: body(statement.then),
        otherwise: body(statement.otherwise),
      });
    case "switch":
      return withParts(statement, {
        value: map.integer(statement.value),
        arms: mapList(statement.arms, (arm) => withParts(arm, { body: body(arm.body) })),
        otherwise: body(statement.otherwise),
      });
    case "block":
      return withParts(statement, { body: body(statement.body) });
    case "return":
      return withParts(statement, { verdict: map.verdict(statement.verdict) });
    case "enter":
    case "leave":
      return statement;
  }
}

/** Like `list.map(change)`, but returns the same list if no element changes. */
export function mapList<T>(list: readonly T[], change: (element: T) => T): readonly T[] {
  let changed = false;
  const result = list.map((element) => {
    const next = change(element);
    if (next !== element) changed = true;
    return next;
  });
  return changed ? result : list;
}

/** For passes that change statements only. */
export const sameExpressions: ExpressionMap = {
  integer: (expression) => expression,
  boolean: (expression) => expression,
  verdict: (expression) => expression,
};
