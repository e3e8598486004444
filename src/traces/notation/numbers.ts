/** Integers as a person, C and strace write them. */

/** `4`, `-1`, `0x1_0000_0002`, and octal as C and strace write it: `0644`. */
export function readNumber(text: string): bigint | undefined {
  if (text.length > 40) return undefined;
  const match = /^(-?)(0x[0-9a-f]+(?:_[0-9a-f]+)*|0o?[0-7]+|\d+(?:_\d+)*)n?$/i.exec(text);
  if (match === null) return undefined;
  const digits = match[2]!.replaceAll("_", "");
  const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits}`) : BigInt(digits);
  return match[1] === "-" ? -value : value;
}
