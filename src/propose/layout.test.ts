/** Conditions that share a line keep their meaning. */
import { expect, it } from "vitest";
import { block, nested } from "./layout.ts";

it.each([
  ["a", ["(b || c)"], "if (a && (b || c)) return allow;"],
  ["a || b", ["c"], "if ((a || b) && c) return allow;"],
  ["a || b", ["(c || d)"], "if ((a || b) && (c || d)) return allow;"],
  ["a && b", ["c", "(d || e)"], "if (a && b && c && (d || e)) return allow;"],
  ["a", ['is(" || ")'], 'if (a && is(" || ")) return allow;'],
  ["a", ['(is(")") || b)'], 'if (a && (is(")") || b)) return allow;'],
])("a condition inside another one: %s, %j", (test, parts, line) => {
  expect(block(0, test, nested(2, parts, "return allow;"))).toEqual([line]);
});
