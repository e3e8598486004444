/** Constants that are in no set of names (flags.ts), decoded on demand. */
import { constantTable } from "./generated/constants.ts";

let constants: ReadonlyMap<string, bigint> | undefined;

/** The value of a constant that is in no set, because what it means depends on another argument (SO_REUSEADDR). */
export function loneConstant(name: string): bigint | undefined {
  constants ??= new Map(
    constantTable
      .trim()
      .split("\n")
      .map((line) => {
        const [key = "", digits = ""] = line.split(" ");
        const isNegative = digits.startsWith("-");
        const value = BigInt(`0x${isNegative ? digits.slice(1) : digits}`);
        return [key, isNegative ? -value : value];
      }),
  );
  return constants.get(name);
}
