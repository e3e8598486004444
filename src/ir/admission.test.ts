import { describe, expect, it } from "vitest";
import { admit } from "./admission.ts";
import type { Program } from "./program.ts";
import { emptyLists } from "./testing/parts.ts";

const numbers = (...list: number[]) => list.map((number) => ({ from: BigInt(number), to: BigInt(number) }));
const program: Program = {
  architecture: "x86_64",
  name: "admission",
  files: [],
  admission: { always: numbers(15, 60, 219, 231), judged: [{ from: 0n, to: 14n }, ...numbers(59, 462)] },
  verdicts: [{ action: "allow", errno: 0, reason: undefined, at: undefined }],
  ...emptyLists,
  body: [{ kind: "return", verdict: { kind: "verdict", verdict: 0 } }],
};
const x86_64 = 0xc000_003e;
const aarch64 = 0xc000_00b7;
const i386 = 0x4000_0003;
const x32 = 0x4000_0000;

describe("admit on x86_64", () => {
  it.each([
    ["a judged call", 59, x86_64, "judged"],
    ["the ends of an interval", 0, x86_64, "judged"],
    ["the ends of an interval", 14, x86_64, "judged"],
    ["exit", 60, x86_64, "always"],
    ["a number without a call", 335, x86_64, "unknown"],
    ["a number past the table", 0x3fff_ffff, x86_64, "unknown"],
    ["x32, a number that is judged without the bit", x32 + 59, x86_64, "foreign"],
    ["x32, always", x32 + 60, x86_64, "foreign"],
    ["a tracer's skip, signed", -1, x86_64, "unknown"],
    ["a tracer's skip, unsigned", 0xffff_ffff, x86_64, "unknown"],
    ["another negative number has the x32 bit or is unknown", -2, x86_64, "foreign"],
    ["a negative number without the x32 bit", -0x7fff_ffff - 1, x86_64, "unknown"],
    ["i386", 59, i386, "foreign"],
    ["i386's exit", 60, i386, "foreign"],
    ["arm64", 59, aarch64, "foreign"],
    ["the architecture as signed 32 bits", 59, x86_64 | 0, "judged"],
  ] as const)("%s: %d", (_, number, architecture, outcome) => {
    expect(admit(program, { number, architecture })).toBe(outcome);
  });
});

it("has no x32 on aarch64", () => {
  const arm: Program = { ...program, architecture: "aarch64" };
  expect(admit(arm, { number: x32 + 59, architecture: aarch64 })).toBe("unknown");
  expect(admit(arm, { number: 59, architecture: aarch64 })).toBe("judged");
  expect(admit(arm, { number: 59, architecture: x86_64 })).toBe("foreign");
});
