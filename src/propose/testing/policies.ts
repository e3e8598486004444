/** Proposals of small recordings, and what they refuse. */
import { expect } from "vitest";
import { InterpreterEvaluator } from "../../engines/simulate/interpreter-evaluator.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { printTraceCall } from "../../traces/formats/words.ts";
import { replay } from "../../traces/replay.ts";
import type { Detail } from "../aspects.ts";
import { type ProposalOptions, propose } from "../proposal.ts";
import { historyOf, type Line, traceOf } from "./lines.ts";

/** The text of the policy that is proposed. */
export function policyOf(
  recordings: readonly (readonly Line[])[],
  options: Partial<ProposalOptions> = {},
  detail: Detail = "arguments",
): string {
  return propose(historyOf(recordings, detail), { phases: "usual", with: [], origin: "A test.", ...options }).policy;
}

/** The calls that the policy does not let pass. */
export function refusedBy(policy: string, lines: readonly Line[]): string[] {
  const { program, diagnostics } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => policy });
  expect(diagnostics, policy).toEqual([]);
  const calls = [...replay(new InterpreterEvaluator(program!), traceOf(lines), { file: "" }).calls()];
  return calls
    .filter(({ decision }) => decision.passes !== true)
    .map(({ event }) => `${event.tid} ${printTraceCall(event, { architecture: "x86_64" })}`);
}
