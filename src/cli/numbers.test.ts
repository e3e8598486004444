import { expect, it } from "vitest";
import { duration, wholeNumber } from "./numbers.ts";
import { Failure, type Invocation } from "./verb.ts";

const given = (value: string | undefined): Invocation => ({
  text: () => value,
  texts: () => (value === undefined ? [] : [value]),
  has: () => value !== undefined,
  words: [],
});

/** The value, or the message and its help. */
function read(of: () => number | undefined): unknown {
  try {
    return of();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const [{ code, message, help }] = error.diagnostics as [Failure["diagnostics"][number]];
    return [code, message, ...(help === undefined ? [] : [help])];
  }
}

const refused = (value: string): unknown => [
  "P0907",
  `--timeout ${value} is not a duration`,
  "30s, 500ms, 5min, 2h; at most 24 days",
];

it.each<readonly [string | undefined, unknown]>([
  [undefined, undefined],
  ["30", 30_000],
  ["30s", 30_000],
  ["500ms", 500],
  ["1.5min", 90_000],
  ["2h", 7_200_000],
  ["0.0001", 1], // rounded up, so that it is not 0
  ["596.5h", 2_147_400_000],
  ...["0", "0ms", "597h", "-1s", "1 s", "s", "1d", "1e3", "٣s", ""].map((value) => [value, refused(value)] as const),
])("a duration: %s", (value, expected) => {
  expect(read(() => duration(given(value), "timeout"))).toEqual(expected);
});

it.each<readonly [string | undefined, unknown]>([
  [undefined, undefined],
  ["1", 1],
  ["0042", 42],
  ["1000", 1000],
  ...["0", "1001", "-1", "1.0", "0x10", " 1", "", "99999999999999999999"].map(
    (value) => [value, ["P0907", `--run ${value} is not a number from 1 to 1000`]] as const,
  ),
])("a number: %s", (value, expected) => {
  expect(read(() => wholeNumber(given(value), "run", 1000, 1))).toEqual(expected);
});
