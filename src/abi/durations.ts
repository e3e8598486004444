/** Durations as texts, "50ms": their units and their value, for the language, case files and the command line. */
import { maximumSigned } from "./word.ts";

/** Nanoseconds. `Duration` of types/state.d.ts names the same units. */
export const durationUnits = {
  ns: 1n,
  us: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  min: 60_000_000_000n,
  h: 3_600_000_000_000n,
} as const;

export type DurationUnit = keyof typeof durationUnits;

export const durationUnitNames = Object.keys(durationUnits) as DurationUnit[];

export const durationForm = `a number and a unit: "50ms", "1s", "10min" (${durationUnitNames.join(", ")})`;

const form = new RegExp(`^(\\d+)(${durationUnitNames.join("|")})$`);

/** Whether the text is a number and a unit, however large. */
export function isDuration(text: string): boolean {
  return form.test(text);
}

/** "30s" in nanoseconds; undefined for other texts, and for more than 2^63 − 1 ns (292 years). */
export function parseDuration(text: string): bigint | undefined {
  const [, digits, unit] = form.exec(text) ?? [];
  if (digits === undefined || digits.length > 19) return undefined;
  const nanoseconds = BigInt(digits) * durationUnits[unit as DurationUnit];
  return nanoseconds <= maximumSigned ? nanoseconds : undefined;
}
