/** Runs rules that precede a policy's filter (window-rules.ts, own-calls.ts). */

import { auditArchitecture } from "../../../../abi/architecture.ts";
import { numberOf } from "../../../../abi/calls.ts";
import { returnWord } from "../../../../abi/return-word.ts";
import type { ClassicInstruction } from "../../../../backend/classic/instruction.ts";
import { checkClassic, runClassic } from "../../../../backend/classic/interpreter.ts";

/** The word of the filter behind the rules; no rule returns it. */
const passed = returnWord("TRAP", 0x3412);

/** True if the rules return for this call, with x86-64's number; false if they continue exactly behind their end. */
export function returns(
  rules: readonly ClassicInstruction[],
  call: string,
  registers: readonly (number | bigint)[],
  architecture: number = auditArchitecture.x86_64,
): boolean {
  const filter = [...rules, { code: 0x06, jt: 0, jf: 0, k: passed }];
  checkClassic(filter);
  const { word } = runClassic(filter, {
    number: numberOf(call, "x86_64")!,
    architecture,
    instructionPointer: 0n,
    arguments: registers.map(BigInt),
  });
  return word !== passed;
}
