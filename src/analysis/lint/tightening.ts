/**
 * P0402: the proof of `tightening: true`: no call, for any arguments and any other state, is judged more leniently in a
 * later phase.
 *
 * The proof splits a product program: the policy twice in sequence, with the phases' cell at one phase and then at the
 * next, on the same arguments and other state, and a comparison of the two strictnesses. The split shows for which calls
 * the comparison can fail. Consecutive phases suffice, because strictness is an order. An undecided call counts as broken,
 * so a promise that holds is proved.
 */

import { callByNumber } from "../../abi/calls.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Location } from "../../ir/location.ts";
import { spanOf } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { strictness, verdictText } from "../../ir/verdicts.ts";
import type { DecisionLeaf } from "../decision.ts";
import { leavesOf } from "../explain/paths.ts";
import { splitPolicy } from "../split/split.ts";
import { productProgram } from "./product.ts";

/** From `loadPolicy`. */
export interface TighteningPromise {
  /** The cell of the phases. */
  readonly cell: number;
  readonly at: Location;
}

export function proveTightening(program: Program, promise: TighteningPromise): Diagnostic[] {
  const { kind } = program.cells[promise.cell]!;
  if (kind.is !== "phases") return [];
  for (let phase = 0; phase + 1 < kind.names.length; phase++) {
    const product = productProgram(program, promise.cell);
    const known = new Map([
      [product.earlier, BigInt(phase)],
      [product.later, BigInt(phase + 1)],
    ]);
    const split = splitPolicy(product.program, { superviseProcessCreation: false, cells: known });
    for (const [number, decision] of split) {
      const broken = leavesOf(decision).some((leaf) => leaf.possible.includes(product.broken));
      if (broken) return [brokenPromise(program, promise, number, phase, kind.names)];
    }
  }
  return [];
}

function brokenPromise(
  program: Program,
  { cell, at }: TighteningPromise,
  number: number,
  phase: number,
  names: readonly string[],
): Diagnostic {
  const value = BigInt(number);
  const one: Program = { ...program, admission: { always: [], judged: [{ from: value, to: value }] } };
  const leavesIn = (word: number): DecisionLeaf[] =>
    leavesOf(
      splitPolicy(one, { superviseProcessCreation: false, cells: new Map([[cell, BigInt(word)]]) }).get(number)!,
    );
  const rank = (verdict: number) => strictness[program.verdicts[verdict]!.action];
  const possible = (leaves: readonly DecisionLeaf[]) =>
    [...new Set(leaves.flatMap((leaf) => leaf.possible))].sort((a, b) => rank(a) - rank(b));
  const strict = possible(leavesIn(phase)).at(-1)!;
  const lenient = possible(leavesIn(phase + 1))[0]!;
  const call = callByNumber(program.architecture, number)?.name ?? `call ${number}`;
  const span = spanOf(program, program.verdicts[lenient]!.at) ?? spanOf(program, at);
  return diagnostic(
    "P0402",
    `the promise \`tightening\` is broken: ${call} is ${past(program, strict)} in "${names[phase]}" and ${past(program, lenient)} in "${names[phase + 1]}"`,
    {
      span,
      related: { span: spanOf(program, at)!, message: "promised here" },
      help: `allow it from the start, refuse it later too, or remove the promise (promised at ${at.line}:${at.column})`,
    },
  );
}

function past(program: Program, verdict: number): string {
  switch (program.verdicts[verdict]!.action) {
    case "allow":
      return "allowed";
    case "log":
      return "logged and allowed";
    case "deny":
      return "denied";
    default:
      return `judged ${verdictText(program.verdicts[verdict]!)}`;
  }
}
