/** Runs one policy twice over the same random traces: compiled, by the interpreter; and as JavaScript, by the host. */

import { errnoName } from "../../src/abi/errno.ts";
import { admit } from "../../src/ir/admission.ts";
import type { Program } from "../../src/ir/program.ts";
import { SeededChoices } from "../../src/ir/testing/choices.ts";
import { generateTrace, runTrace, type TraceStep } from "../../src/ir/testing/traces.ts";
import { strictness } from "../../src/ir/verdicts.ts";
import type { Host, HostEvaluation } from "./host.ts";
import { askedNumbers } from "./numbers.ts";

/** A description of the first difference, or undefined. */
export function firstDifference(program: Program, host: Host, seed: number, steps: number): string | undefined {
  const trace = traceFor(program, seed, steps);
  const calls = trace.filter((step) => step.kind === "call");
  const compiled = runTrace(program, trace).calls;
  const executed = host.run(trace, (event) => admit(program, event) === "judged");
  for (const [index, outcome] of compiled.entries()) {
    const expected = executed[index];
    if (outcome.admission !== "judged" || expected === undefined) continue;
    const step = calls[index]!;
    const actual = program.verdicts[outcome.evaluation.verdict]!;
    const shown = `${actual.action} ${actual.action === "deny" ? errnoName(actual.errno) : ""} ${actual.reason ?? ""}`;
    const wanted = `${expected.verdict.action} ${expected.verdict.errno} ${expected.verdict.reason ?? ""}`;
    const isClone3 = step.kind === "call" && step.event.number === 435;
    const refused = isClone3 && errnoName(actual.errno) === "ENOSYS" && isWeaker(expected);
    const where = `seed ${seed}, call ${index}: ${JSON.stringify(step, (_, value) => (typeof value === "bigint" ? `${value}n` : value))}`;
    if (shown !== wanted && !refused) return `${where}\ncompiled: ${shown}\nexecuted: ${wanted}`;
    const reports = outcome.evaluation.reports.map(({ report, values }) => {
      const { text, values: names } = program.reports[report]!;
      const shownValues = names.map(({ name, print }, at) => {
        const value = values[at]!;
        return [name, print === "boolean" ? value === 1n : print === "signed" ? BigInt.asIntN(64, value) : value];
      });
      return { text, values: Object.fromEntries(shownValues) };
    });
    const print = (value: unknown) => JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `${one}n` : one));
    if (print(reports) !== print(expected.reports)) {
      return `${where}\ncompiled reports: ${print(reports)}\nexecuted: ${print(expected.reports)}`;
    }
  }
  return undefined;
}

function isWeaker({ verdict }: HostEvaluation): boolean {
  return strictness[verdict.action as keyof typeof strictness] <= strictness.deny;
}

/** Random traces; most calls are those that the policy names. */
function traceFor(program: Program, seed: number, steps: number): TraceStep[] {
  const choices = new SeededChoices(seed);
  const asked = askedNumbers(program);
  return generateTrace(choices, program, steps).map((step) => {
    if (step.kind !== "call" || asked.length === 0 || choices.below(4) === 0) return step;
    const number = Number(asked[choices.below(asked.length)]);
    const registers = step.event.arguments.map((value) => (choices.below(3) === 0 ? BigInt(choices.below(24)) : value));
    return { ...step, event: { ...step.event, number, arguments: registers as never } };
  });
}
