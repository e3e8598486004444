import fc from "fast-check";
import { expect } from "vitest";
import { property } from "../../../ir/testing/property.ts";
import { SourceFile } from "../../source/file.ts";
import { Reporter } from "../../source/reporter.ts";
import { DecidedComparisons, type Outcome } from "./decided-comparisons.ts";

const file = new SourceFile("/policy.ts", "policy.ts", "a < b; c < d;", 0);
const nodes = [
  { start: 0, end: 5 },
  { start: 7, end: 12 },
];
const outcome = fc.constantFrom<Outcome>("always", "never", "open");

property([fc.array(fc.tuple(fc.constantFrom(0, 1), outcome), { maxLength: 6 })])(
  "a comparison is reported if all walks decide it alike",
  (walks) => {
    const comparisons = new DecidedComparisons();
    for (const [index, one] of walks) comparisons.note(file, nodes[index]!, one, () => ({ message: `of ${index}` }));
    const reporter = new Reporter();
    comparisons.report(reporter);
    const expected = [0, 1].flatMap((index) => {
      const outcomes = new Set(walks.filter(([of]) => of === index).map(([, one]) => one));
      const [only, ...others] = outcomes;
      return only === undefined || others.length > 0 || only === "open" ? [] : [`${only} true: of ${index}`];
    });
    expect(reporter.diagnostics.map(({ message }) => message).sort()).toEqual(expected.sort());
  },
);
