import { expect, it } from "vitest";
import { faults } from "../testing/compiled.ts";
import { SourceFile } from "./file.ts";
import { Reporter } from "./reporter.ts";

const file = new SourceFile("/policy.ts", "policy.ts", "const a = b;\n".repeat(200), 0);

it("has one diagnostic for each code and place", () => {
  const reporter = new Reporter();
  const at = (start: number) => ({ file, node: { start, end: start + 1 } });
  expect(reporter.report("P0105", "there is no `b`", at(10))).toBe(true);
  expect(reporter.report("P0105", "there is no `b`, in another call of the function", at(10))).toBe(false);
  expect(reporter.report("P0301", "another code", at(10))).toBe(true);
  expect(reporter.report("P0105", "another place", at(23))).toBe(true);
  expect(reporter.diagnostics.map(({ code, span }) => [code, span?.line])).toEqual([
    ["P0105", 1],
    ["P0301", 1],
    ["P0105", 2],
  ]);
});

it("has one diagnostic without a place for each message", () => {
  const reporter = new Reporter();
  for (const name of ["a", "b", "a"]) reporter.report("P0112", `the policy has no parameter "${name}"`);
  expect(reporter.diagnostics).toHaveLength(2);
});

it("ends with a hundred", () => {
  const reporter = new Reporter();
  for (let line = 0; line < 150; line++)
    reporter.report("P0105", "there is no `b`", { file, node: { start: 13 * line + 10, end: 13 * line + 11 } });
  expect(reporter.diagnostics).toHaveLength(100);
});

it("has failed only if a diagnostic is an error", () => {
  const reporter = new Reporter();
  reporter.report("P0505", "a warning");
  expect(reporter.failed).toBe(false);
  reporter.report("P0105", "an error");
  expect(reporter.failed).toBe(true);
});

it("a fault in a function is reported once, however often it is inlined or unrolled", () => {
  const head = "function f(n: bigint): boolean { return n > nothing; }";
  expect(faults("for (const x of [1n, 2n]) if (f(x) || f(x)) return log; return allow;", { head })).toEqual([
    "policy.ts:2:45 P0105 there is no `nothing` → declare it with const, or import it",
  ]);
});
