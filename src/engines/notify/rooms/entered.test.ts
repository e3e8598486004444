import { expect, it } from "vitest";
import { maximumEnteredRooms, maximumRooms, maximumSides } from "../../../ir/limits.ts";
import { packEntered, unpackEntered } from "./entered.ts";

it("preserves all rooms that an evaluation can enter, in their order", () => {
  const last = { room: maximumRooms - 1, side: maximumSides - 1 };
  for (const entered of [
    [],
    [{ room: 0, side: 0 }],
    [last],
    Array.from({ length: maximumEnteredRooms }, (_, room) => ({ room, side: 3 - room })),
    Array.from({ length: maximumEnteredRooms }, () => last),
  ]) {
    const packed = packEntered(entered);
    expect(packed).toBeLessThan(1n << 64n);
    expect(unpackEntered(packed)).toEqual(entered);
  }
});

it("is 0 only without rooms", () => {
  expect(packEntered([])).toBe(0n);
  expect(packEntered([{ room: 0, side: 0 }])).not.toBe(0n);
});
