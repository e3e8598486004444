/**
 * Prints registers for a trace's lines from their two halves: a number below 2^32 as a number, a larger one as a
 * hexadecimal text. The addon prints those of calls (native/addon/record/lines.c) in the same way.
 */

export function registerText(low: number, high: number): string {
  if (high === 0) return String(low);
  return `"0x${high.toString(16)}${low.toString(16).padStart(8, "0")}"`;
}

/** Prints the result of a call: results from −2^31 on, errors among them, as numbers. */
export function resultText(low: number, high: number): string {
  if (high === 0xffff_ffff && low >= 0x8000_0000) return String(low | 0);
  return registerText(low, high);
}
