import { describe, expect, it } from "vitest";
import { type RoomRequest, type RoomRule, RoomTable } from "./table.ts";

const plain: RoomRule = { exclusive: 0, timeout: 100n };
const at = (side: number, room = 0, owner: unknown = 1): RoomRequest => ({ room, side, owner });
const admitted = (call: string) => ({ is: "admitted", call });
const late = (call: string, room = 0) => ({ is: "late", call, room });

describe("one room", () => {
  it("admits calls of one side together, and another side when all have left", () => {
    const table = new RoomTable<string>([plain]);
    expect(table.enter("a", [at(0)], 0n)).toEqual([admitted("a")]);
    expect(table.enter("b", [at(0)], 0n)).toEqual([admitted("b")]);
    expect(table.enter("c", [at(1)], 0n)).toEqual([]);
    expect(table.waitOf("c")).toEqual({ room: 0, behind: ["a", "b"] });
    expect(table.leave("a", 1n)).toEqual([]);
    expect(table.leave("b", 2n)).toEqual([admitted("c")]);
    expect(table.stateOf("c")).toBe("holds");
  });

  it("does not let a call of the active side overtake a waiter", () => {
    const table = new RoomTable<string>([plain]);
    table.enter("a", [at(0)], 0n);
    table.enter("b", [at(1)], 0n);
    expect(table.enter("c", [at(0)], 0n)).toEqual([]);
    expect(table.leave("a", 0n)).toEqual([admitted("b")]);
    expect(table.leave("b", 0n)).toEqual([admitted("c")]);
  });

  it("admits one call of an exclusive side at a time", () => {
    const table = new RoomTable<string>([{ ...plain, exclusive: 0b10 }]);
    table.enter("a", [at(1)], 0n);
    expect(table.enter("b", [at(1)], 0n)).toEqual([]);
    expect(table.leave("a", 0n)).toEqual([admitted("b")]);
  });

  it("is of its owner", () => {
    const table = new RoomTable<string>([plain]);
    table.enter("a", [at(0, 0, 1)], 0n);
    expect(table.enter("b", [at(1, 0, 2)], 0n)).toEqual([admitted("b")]);
  });

  it("has 32 sides", () => {
    const table = new RoomTable<string>([{ ...plain, exclusive: 0x8000_0000 }]);
    table.enter("a", [at(31)], 0n);
    expect(table.enter("b", [at(31)], 0n)).toEqual([]);
  });
});

describe("an end of a wait", () => {
  it("is the timeout, and lets those behind it join the holders", () => {
    const table = new RoomTable<string>([plain]);
    table.enter("a", [at(0)], 0n);
    table.enter("b", [at(1)], 10n);
    table.enter("c", [at(0)], 20n);
    expect(table.deadline).toBe(110n);
    expect(table.expire(109n)).toEqual([]);
    expect(table.expire(110n)).toEqual([late("b"), admitted("c")]);
    expect(table.deadline).toBeUndefined();
    expect(table.stateOf("b")).toBeUndefined();
  });

  it("is the timeout where the holder leaves later", () => {
    const table = new RoomTable<string>([plain]);
    table.enter("a", [at(0)], 0n);
    table.enter("b", [at(1)], 0n);
    expect(table.leave("a", 100n)).toEqual([late("b")]);
    expect(table.isEmpty).toBe(true);
  });

  it("comes for all whose time has come before others are admitted", () => {
    const table = new RoomTable<string>([plain]);
    for (const call of ["a", "b", "c"]) table.enter(call, [at(call === "a" ? 0 : 1)], 0n);
    table.enter("d", [at(0)], 50n);
    expect(table.expire(100n)).toEqual([late("b"), late("c"), admitted("d")]);
  });

  it("is an interrupt or a death, of the waiter or of the holder", () => {
    const table = new RoomTable<string>([plain]);
    table.enter("a", [at(0)], 0n);
    table.enter("b", [at(1)], 0n);
    table.enter("c", [at(0)], 0n);
    expect(table.leave("b", 0n)).toEqual([admitted("c")]);
    expect(table.leave("a", 0n)).toEqual([]);
    expect(table.leave("c", 0n)).toEqual([]);
    expect(table.leave("c", 0n)).toEqual([]);
    expect(table.isEmpty).toBe(true);
  });
});

describe("several rooms", () => {
  const rules = [plain, { ...plain, timeout: 50n }];

  it("are taken in ascending order, and held during the wait for the next", () => {
    const table = new RoomTable<string>(rules);
    table.enter("a", [at(0, 1)], 0n);
    expect(table.enter("b", [at(1, 1), at(0, 0)], 0n)).toEqual([]);
    expect(table.waitOf("b")?.room).toBe(1);
    expect(table.enter("c", [at(1, 0)], 0n)).toEqual([]);
    expect(table.waitOf("c")).toEqual({ room: 0, behind: ["b"] });
    expect(table.leave("a", 1n)).toEqual([admitted("b")]);
    expect(table.leave("b", 2n)).toEqual([admitted("c")]);
  });

  it("are released where the wait for a later one ends", () => {
    const table = new RoomTable<string>(rules);
    table.enter("a", [at(0, 1)], 0n);
    table.enter("b", [at(0, 0), at(1, 1)], 10n);
    table.enter("c", [at(1, 0)], 20n);
    expect(table.expire(60n)).toEqual([late("b", 1), admitted("c")]);
  });

  it("have a time of their own", () => {
    const table = new RoomTable<string>(rules);
    table.enter("a", [at(0, 0)], 0n);
    table.enter("b", [at(0, 1)], 0n);
    table.enter("c", [at(1, 0), at(1, 1)], 0n);
    expect(table.deadline).toBe(100n);
    table.leave("a", 90n);
    expect(table.deadline).toBe(140n);
    expect(table.leave("b", 139n)).toEqual([admitted("c")]);
  });
});

it("refuses a call that it has", () => {
  const table = new RoomTable<string>([plain]);
  table.enter("a", [at(0)], 0n);
  expect(() => table.enter("a", [at(0)], 0n)).toThrow("in the table already");
});
