/** Children of expressions and statements, for passes that treat most kinds alike. */
import type { BooleanExpression, Expression, IntegerExpression, Statement, VerdictExpression } from "./program.ts";

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
      return [];
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
      return [];
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
      return [];
  }
}

/** Visits every statement in source order, each before its inner statements. */
export function forEachStatement(statements: readonly Statement[], visit: (statement: Statement) => void): void {
  for (const statement of statements) {
    visit(statement);
    for (const body of bodiesOf(statement)) forEachStatement(body, visit);
  }
}

/** Visits an expression, then its operands, recursively. */
export function forEachExpression(expression: Expression, visit: (expression: Expression) => void): void {
  visit(expression);
  for (const operand of operands(expression)) forEachExpression(operand, visit);
}

/** Replacement functions for each type of expression. */
export interface ExpressionMap {
  readonly integer: (expression: IntegerExpression) => IntegerExpression;
  readonly boolean: (expression: BooleanExpression) => BooleanExpression;
  readonly verdict: (expression: VerdictExpression) => VerdictExpression;
}

/** Replaces the operands of an expression; returns the same object if nothing changes. */
export function mapInteger(expression: IntegerExpression, map: ExpressionMap): IntegerExpression {
  switch (expression.kind) {
    case "constant":
    case "input":
    case "local":
    case "cell":
    case "parameter":
    case "observed":
      return expression;
    case "binary": {
      const left = map.integer(expression.left);
      const right = map.integer(expression.right);
      return left === expression.left && right === expression.right ? expression : { ...expression, left, right };
    }
    case "extend": {
      const value = map.integer(expression.value);
      return value === expression.value ? expression : { ...expression, value };
    }
    case "select": {
      const condition = map.boolean(expression.condition);
      const then = map.integer(expression.then);
      const otherwise = map.integer(expression.otherwise);
      const same = condition === expression.condition && then === expression.then;
      return same && otherwise === expression.otherwise ? expression : { ...expression, condition, then, otherwise };
    }
    case "table-get": {
      const key = map.integer(expression.key);
      const otherwise = map.integer(expression.otherwise);
      const same = key === expression.key && otherwise === expression.otherwise;
      return same ? expression : { ...expression, key, otherwise };
    }
    case "from-boolean": {
      const value = map.boolean(expression.value);
      return value === expression.value ? expression : { ...expression, value };
    }
  }
}

/** As `mapInteger`. */
export function mapBoolean(expression: BooleanExpression, map: ExpressionMap): BooleanExpression {
  switch (expression.kind) {
    case "boolean":
    case "boolean-local":
      return expression;
    case "compare": {
      const left = map.integer(expression.left);
      const right = map.integer(expression.right);
      return left === expression.left && right === expression.right ? expression : { ...expression, left, right };
    }
    case "within": {
      const value = map.integer(expression.value);
      return value === expression.value ? expression : { ...expression, value };
    }
    case "not": {
      const value = map.boolean(expression.value);
      return value === expression.value ? expression : { ...expression, value };
    }
    case "all":
    case "any": {
      const of = mapList(expression.of, map.boolean);
      return of === expression.of ? expression : { ...expression, of };
    }
    case "table-has": {
      const key = map.integer(expression.key);
      return key === expression.key ? expression : { ...expression, key };
    }
  }
}

/** As `mapInteger`. */
export function mapVerdict(expression: VerdictExpression, map: ExpressionMap): VerdictExpression {
  switch (expression.kind) {
    case "verdict":
    case "verdict-local":
      return expression;
    case "strictest": {
      const of = mapList(expression.of, map.verdict);
      return of === expression.of ? expression : { ...expression, of };
    }
    case "verdict-select": {
      const condition = map.boolean(expression.condition);
      const then = map.verdict(expression.then);
      const otherwise = map.verdict(expression.otherwise);
      const same = condition === expression.condition && then === expression.then;
      return same && otherwise === expression.otherwise ? expression : { ...expression, condition, then, otherwise };
    }
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
    case "store": {
      const value = map.integer(statement.value);
      return value === statement.value ? statement : { ...statement, value };
    }
    case "set-boolean": {
      const value = map.boolean(statement.value);
      return value === statement.value ? statement : { ...statement, value };
    }
    case "set-verdict": {
      const value = map.verdict(statement.value);
      return value === statement.value ? statement : { ...statement, value };
    }
    case "table-set": {
      const key = map.integer(statement.key);
      const value = map.integer(statement.value);
      return key === statement.key && value === statement.value ? statement : { ...statement, key, value };
    }
    case "table-delete": {
      const key = map.integer(statement.key);
      return key === statement.key ? statement : { ...statement, key };
    }
    case "report": {
      const values = mapList(statement.values, map.integer);
      return values === statement.values ? statement : { ...statement, values };
    }
    case "if": {
      const condition = map.boolean(statement.condition);
      const then = body(statement.then);
      const otherwise = body(statement.otherwise);
      return condition === statement.condition && then === statement.then && otherwise === statement.otherwise
        ? statement
        : { ...statement, condition, then, otherwise };
    }
    case "switch": {
      const value = map.integer(statement.value);
      const arms = mapList(statement.arms, (arm) => {
        const inside = body(arm.body);
        return inside === arm.body ? arm : { ...arm, body: inside };
      });
      const otherwise = body(statement.otherwise);
      return value === statement.value && arms === statement.arms && otherwise === statement.otherwise
        ? statement
        : { ...statement, value, arms, otherwise };
    }
    case "block": {
      const inside = body(statement.body);
      return inside === statement.body ? statement : { ...statement, body: inside };
    }
    case "return": {
      const verdict = map.verdict(statement.verdict);
      return verdict === statement.verdict ? statement : { ...statement, verdict };
    }
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
