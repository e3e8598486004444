/** What lies inside an expression or a statement, for passes that treat most kinds alike. */
import type { BooleanExpression, Expression, IntegerExpression, Statement, VerdictExpression } from "./program.ts";

/** The expressions directly inside an expression. */
export function operands(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "constant":
    case "input":
    case "local":
    case "cell":
    case "boolean":
    case "boolean-local":
    case "observe":
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

/** Visits every statement, each before those inside it, in the order of the text. */
export function forEachStatement(statements: readonly Statement[], visit: (statement: Statement) => void): void {
  for (const statement of statements) {
    visit(statement);
    for (const body of bodiesOf(statement)) forEachStatement(body, visit);
  }
}

/** Visits an expression and all inside it, each before its operands. */
export function forEachExpression(expression: Expression, visit: (expression: Expression) => void): void {
  visit(expression);
  for (const operand of operands(expression)) forEachExpression(operand, visit);
}

/** How to replace expressions by type. */
export interface ExpressionMap {
  readonly integer: (expression: IntegerExpression) => IntegerExpression;
  readonly boolean: (expression: BooleanExpression) => BooleanExpression;
  readonly verdict: (expression: VerdictExpression) => VerdictExpression;
}

/** The statement with its own expressions replaced and its bodies rewritten; itself where nothing changed. */
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
    case "leave":
      return statement;
  }
}

/** `list.map(change)`, but the list itself where every element stayed the same object. */
export function mapList<T>(list: readonly T[], change: (element: T) => T): readonly T[] {
  let changed = false;
  const result = list.map((element) => {
    const next = change(element);
    if (next !== element) changed = true;
    return next;
  });
  return changed ? result : list;
}
