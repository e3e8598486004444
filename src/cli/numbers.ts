/** Options whose value is an integer or a length of time. */

import { type DurationUnit, durationUnits } from "../abi/durations.ts";
import { diagnostic } from "../diagnostics/catalogue.ts";
import { Failure, type Invocation } from "./verb.ts";

/**
 * An option that is an integer, `least` … `most`.
 *
 * @throws Failure
 */
export function wholeNumber(invocation: Invocation, option: string, most: number, least = 0): number | undefined {
  const given = invocation.text(option);
  if (given === undefined) return undefined;
  const value = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Failure([diagnostic("P0907", `--${option} ${given} is not a number from ${least} to ${most}`)]);
}

const millisecondsOf = (unit: string): number => Number(durationUnits[unit as DurationUnit] / durationUnits.ms);

/**
 * An option that is a duration ("30s"; seconds without a unit), in milliseconds, at most 24 days.
 *
 * @throws Failure
 */
export function duration(invocation: Invocation, option: string): number | undefined {
  const given = invocation.text(option);
  if (given === undefined) return undefined;
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|min|h)?$/.exec(given);
  const value = match === null ? Number.NaN : Math.ceil(Number(match[1]) * millisecondsOf(match[2] ?? "s"));
  if (value > 0 && value < 2 ** 31) return value;
  throw new Failure([
    diagnostic("P0907", `--${option} ${given} is not a duration`, { help: "30s, 500ms, 5min, 2h; at most 24 days" }),
  ]);
}
