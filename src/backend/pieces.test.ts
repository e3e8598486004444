import { describe, expect, it } from "vitest";
import { normalisePieces, overlayPieces } from "./pieces.ts";

describe("normalisePieces", () => {
  it("narrows pieces to values that occur, and drops those without any", () => {
    const pieces = [
      { from: 0n, to: 0x0fn, target: "a" },
      { from: 0x10n, to: 0x1fn, target: "b" },
      { from: 0x20n, to: 0x7fn, target: "c" },
      { from: 0x80n, to: 0xffn, target: "d" },
    ];
    expect(normalisePieces(pieces, 0x60n)).toEqual([
      { from: 0n, to: 0n, target: "a" },
      { from: 0x20n, to: 0x60n, target: "c" },
    ]);
  });

  it("joins neighbours when the piece between them is dropped", () => {
    const pieces = [
      { from: 0n, to: 0x10n, target: "a" },
      { from: 0x11n, to: 0x1fn, target: "b" },
      { from: 0x20n, to: 0xffn, target: "a" },
    ];
    expect(normalisePieces(pieces, 0xf0n)).toEqual([{ from: 0n, to: 0xf0n, target: "a" }]);
  });
});

describe("overlayPieces", () => {
  const inside = [
    { from: 0n, to: 9n, target: "i" },
    { from: 10n, to: 99n, target: "j" },
  ];
  const outside = () => [
    { from: 0n, to: 49n, target: "o" },
    { from: 50n, to: 99n, target: "p" },
  ];

  it("takes each part of the line from the right list", () => {
    const base = outside();
    const intervals = [
      { from: 5n, to: 20n },
      { from: 60n, to: 99n },
    ];
    overlayPieces(base, intervals, inside);
    expect(base).toEqual([
      { from: 0n, to: 4n, target: "o" },
      { from: 5n, to: 9n, target: "i" },
      { from: 10n, to: 20n, target: "j" },
      { from: 21n, to: 49n, target: "o" },
      { from: 50n, to: 59n, target: "p" },
      { from: 60n, to: 99n, target: "j" },
    ]);
  });

  it("replaces across boundaries, and all of the line", () => {
    const base = outside();
    overlayPieces(base, [{ from: 40n, to: 60n }], inside);
    expect(base).toEqual([
      { from: 0n, to: 39n, target: "o" },
      { from: 40n, to: 60n, target: "j" },
      { from: 61n, to: 99n, target: "p" },
    ]);
    overlayPieces(base, [{ from: 0n, to: 99n }], inside);
    expect(base).toEqual(inside);
  });
});
