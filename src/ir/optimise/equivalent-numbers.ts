/**
 * Finds call numbers that a program does not distinguish. There are about 370 calls and most policies distinguish few
 * of them, so a result for one number holds for its whole class.
 */
import { compareOperations } from "../arithmetic.ts";
import { isNumber } from "../guard.ts";
import { holds } from "../intervals.ts";
import type { Expression, Program } from "../program.ts";
import { expressionsOf, forEachStatement, operands } from "../traverse.ts";

type NumberTest = (number: bigint) => boolean | number;

/**
 * Maps each number to the first number of its class. If the program computes with the number, each is its own class.
 */
export function equivalentNumbers(program: Program, numbers: readonly number[]): ReadonlyMap<number, number> {
  const tests = testsOfNumber(program);
  if (tests === undefined) return new Map(numbers.map((number) => [number, number]));
  // Partition refinement: each test splits the classes. A class is named by the index of its first number.
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

/** The distinct tests of the number in the program; undefined if the program computes with it. */
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
