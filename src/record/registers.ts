/**
 * Prints registers for a trace's lines from their two halves: a number below 2^32 as a number, a larger one as a
 * hexadecimal text. A recording prints some millions of them a second, so this file uses no bigints and caches repeated
 * texts, such as addresses of code and buffers, in a table.
 */

const slots = 1 << 13;
const highs = new Uint32Array(slots);
const lows = new Uint32Array(slots);
const texts: string[] = new Array(slots).fill("0");

export function registerText(low: number, high: number): string {
  if (high === 0) return String(low);
  const slot = (low ^ (low >>> 13) ^ (high << 5)) & (slots - 1);
  if (lows[slot] === low && highs[slot] === high) return texts[slot]!;
  const text = `"0x${high.toString(16)}${low.toString(16).padStart(8, "0")}"`;
  lows[slot] = low;
  highs[slot] = high;
  texts[slot] = text;
  return text;
}

/** Prints the result of a call: results from −2^31 on, errors among them, as numbers. */
export function resultText(low: number, high: number): string {
  if (high === 0xffff_ffff && low >= 0x8000_0000) return String(low | 0);
  return registerText(low, high);
}
