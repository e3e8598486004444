/** The offsets of a call's words: every target's context starts with `struct seccomp_data`. */

import { seccompData } from "../../../abi/seccomp-data.ts";
import { argumentInputs, type CallWord } from "../../../ir/inputs.ts";

export interface ContextField {
  readonly offset: number;
  readonly size: 4 | 8;
}

const { number, architecture, instructionPointer, arguments: registers } = seccompData;

export const callContext: { readonly [I in CallWord | "number"]: ContextField } = {
  number,
  instructionPointer,
  ...(Object.fromEntries(argumentInputs.map((input, index) => [input, argumentField(index)])) as Record<
    (typeof argumentInputs)[number],
    ContextField
  >),
};

export const architectureOffset = architecture.offset;

/** Every field once, in their order: the kernel lets programs load the context no other way. */
export const callFields: readonly ContextField[] = [
  number,
  architecture,
  instructionPointer,
  ...argumentInputs.map((_, index) => argumentField(index)),
];

function argumentField(index: number): ContextField {
  return { offset: registers.offset + registers.size * index, size: registers.size };
}
