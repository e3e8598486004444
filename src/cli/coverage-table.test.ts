import { expect, it } from "vitest";
import type { Coverage, FileCoverage } from "../cases/coverage.ts";
import { coverageLines, printCoverage } from "./coverage-table.ts";

const source = `if (call.name === "read")
  return deny("EPERM", "why");
if (${"a".repeat(50)} &&
    ${"b".repeat(50)})
  count.add();
`;
const at = (line: number, column: number, length: number, count: number) => ({
  file: "p.ts",
  line,
  column,
  length,
  count,
});

const file: FileCoverage = {
  file: "p.ts",
  rules: [
    { ...at(2, 3, 27, 0), verdict: "deny EPERM", reason: "why" },
    { ...at(9, 1, 6, 4), verdict: "allow", reason: undefined },
  ],
  statements: [
    { ...at(5, 3, 11, 0), hasEffect: true },
    { ...at(5, 3, 11, 0), hasEffect: false },
  ],
  arms: [
    { ...at(1, 5, 20, 0), of: "if", arm: 0, isLast: false, isBare: true },
    { ...at(1, 5, 20, 4), of: "if", arm: 1, isLast: true, isBare: true },
    { ...at(3, 5, 108, 4), of: "if", arm: 0, isLast: false, isBare: true },
    { ...at(3, 5, 108, 0), of: "if", arm: 1, isLast: true, isBare: true },
  ],
  lines: [
    { line: 2, count: 0 },
    { line: 9, count: 4 },
  ],
};
const phase = { phases: "phase", file: "p.ts", line: 7, column: 1 };
const coverage = {
  files: [file],
  phases: [
    { ...phase, phase: "starting", isEntered: true, calls: new Map([["allow", 4]]) },
    { ...phase, phase: "serving", isEntered: false, calls: new Map() },
  ],
  calls: new Map([["allow", 4]]),
} satisfies Pick<Coverage, "files" | "phases" | "calls"> as unknown as Coverage;

it("the table has the shares, the calls of each verdict and phase, and each place that no case reaches", () => {
  expect(printCoverage(coverage, new Map([["p.ts", source]]))).toBe(`\
file   rules   lines  branches
p.ts  1 of 2  1 of 2    2 of 4

verdict      rules  calls
allow       1 of 1      4
deny EPERM  0 of 1      0

phase     entered  allow
starting      yes      4
serving        no      0

not reached:
  p.ts:1:5: call.name === "read" is never true
  p.ts:2:3: deny EPERM "why"
  p.ts:3:5: ${"a".repeat(40)} … ${"b".repeat(40)} is never false
  p.ts:5:3: count.add()
  p.ts:7:1: no process enters the phase serving
`);
});

it("without anything to count it is empty", () => {
  const none = { files: [], phases: [], calls: new Map() } as unknown as Coverage;
  expect([printCoverage(none, new Map()), coverageLines(none)]).toEqual(["", []]);
});

it("the lines for programs have the same counts", () => {
  expect(coverageLines(coverage)).toMatchObject([
    { of: "file", file: "p.ts", effects: [{ line: 5, count: 0 }], branches: [{ count: 0 }, {}, {}, {}] },
    { of: "phase", phase: "starting", entered: true, calls: { allow: 4 } },
    { of: "phase", phase: "serving", entered: false, calls: {} },
    { of: "verdict", verdict: "allow", rules: 1, reached: 1, calls: 4 },
    { of: "verdict", verdict: "deny EPERM", rules: 1, reached: 0, calls: 0 },
  ]);
});
