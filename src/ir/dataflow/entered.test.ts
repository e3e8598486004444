import { describe, expect, it } from "vitest";
import type { BooleanExpression, Program, Statement } from "../program.ts";
import { room, smallProgram } from "../testing/parts.ts";
import { enteringCalls, mayEnter } from "./entered.ts";

const enter = (which: number, side: number): Statement => ({ kind: "enter", room: which, side });
const isCall = (number: bigint): BooleanExpression => ({
  kind: "compare",
  operator: "equal",
  left: { kind: "input", input: "number" },
  right: { kind: "constant", value: number },
});
const argument = (value: bigint): BooleanExpression => ({
  kind: "compare",
  operator: "equal",
  left: { kind: "input", input: "argument1" },
  right: { kind: "constant", value },
});
const when = (condition: BooleanExpression, then: readonly Statement[], otherwise: readonly Statement[] = []) =>
  ({ kind: "if", condition, then, otherwise }) as const;
const allow: Statement = { kind: "return", verdict: { kind: "verdict", verdict: 0 } };

function programOf(...body: readonly Statement[]): Program {
  return smallProgram([{ action: "deny", errno: 35 }], {
    admission: { always: [], judged: [{ from: 0n, to: 3n }] },
    rooms: [0, 1, 2, 3, 4].map(() => room),
    body: [...body, allow],
  });
}

const summary = (program: Program) =>
  enteringCalls(program).map(({ number, enters, conflicts, surplus }) => [
    number,
    enters.map(({ room: which, side }) => `${which}.${side}`).join(" "),
    conflicts.size,
    surplus.size,
  ]);

describe("enteringCalls", () => {
  it("are separate for each call", () => {
    const program = programOf(when(isCall(0n), [enter(0, 0)]), when(isCall(1n), [enter(0, 1)]));
    expect(summary(program)).toEqual([
      [0, "0.0", 0, 0],
      [1, "0.1", 0, 0],
    ]);
  });

  it("conflict where two sides can be on one path", () => {
    const program = programOf(when(isCall(2n), [when(argument(1n), [enter(0, 0)]), enter(0, 1), enter(0, 1)]));
    expect(summary(program)).toEqual([[2, "0.0 0.1 0.1", 2, 0]]);
    expect([...enteringCalls(program)[0]!.conflicts.values()]).toEqual([0, 0]);
  });

  it("do not conflict on separate paths", () => {
    const program = programOf(when(argument(1n), [enter(0, 0)], [enter(0, 1)]));
    expect(summary(program).map(([, , conflicts]) => conflicts)).toEqual([0, 0, 0, 0]);
    const left: Statement = {
      kind: "block",
      label: 0,
      body: [when(argument(1n), [enter(0, 0), { kind: "leave", label: 0 }]), enter(0, 1)],
    };
    expect(summary(programOf(when(isCall(0n), [left])))).toEqual([[0, "0.0 0.1", 0, 0]]);
    expect(summary(programOf(when(isCall(0n), [left, enter(0, 1)])))).toEqual([[0, "0.0 0.1 0.1", 1, 0]]);
  });

  it("find a fifth room on one path", () => {
    const rooms = [0, 1, 2, 3, 0].map((which) => enter(which, 0));
    expect(summary(programOf(when(isCall(0n), rooms)))).toEqual([[0, "0.0 1.0 2.0 3.0 0.0", 0, 0]]);
    expect(summary(programOf(when(isCall(0n), [...rooms, enter(4, 0)])))[0]!.at(-1)).toBe(1);
    const either = when(argument(0n), [enter(0, 0)], [enter(1, 0)]);
    expect(summary(programOf(when(isCall(0n), [either, enter(2, 0), enter(3, 0), enter(4, 0)])))[0]!.at(-1)).toBe(0);
  });
});

it("mayEnter knows arguments", () => {
  const program = programOf(when(argument(7n), [enter(0, 0)]));
  expect(mayEnter(program, 0, { argument1: 7n }, 0, 0)).toBe(true);
  expect(mayEnter(program, 0, { argument1: 8n }, 0, 0)).toBe(false);
});
