import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pattern } from "../arithmetic.ts";
import { checkProgram } from "../check.ts";
import { evaluate } from "../interpreter.ts";
import { printExpression } from "../print.ts";
import {
  type BooleanExpression,
  type IntegerExpression,
  noDeclarations,
  type Program,
  type Statement,
  type VerdictExpression,
} from "../program.ts";
import { expressionSize } from "../size.ts";
import {
  arbitraryChoices,
  boundaryValues,
  generateCircumstances,
  generateEvent,
  generateProgram,
} from "../testing/arbitrary.ts";
import { freshState } from "../testing/parts.ts";
import { casesOf } from "../testing/seeds.ts";
import { mapStatement } from "../traverse.ts";
import { Simplifier, simplifyExpression } from "./simplify.ts";

const x: IntegerExpression = { kind: "input", input: "argument0" };
const y: IntegerExpression = { kind: "input", input: "argument1" };
const constant = (value: bigint): IntegerExpression => ({ kind: "constant", value: pattern(value) });
const binary = (
  operator: Extract<IntegerExpression, { kind: "binary" }>["operator"],
  left: IntegerExpression,
  right: IntegerExpression,
): IntegerExpression => ({ kind: "binary", operator, left, right });
const compare = (
  operator: Extract<BooleanExpression, { kind: "compare" }>["operator"],
  left: IntegerExpression,
  right: IntegerExpression,
): BooleanExpression => ({ kind: "compare", operator, left, right });
const local = (index: number): BooleanExpression => ({ kind: "boolean-local", local: index });
const all = (...of: BooleanExpression[]): BooleanExpression => ({ kind: "all", of });
const any = (...of: BooleanExpression[]): BooleanExpression => ({ kind: "any", of });
const not = (value: BooleanExpression): BooleanExpression => ({ kind: "not", value });

/** For printing. */
const verdicts: Program["verdicts"] = [
  { action: "allow", errno: 0, reason: undefined, at: undefined },
  { action: "deny", errno: 1, reason: undefined, at: undefined },
  { action: "deny", errno: 2, reason: undefined, at: undefined },
  { action: "kill-process", errno: 0, reason: undefined, at: undefined },
];
const program: Program = {
  architecture: "x86_64",
  name: "test",
  files: [],
  admission: { always: [], judged: [] },
  verdicts,
  ...noDeclarations,
  cells: [
    { name: "flag", scope: "tree", kind: { is: "flag" }, initial: 0n, onFork: "fresh", at: undefined },
    { name: "value", scope: "tree", kind: { is: "value" }, initial: 0n, onFork: "fresh", at: undefined },
  ],
  locals: ["boolean", "boolean", "boolean"],
  body: [],
};

type Any = IntegerExpression | BooleanExpression | VerdictExpression;
const simplified = (expression: Any) =>
  printExpression(simplifyExpression(expression as IntegerExpression, program), program);

