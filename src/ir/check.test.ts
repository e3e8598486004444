import { describe, expect, it } from "vitest";
import { checkProgram } from "./check.ts";
import { maximumCapacity, maximumDepth, maximumNodes, maximumScopeBytes } from "./limits.ts";
import {
  type BooleanExpression,
  type Cell,
  type IntegerExpression,
  noDeclarations,
  type Program,
  type Statement,
  type Table,
} from "./program.ts";
import { programSize } from "./size.ts";
import { room } from "./testing/parts.ts";

const zero: IntegerExpression = { kind: "constant", value: 0n };
const truth: BooleanExpression = { kind: "boolean", value: true };
const allow: Statement = { kind: "return", verdict: { kind: "verdict", verdict: 0 } };
const cell: Cell = { name: "c", scope: "process", kind: { is: "flag" }, initial: 0n, onFork: "copy", at: undefined };
const table: Table = {
  name: "t",
  scope: "process",
  capacity: 4,
  full: 1,
  onFork: "copy",
  holdsValues: false,
  at: undefined,
};
const good: Program = {
  architecture: "x86_64",
  name: "good",
  files: ["good.ts"],
  admission: { always: [{ from: 60n, to: 60n }], judged: [{ from: 0n, to: 59n }] },
  verdicts: [
    { action: "allow", errno: 0, reason: undefined, at: undefined },
    { action: "deny", errno: 1, reason: undefined, at: { file: 0, line: 1, column: 1, length: 1 } },
  ],
  ...noDeclarations,
  cells: [cell],
  tables: [table],
  reports: [{ text: "", values: [{ name: "v", print: "signed" }], at: undefined }],
  locals: ["integer", "boolean", "verdict"],
  body: [allow],
};
const withBody = (...body: Statement[]): Program => ({ ...good, body });
const withValue = (value: IntegerExpression) => withBody({ kind: "set-integer", local: 0, value }, allow);
const withCondition = (value: BooleanExpression) => withBody({ kind: "set-boolean", local: 1, value }, allow);

