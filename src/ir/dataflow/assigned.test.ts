import { expect, test } from "vitest";
import type { Program, Statement } from "../program.ts";
import { unassignedLocals } from "./assigned.ts";

const condition = {
  kind: "compare",
  operator: "equal",
  left: { kind: "input", input: "number" },
  right: { kind: "constant", value: 1n },
} as const;
const set = (local: number): Statement => ({ kind: "set-verdict", local, value: { kind: "verdict", verdict: 1 } });
const give = (local: number): Statement => ({ kind: "return", verdict: { kind: "verdict-local", local } });
const when = (then: Statement[], otherwise: Statement[] = []): Statement => ({
  kind: "if",
  condition,
  then,
  otherwise,
});
const block = (label: number, body: Statement[]): Statement => ({ kind: "block", label, body });
const leave = (label: number): Statement => ({ kind: "leave", label });

function unassigned(...body: Statement[]): readonly number[] {
  return unassignedLocals({ locals: ["verdict", "verdict"], body } as unknown as Program);
}

test("set on every path, or ended", () => {
  expect(unassigned(set(0), give(0))).toEqual([]);
  expect(unassigned(when([set(0)], [set(0)]), give(0))).toEqual([]);
  expect(unassigned(when([set(0), give(0)]), set(0), give(0))).toEqual([]);
  expect(unassigned(block(0, [when([set(0), leave(0)]), set(0), leave(0)]), give(0))).toEqual([]);
  expect(unassigned(block(0, [block(1, [when([set(0), leave(0)]), leave(1)]), set(0)]), give(0))).toEqual([]);
});

test("unassigned on one path", () => {
  expect(unassigned(give(0))).toEqual([0]);
  expect(unassigned(when([set(0)]), give(0))).toEqual([0]);
  expect(unassigned(block(0, [when([leave(0)]), set(0), leave(0)]), give(0))).toEqual([0]);
  expect(unassigned(block(0, [set(0), block(1, [when([leave(0)]), set(1), leave(1)]), leave(0)]), give(1))).toEqual([
    1,
  ]);
  expect(
    unassigned(
      {
        kind: "switch",
        value: condition.left,
        arms: [{ intervals: [{ from: 0n, to: 1n }], body: [set(0)] }],
        otherwise: [],
      },
      give(0),
    ),
  ).toEqual([0]);
});
