/** Tests that a written policy is equivalent to its program: verdicts, reports and state, over random traces. */
import { expect, it } from "vitest";
import { callByName } from "../../abi/calls.ts";
import { errnoName } from "../../abi/errno.ts";
import { admit } from "../../ir/admission.ts";
import type { EvaluationState } from "../../ir/evaluation.ts";
import type { Program } from "../../ir/program.ts";
import { generateProgram, generateTrace, runTrace, SeededChoices, type TraceStep } from "../../ir/testing/arbitrary.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { mayPass, type Verdict } from "../../ir/verdicts.ts";
import { loadPolicy } from "../load.ts";
import { type WrittenPolicy, writePolicy } from "./write-policy.ts";

function load(text: string, program: Program): Program {
  const { program: loaded } = loadPolicy("/written.ts", { architecture: program.architecture, readFile: () => text });
  return loaded!;
}

/** Steps that both programs judge or neither: the language decides which numbers are calls. */
function common(trace: readonly TraceStep[], one: Program, other: Program, without: readonly number[]): TraceStep[] {
  return trace.filter(
    (step) =>
      step.kind !== "call" ||
      ((admit(one, step.event) === "judged") === (admit(other, step.event) === "judged") &&
        !without.includes(step.event.number)),
  );
}

function plainVerdict({ action, errno, reason }: Verdict): string {
  return action === "allow" || action === "log" ? action : `${action} ${errnoName(errno) ?? "EPERM"} ${reason}`;
}

function outcomes(program: Program, trace: readonly TraceStep[], written: WrittenPolicy, ofWritten: boolean) {
  const { calls, final } = runTrace(program, trace);
  const stateOf = (state: EvaluationState, names: readonly (string | undefined)[], kind: "cells" | "tables") =>
    names.map((name, index): readonly unknown[] => {
      if (name === undefined) return [];
      const at = ofWritten ? program[kind].findIndex((one) => one.name === name) : index;
      const { scope } = program[kind][at]!;
      if (kind === "cells") return [name, state[scope].cells[at]];
      const entries = [...state[scope].tables[at]!].map(([key, value]) =>
        program.tables[at]!.holdsValues ? `${key}: ${value}` : `${key}`,
      );
      return [name, entries.sort()];
    });
  return {
    calls: calls.map((outcome) => {
      if (outcome.admission !== "judged") return outcome.admission === "always" ? "always" : "refused";
      const { verdict, reports } = outcome.evaluation;
      return {
        verdict: plainVerdict(program.verdicts[verdict]!),
        reports: reports.map(({ report, values }) => [program.reports[report]!.text, values]),
      };
    }),
    final: [...final].map(([task, state]) => [
      task,
      stateOf(state, written.cells, "cells"),
      stateOf(state, written.tables, "tables"),
    ]),
  };
}

it("random programs, written as policies, compile without an error and mean the same", { timeout: 300_000 }, () => {
  const tally = { without: 0, lossy: 0, calls: 0 };
  const programs = Number(process.env["PORTCULLIS_WRITTEN_POLICIES"] ?? casesOf(400));
  for (let seed = 0; seed < programs; seed += 1) {
    const choices = new SeededChoices(seed);
    const program = strictWhenFull(generateProgram(choices, { asks: seed % 3 === 0 }));
    let written: WrittenPolicy;
    try {
      written = writePolicy(program);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    const loaded = load(written.text, program);
    const clone3 = written.losses.some((loss) => loss.includes("clone3"));
    const number = callByName("clone3")!.number[program.architecture]!;
    const trace = common(generateTrace(choices, program, 150), program, loaded, clone3 ? [number] : []);
    if (written.losses.length === 0) tally.without += 1;
    // The language cannot express this fork map, so the trace has no children.
    const lossy = written.losses.some((loss) => loss.includes("a child starts"));
    if (lossy) tally.lossy += 1;
    const lives = lossy ? trace.filter(({ kind }) => kind !== "fork") : trace;
    const living = lossy ? withoutUnborn(lives) : lives;
    tally.calls += living.length;
    expect(outcomes(loaded, living, written, true), `seed ${seed}\n${written.text}`).toEqual(
      outcomes(program, living, written, false),
    );
  }
  console.log(tally);
});

function withoutUnborn(trace: readonly TraceStep[]): TraceStep[] {
  const living = new Set([0]);
  return trace.filter((step) => {
    if (!living.has("parent" in step ? step.parent : step.task)) return false;
    if ("child" in step) living.add(step.child);
    return true;
  });
}

/** The language has no table whose full verdict is log; verdict 1 of a random program is a denial. */
function strictWhenFull(program: Program): Program {
  const passes = (verdict: number) => mayPass(program.verdicts[verdict]!);
  return { ...program, tables: program.tables.map((table) => (passes(table.full) ? { ...table, full: 1 } : table)) };
}