describe("checkProgram", () => {
  it("accepts a well-formed program", () => {
    expect(checkProgram(good)).toEqual([]);
  });

  it.each<[string, Program, RegExp]>([
    ["no return", withBody(), /no return/],
    [
      "a branch without a return",
      withBody({ kind: "if", condition: truth, then: [allow], otherwise: [] }),
      /no return/,
    ],
    [
      "a block that is left before its return",
      withBody({
        kind: "block",
        label: 0,
        body: [{ kind: "if", condition: truth, then: [{ kind: "leave", label: 0 }], otherwise: [] }, allow],
      }),
      /no return/,
    ],
    [
      "a switch whose else arm does not return",
      withBody({ kind: "switch", value: zero, arms: [], otherwise: [] }),
      /no return/,
    ],
    ["leave outside of its block", withBody({ kind: "leave", label: 3 }), /leave 3/],
    ["leave after its block", withBody({ kind: "block", label: 3, body: [] }, { kind: "leave", label: 3 }), /leave 3/],
    [
      "a duplicate label",
      withBody({ kind: "block", label: 1, body: [] }, { kind: "block", label: 1, body: [] }, allow),
      /label 1/,
    ],
    ["a local of another type", withValue({ kind: "local", local: 1 }), /local 1 is of type boolean/],
    [
      "an assignment to a local of another type",
      withBody({ kind: "set-boolean", local: 0, value: truth }, allow),
      /local 0/,
    ],
    ["an undeclared local", withValue({ kind: "local", local: 9 }), /no local 9/],
    ["a boolean as an integer", withValue(truth as unknown as IntegerExpression), /boolean where/],
    [
      "an integer in a not",
      withCondition({ kind: "not", value: zero as unknown as BooleanExpression }),
      /constant where/,
    ],
    ["an undeclared cell", withValue({ kind: "cell", cell: 1 }), /no cell 1/],
    ["an undeclared table", withCondition({ kind: "table-has", table: 1, key: zero }), /no table 1/],
    ["a read of a set's values", withValue({ kind: "table-get", table: 0, key: zero, otherwise: zero }), /is a set/],
    ["an undeclared verdict", withBody({ kind: "return", verdict: { kind: "verdict", verdict: 2 } }), /no verdict 2/],
    ["strictest without operands", withBody({ kind: "return", verdict: { kind: "strictest", of: [] } }), /no operands/],
    ["a negative constant", withValue({ kind: "constant", value: -1n }), /not a 64-bit pattern/],
    ["a constant of 65 bits", withValue({ kind: "constant", value: 2n ** 64n }), /not a 64-bit pattern/],
    [
      "intervals out of order",
      withCondition({
        kind: "within",
        value: zero,
        intervals: [
          { from: 5n, to: 6n },
          { from: 1n, to: 2n },
        ],
      }),
      /within/,
    ],
    [
      "adjacent intervals",
      withCondition({
        kind: "within",
        value: zero,
        intervals: [
          { from: 1n, to: 2n },
          { from: 3n, to: 4n },
        ],
      }),
      /within/,
    ],
    [
      "a switch with an empty interval",
      withBody(
        { kind: "switch", value: zero, arms: [{ intervals: [{ from: 2n, to: 1n }], body: [] }], otherwise: [] },
        allow,
      ),
      /switch/,
    ],
    ["a report with too few values", withBody({ kind: "report", report: 0, values: [] }, allow), /has 1 values/],
    [
      "a flag that holds 2",
      withBody({ kind: "store", cell: 0, value: { kind: "constant", value: 2n } }, allow),
      /cannot hold 2/,
    ],
    ["an error after a return", withBody(allow, { kind: "leave", label: 8 }), /leave 8/],
    [
      "an undeclared side",
      { ...withBody({ kind: "enter", room: 0, side: 2 }, allow), rooms: [room] },
      /side of room r 2/,
    ],
    ["an undeclared room", withBody({ kind: "enter", room: 0, side: 0 }, allow), /no room 0/],
    ["a late call that passes", { ...good, rooms: [{ ...room, late: 0 }] }, /when late/],
    ["a room without a side", { ...good, rooms: [{ ...room, sides: [] }] }, /0 sides/],
    ["a side twice", { ...good, rooms: [{ ...room, sides: ["a", "a"] }] }, /one name/],
    ["an exclusive side that it lacks", { ...good, rooms: [{ ...room, exclusive: 4 }] }, /exclusive sides 4/],
    ["a timeout that is too short", { ...good, rooms: [{ ...room, timeout: 1n }] }, /timeout of 1 ns/],
    ["a full table that allows", { ...good, tables: [{ ...table, full: 0 }] }, /when full/],
    ["a table of capacity 0", { ...good, tables: [{ ...table, capacity: 0 }] }, /capacity 0/],
    [
      "a tree's table too large",
      { ...good, tables: [{ ...table, scope: "tree", onFork: "fresh", capacity: 65_537 }] },
      /capacity/,
    ],
    ["a process's table too large", { ...good, tables: [{ ...table, capacity: 512 }] }, /process state takes/],
    ["a tree cell that is copied at fork", { ...good, cells: [{ ...cell, scope: "tree" }] }, /must start fresh/],
    ["a flag that starts as 2", { ...good, cells: [{ ...cell, initial: 2n }] }, /cannot start as 2/],
    ["a flag with a fork map", { ...good, cells: [{ ...cell, onFork: { map: [0, 1] } }] }, /no phases/],
    [
      "a map with too few phases",
      { ...good, cells: [{ ...cell, kind: { is: "phases", names: ["a", "b"] }, onFork: { map: [0] } }] },
      /does not map each/,
    ],
    [
      "a map to an undeclared phase",
      { ...good, cells: [{ ...cell, kind: { is: "phases", names: ["a"] }, onFork: { map: [1] } }] },
      /undeclared phase/,
    ],
    ["a negative errno", { ...good, verdicts: [good.verdicts[0]!, { ...good.verdicts[1]!, errno: -1 }] }, /errno -1/],
    [
      "an errno of an allow",
      { ...good, verdicts: [{ ...good.verdicts[0]!, errno: 1 }, good.verdicts[1]!] },
      /errno 1 with allow/,
    ],
    [
      "an errno out of range",
      { ...good, verdicts: [good.verdicts[0]!, { ...good.verdicts[1]!, errno: 4096 }] },
      /errno 4096/,
    ],
    ["a first verdict that is not allow", { ...good, verdicts: [good.verdicts[1]!, good.verdicts[1]!] }, /verdict 0/],
    ["a location in an undeclared file", { ...good, files: [] }, /invalid location/],
    [
      "a number that is both always and judged",
      { ...good, admission: { always: [{ from: 5n, to: 5n }], judged: [{ from: 0n, to: 9n }] } },
      /together/,
    ],
  ])("%s", (_, program, error) => {
    expect(checkProgram(program).join("\n")).toMatch(error);
  });

  it("bounds depth and size, in time and stack, and counts shared expressions as often as they are used", () => {
    let deep: BooleanExpression = truth;
    for (let level = 0; level < maximumDepth + 1; level++) deep = { kind: "not", value: deep };
    expect(checkProgram(withCondition(deep)).join()).toMatch(/nested/);

    let shared: IntegerExpression = { kind: "input", input: "argument0" };
    for (let level = 0; level < 100; level++) shared = { kind: "binary", operator: "add", left: shared, right: shared };
    expect(programSize(withValue(shared)).nodes).toBeGreaterThan(maximumNodes);
    expect(checkProgram(withValue(shared)).join()).toMatch(/nodes/);
  });

  it("a table of the maximum capacity fits as the only state", () => {
    for (const holdsValues of [true, false]) {
      const capacity = maximumCapacity("process", holdsValues);
      expect(
        checkProgram({ ...good, cells: [], body: [allow], tables: [{ ...table, holdsValues, capacity }] }),
      ).toEqual([]);
      const larger = { ...table, holdsValues, capacity: capacity + 1 };
      expect(checkProgram({ ...good, cells: [], tables: [larger] }).join()).toContain(`${maximumScopeBytes.process}`);
    }
  });
});
