/** The value of an argument in a case file: a register, and the memory behind it. */

import { fitsWord } from "../../abi/word.ts";
import type { GivenMemory } from "../../engines/simulate/given-memory.ts";
import type { ArgumentFault } from "./argument.ts";
import { readNumber } from "./numbers.ts";

export interface PassedArgument {
  /** The number of its register. */
  readonly index: number;
  readonly register: bigint;
  readonly memory?: { readonly name: string; readonly given: GivenMemory } | undefined;
}

/** `raw.arg0` … `raw.arg5`, as a policy names them. */
export function rawRegister(text: string, member: string, valueAt: number): PassedArgument | ArgumentFault {
  const index = /^arg([0-5])$/.exec(member)?.[1];
  if (index === undefined) {
    return {
      fault: `there is no register \`raw.${member}\``,
      help: "raw.arg0 to raw.arg5",
      offset: 0,
      length: text.length,
    };
  }
  const value = readNumber(text.slice(valueAt));
  if (value === undefined || !fitsWord(value)) {
    const length = Math.max(1, text.length - valueAt);
    return { fault: "a register is a 64-bit number", help: `raw.${member}=0x100000002`, offset: valueAt, length };
  }
  return { index: Number(index), register: BigInt.asUintN(64, value) };
}
