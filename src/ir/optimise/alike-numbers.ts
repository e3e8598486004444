/**
 * Call numbers that a program does not tell apart. There are some 370 calls, and most policies are about a few of them:
 * what is worked out for one number holds for all that are alike.
 */
import { compareOperations } from "../arithmetic.ts";
import { isNumber } from "../guard.ts";
import { holds } from "../intervals.ts";
import type { Expression, Program } from "../program.ts";
import { expressionsOf, forEachStatement, operands } from "../traverse.ts";

type NumberTest = (number: bigint) => boolean | number;

/** For each of the numbers the first that is alike. Where the number is used as an integer, none are. */
export function alikeNumbers(program: Program, numbers: readonly number[]): ReadonlyMap<number, number> {
  const tests = testsOfNumber(program);
  if (tests === undefined) return new Map(numbers.map((number) => [number, number]));
  // Classes are split by one test after the other, each class being named by a number of its own.
  let classes = numbers.map(() => 0);
  for (const test of tests.values()) {
    const names = new Map<string, number>();
    classes = classes.map((before, index) => {
      const key = `${before} ${test(BigInt(numbers[index]!))}`;
      const name = names.get(key) ?? names.size;
      names.set(key, name);
      return name;
    });
  }
  const first = new Map<number, number>();
  return new Map(
    numbers.map((number, index) => {
      const name = classes[index]!;
      if (!first.has(name)) first.set(name, number);
      return [number, first.get(name)!];
    }),
  );
}

/** All that the program asks of the number, each once; undefined where it computes with it. */
function testsOfNumber(program: Program): ReadonlyMap<string, NumberTest> | undefined {
  const tests = new Map<string, NumberTest>();
  const seen = new Set<Expression>();
  let computes = false;
  const visit = (expression: Expression): void => {
    if (seen.has(expression)) return;
    seen.add(expression);
    if (isNumber(expression)) computes = true;
    if (expression.kind === "within" && isNumber(expression.value)) {
      const { intervals } = expression;
      tests.set(keyOf(intervals), (number) => holds(intervals, number));
      return;
    }
    if (expression.kind === "compare") {
      const { left, right, operator } = expression;
      const compare = compareOperations[operator];
      if (isNumber(left) && right.kind === "constant") {
        tests.set(`${operator} ${right.value}`, (number) => compare(number, right.value));
        return;
      }
      if (isNumber(right) && left.kind === "constant") {
        tests.set(`${left.value} ${operator}`, (number) => compare(left.value, number));
        return;
      }
    }
    for (const operand of operands(expression)) visit(operand);
  };
  forEachStatement(program.body, (statement) => {
    if (statement.kind === "switch" && isNumber(statement.value)) {
      const { arms } = statement;
      const key = arms.map(({ intervals }) => keyOf(intervals)).join(";");
      tests.set(`arms ${key}`, (number) => arms.findIndex(({ intervals }) => holds(intervals, number)));
      return;
    }
    for (const expression of expressionsOf(statement)) visit(expression);
  });
  return computes ? undefined : tests;
}

function keyOf(intervals: readonly { readonly from: bigint; readonly to: bigint }[]): string {
  return intervals.map(({ from, to }) => `${from}-${to}`).join();
}
