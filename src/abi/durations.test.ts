import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { durationUnitNames, isDuration, parseDuration } from "./durations.ts";

describe("durations", () => {
  it("have the units of the published type", () => {
    const declared = /export type Duration = `\$\{bigint\}\$\{(.*)\}`;/.exec(
      readFileSync("src/frontend/types/state.d.ts", "utf8"),
    )![1]!;
    expect(durationUnitNames.map((unit) => JSON.stringify(unit)).join(" | ")).toBe(declared);
  });

  it.each([
    ["0ns", 0n],
    ["50ms", 50_000_000n],
    ["2h", 7_200_000_000_000n],
    ["9223372036854775807ns", 9_223_372_036_854_775_807n],
    ["9223372036854775808ns", undefined],
    ["2562048h", undefined],
    ["00000000000000000001s", undefined],
    ["50", undefined],
    ["50 ms", undefined],
    ["-1s", undefined],
  ] as const)("%s", (text, nanoseconds) => {
    expect(parseDuration(text)).toBe(nanoseconds);
  });

  it("are recognised by their form, however long", () => {
    expect(isDuration("2562048h")).toBe(true);
    expect(isDuration("1d")).toBe(false);
  });
});
