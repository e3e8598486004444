/** Converts the reports of a simulated judgement to their text form. */
import { printLocation } from "../../events/describe.ts";
import type { Program } from "../../ir/program.ts";
import type { SimulatedReport } from "./model.ts";
import { isKnown } from "./unknown/known-bits.ts";
import type { PossibleReport } from "./unknown/possible-state.ts";

/** Reports with their texts and the names of their values. */
export function describeReports(program: Program, made: readonly PossibleReport[]): SimulatedReport[] {
  return made.map(({ report, values }) => {
    const { text, values: declared, at } = program.reports[report]!;
    const printed = declared.map(({ name, print }, index) => {
      const bits = values[index];
      if (bits === undefined || !isKnown(bits)) return [name, undefined] as const;
      if (print === "boolean") return [name, bits.value !== 0n] as const;
      return [name, print === "signed" ? BigInt.asIntN(64, bits.value) : bits.value] as const;
    });
    return {
      text,
      values: Object.fromEntries(printed),
      rule: at === undefined ? undefined : printLocation(program.files, at),
    };
  });
}