describe("simplifyExpression", () => {
  it.each<[string, Any, string]>([
    ["folds", binary("add", constant(-1n), constant(2n)), "1"],
    [
      "folds the signed minimum by −1",
      binary("divide-signed", constant(1n << 63n), constant(-1n)),
      "0x8000000000000000",
    ],
    ["moves constants to the right", binary("add", constant(1n), x), "(argument0 + 1)"],
    ["adds up constants", binary("subtract", binary("add", x, constant(5n)), constant(5n)), "argument0"],
    ["merges masks", binary("and", binary("and", x, constant(0xff0n)), constant(0xf0fn)), "(argument0 & 3840)"],
    ["writes full masks as extensions", binary("and", x, constant(0xffff_ffffn)), "u32(argument0)"],
    [
      "drops a sign extension whose bits are masked off",
      binary("and", { kind: "extend", width: 32, signed: true, value: x }, constant(0xfn)),
      "(argument0 & 15)",
    ],
    ["turns a multiplication into a shift", binary("multiply", x, constant(8n)), "(argument0 << 3)"],
    ["turns a division into a shift", binary("divide-unsigned", x, constant(8n)), "(argument0 >>u 3)"],
    ["divides by 0", binary("divide-unsigned", x, constant(0n)), "0"],
    ["leaves the dividend when dividing by 0", binary("remainder-signed", x, constant(0n)), "argument0"],
    [
      "folds a shift that shifts out all bits",
      binary("shift-left", binary("shift-left", x, constant(40n)), constant(30n)),
      "0",
    ],
    [
      "drops an extension of a value that fits",
      { kind: "extend", width: 32, signed: false, value: { kind: "input", input: "pid" } },
      "pid",
    ],
    [
      "turns a comparison into a set",
      compare("less-signed", x, constant(0n)),
      "argument0 in {0x8000000000000000 to -1}",
    ],
    ["prefers the shorter set", compare("not-equal", x, constant(5n)), "argument0 not in {5}"],
    [
      "moves an addition into the set",
      compare("less-unsigned", binary("add", x, constant(1n)), constant(3n)),
      "argument0 not in {2 to -2}",
    ],
    [
      "intersects",
      all(
        compare("less-or-equal-unsigned", constant(1n), x),
        compare("less-or-equal-unsigned", x, constant(9n)),
        compare("not-equal", x, constant(5n)),
      ),
      "argument0 in {1 to 4, 6 to 9}",
    ],
    [
      "unites",
      any(compare("equal", x, constant(1n)), local(0), compare("equal", x, constant(2n))),
      "(argument0 in {1 to 2} or b0)",
    ],
    ["finds contradictions", all(local(0), compare("equal", x, constant(1n)), not(local(0))), "false"],
    ["finds tautologies", any(compare("equal", x, constant(1n)), compare("not-equal", x, constant(1n))), "true"],
    ["flattens", all(local(0), all(local(1), all(local(2), { kind: "boolean", value: true }))), "(b0 and b1 and b2)"],
    [
      "pushes negation inwards",
      not(all(local(0), not(local(1)), compare("less-signed", x, y))),
      "(not b0 or b1 or argument1 <=s argument0)",
    ],
    ["uses the range of a flag", compare("less-unsigned", { kind: "cell", cell: 0 }, constant(2n)), "true"],
    [
      "replaces a test of a converted condition by the condition",
      compare("equal", { kind: "from-boolean", value: local(0) }, constant(0n)),
      "not b0",
    ],
    [
      "replaces a test of a select by its condition",
      compare(
        "equal",
        { kind: "select", condition: local(0), then: constant(7n), otherwise: constant(8n) },
        constant(8n),
      ),
      "not b0",
    ],
    [
      "decides by ranges",
      compare("less-unsigned", { kind: "input", input: "pid" }, { kind: "input", input: "now" }),
      "pid <u now",
    ],
    [
      "strictest: a later equally strict one never wins",
      { kind: "strictest", of: [1, 0, 2].map((verdict) => ({ kind: "verdict", verdict })) },
      "1 deny EPERM",
    ],
    [
      "strictest: a stricter one wins anywhere",
      {
        kind: "strictest",
        of: [
          { kind: "verdict-local", local: 0 },
          { kind: "verdict", verdict: 3 },
        ],
      },
      "strictest(v0, 3 kill process)",
    ],
    [
      "strictest: drops an allow that is not first",
      {
        kind: "strictest",
        of: [
          { kind: "verdict-local", local: 0 },
          { kind: "verdict", verdict: 0 },
        ],
      },
      "v0",
    ],
    [
      "strictest: retains an allow that can be first",
      {
        kind: "strictest",
        of: [
          { kind: "verdict", verdict: 0 },
          { kind: "verdict-local", local: 0 },
        ],
      },
      "strictest(0 allow, v0)",
    ],
  ])("%s", (_, expression, text) => {
    expect(simplified(expression)).toBe(text);
  });

  it("returns the same object if nothing changes", () => {
    const simple = binary("add", x, y);
    expect(simplifyExpression(simple)).toBe(simple);
  });

  it("is exact for every operator, constants on either side, at the boundaries", () => {
    for (const operator of ["add", "subtract", "multiply", "and", "or", "xor"] as const) checkOperator(operator);
    for (const operator of ["divide-unsigned", "divide-signed", "remainder-unsigned", "remainder-signed"] as const) {
      checkOperator(operator);
    }
    for (const operator of ["shift-left", "shift-right-unsigned", "shift-right-signed"] as const)
      checkOperator(operator);
  });

  it("preserves the semantics of whole programs", () => {
    fc.assert(
      fc.property(arbitraryChoices(), arbitraryChoices(), (first, second) => {
        const original = generateProgram(first(), { observations: true });
        const simpler = simplifyAll(original);
        expect(checkProgram(simpler)).toEqual([]);
        const choices = second();
        for (let round = 0; round < 10; round++) {
          const event = generateEvent(choices, original);
          const circumstances = generateCircumstances(choices, original);
          const outcomes = [original, simpler].map((candidate) => {
            const state = freshState(candidate);
            return { evaluation: evaluate(candidate, event, circumstances, state), state };
          });
          if (!isDeepStrictEqual(outcomes[1], outcomes[0])) expect(outcomes[1]).toEqual(outcomes[0]);
        }
      }),
      { numRuns: casesOf(500) },
    );
  });

  it("never grows an expression by more than a negation", () => {
    fc.assert(
      fc.property(arbitraryChoices(), (choices) => {
        const simplifier = new Simplifier();
        const visit = <T extends Any>(before: T, after: T): T => {
          expect(expressionSize(after).nodes).toBeLessThanOrEqual(2 * expressionSize(before).nodes);
          return after;
        };
        mapAll(generateProgram(choices()).body, {
          integer: (expression) => visit(expression, simplifier.integer(expression)),
          boolean: (expression) => visit(expression, simplifier.boolean(expression)),
          verdict: (expression) => visit(expression, simplifier.verdict(expression)),
        });
      }),
    );
  });
});

function simplifyAll(original: Program): Program {
  const simplifier = new Simplifier(original);
  const body = mapAll(original.body, {
    integer: (expression) => simplifier.integer(expression),
    boolean: (expression) => simplifier.boolean(expression),
    verdict: (expression) => simplifier.verdict(expression),
  });
  return { ...original, body };
}

function mapAll(body: readonly Statement[], map: Parameters<typeof mapStatement>[1]): readonly Statement[] {
  return body.map((statement) => mapStatement(statement, map, (inner) => mapAll(inner, map)));
}

/**
 * Compares `x ∘ c` and `c ∘ x`, also under a comparison with a constant and under each extension, with the unsimplified
 * form.
 */
function checkOperator(operator: Extract<IntegerExpression, { kind: "binary" }>["operator"]): void {
  const values = boundaryValues.filter((_, index) => index % 3 === 0);
  for (const value of values) {
    const forms: IntegerExpression[] = [
      binary(operator, x, constant(value)),
      binary(operator, constant(value), x),
      binary(operator, { kind: "extend", width: 32, signed: true, value: x }, constant(value)),
      binary(operator, { kind: "extend", width: 16, signed: false, value: x }, constant(value)),
    ];
    const originals = forms.flatMap((form) => [
      form,
      { kind: "extend", width: 32, signed: true, value: form } as const,
      { kind: "extend", width: 8, signed: false, value: form } as const,
      { kind: "from-boolean", value: compare("less-signed", form, constant(value)) } as const,
      { kind: "from-boolean", value: compare("less-or-equal-unsigned", constant(value), form) } as const,
    ]);
    const report = { text: "", values: originals.map(() => ({ name: "", print: "unsigned" as const })), at: undefined };
    const judge = (reported: readonly IntegerExpression[]): Program => ({
      ...program,
      reports: [report],
      body: [
        { kind: "report", report: 0, values: reported },
        { kind: "return", verdict: { kind: "verdict", verdict: 0 } },
      ],
    });
    const before = judge(originals);
    const after = judge(originals.map((expression) => simplifyExpression(expression, program)));
    for (const argument of boundaryValues) {
      const event = {
        number: 0,
        architecture: 0xc000_003e,
        instructionPointer: 0n,
        arguments: [argument, 0n, 0n, 0n, 0n, 0n] as const,
      };
      const circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
      const expected = evaluate(before, event, circumstances, freshState(before)).reports[0]!.values;
      const got = evaluate(after, event, circumstances, freshState(after)).reports[0]!.values;
      if (got.some((result, index) => result !== expected[index])) {
        expect(got, `${operator} with ${value} on ${argument}`).toEqual(expected);
      }
    }
  }
}
