/**
 * Ready policies and OCI profiles: over every call number and boundary arguments, eBPF on the kernel = the interpreter.
 */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { highestNumber } from "../../src/abi/calls.ts";
import { returnWord } from "../../src/abi/return-word.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { verdictWord } from "../../src/backend/classic/verdict-word.ts";
import { compileEbpf } from "../../src/backend/ebpf/compile.ts";
import { compileForSeccomp } from "../../src/backend/ebpf/seccomp.ts";
import { stateOffsets } from "../../src/backend/ebpf/tables/state.ts";
import { ModelledTree } from "../../src/backend/ebpf/testing/seccomp.ts";
import { KernelTrial } from "../../src/backend/ebpf/testing/trial.ts";
import { refusals, trialTarget } from "../../src/backend/ebpf/testing/trial-target.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { admit } from "../../src/ir/admission.ts";
import type { EvaluationState, SystemCallEvent } from "../../src/ir/evaluation.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import type { Program } from "../../src/ir/program.ts";
import { generateCircumstances, generateEvent, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { freshState } from "../../src/ir/testing/parts.ts";
import { ociProfiles, readyPolicies } from "../support/policy-files.ts";

const policies = [...readyPolicies, ...ociProfiles];

const corners = [0n, 1n, 1n << 31n, 1n << 32n, 1n << 63n].flatMap((corner) =>
  [corner - 1n, corner, corner + 1n].map((value) => BigInt.asUintN(64, value)),
);

/** For each number: each boundary value in all arguments, then calls derived from the policy's conditions. */
function* events(program: Program, choices: SeededChoices): Generator<SystemCallEvent> {
  for (let number = -1; number <= highestNumber("x86_64") + 2; number += 1) {
    const call = { number, architecture: auditArchitecture.x86_64, instructionPointer: 0n };
    for (const corner of corners) yield { ...call, arguments: [corner, corner, corner, corner, corner, corner] };
    for (let index = 0; index < 8; index += 1) yield { ...generateEvent(choices, program), ...call };
  }
  for (let index = 0; index < 500; index += 1) yield generateEvent(choices, program);
}

describe("policies as eBPF", () => {
  for (const path of policies) {
    it(`${path} gives the interpreter's verdicts on the kernel`, (context) => {
      if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
      const { program, diagnostics, sources } = loadPolicy(path, { architecture: "x86_64" });
      if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
      const object = compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);
      const trial = new KernelTrial(program, object.instructions);
      const choices = new SeededChoices(1);
      const state: EvaluationState = freshState(program);
      const { cells } = stateOffsets(program);
      try {
        for (const event of events(program, choices)) {
          const circumstances = generateCircumstances(choices, program);
          const admission = admit(program, event);
          const wanted = admission === "judged" ? evaluate(program, event, circumstances, state) : undefined;
          const refusal = admission === "always" ? refusals.always : refusals.refused;
          const outcome = trial.evaluate(event, circumstances);
          const where = () => `call ${event.number}(${event.arguments.join(", ")})`;
          if (outcome.result !== (wanted?.verdict ?? refusal))
            expect(outcome.result, where()).toBe(wanted?.verdict ?? refusal);
          if (wanted === undefined) continue;
          if (outcome.reports.length > 0 || wanted.reports.length > 0)
            expect(outcome.reports, where()).toEqual(wanted.reports);
          if (!wanted.changedState) continue;
          program.cells.forEach((cell, index) => {
            const word = trial.state(cell.scope)[cells[index]! / 8];
            if (word !== state[cell.scope].cells[index])
              expect(word, `${where()}: ${cell.name}`).toBe(state[cell.scope].cells[index]);
          });
          program.tables.forEach((table, index) => {
            expect(trial.table(index), `${where()}: ${table.name}`).toEqual(state[table.scope].tables[index]);
          });
        }
      } finally {
        trial.close();
      }
    });
  }
});

/** The words of observations are compared in src/backend/ebpf/memory/words.test.ts. */
const readsMemory = (path: string): boolean =>
  (loadPolicy(path, { architecture: "x86_64" }).program?.observations.length ?? 0) > 0;

describe("policies as programs of type seccomp", () => {
  for (const path of policies.filter((one) => !readsMemory(one))) {
    it(`${path} gives the interpreter's verdicts on the model of the kernel, with and without privilege`, () => {
      const { program, diagnostics, sources } = loadPolicy(path, { architecture: "x86_64" });
      if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
      const trees = [false, true].map((unprivileged) => {
        const { compiled } = compileForSeccomp(program, { unprivileged, reportsVerdicts: true });
        return new ModelledTree(program, compiled!);
      });
      const choices = new SeededChoices(2);
      const state: EvaluationState = freshState(program);
      let now = 0n;
      for (const event of events(program, choices)) {
        now += BigInt(choices.below(200_000_000));
        const [pid, uid, gid] = [1 + choices.below(3), choices.below(2) * 1000, choices.below(2) * 1000];
        const circumstances = { now, pid, tid: pid, uid, gid, alive: 1n };
        const admission = admit(program, event);
        const wanted = admission === "judged" ? evaluate(program, event, circumstances, state) : undefined;
        const refusal = returnWord(admission === "always" ? "ALLOW" : "ERRNO", admission === "always" ? 0 : 38);
        const word = wanted === undefined ? refusal : verdictWord(program.verdicts[wanted.verdict]!);
        const who = (BigInt(pid) << 32n) | BigInt(pid);
        const owner = (BigInt(gid) << 32n) | BigInt(uid);
        for (const tree of trees) {
          const { returned, records } = tree.evaluate(0, event, { now, who, owner });
          const where = () => `call ${event.number}(${event.arguments.join(", ")})`;
          if (returned !== word) expect(returned, where()).toBe(word);
          const reports = records.filter(({ kind }) => kind === "report");
          if (reports.length > 0 || (wanted?.reports.length ?? 0) > 0)
            expect(
              reports.map(({ which, values }) => ({ report: which, values })),
              where(),
            ).toEqual(wanted!.reports);
          const verdict = records.find(({ kind }) => kind === "verdict");
          if ((verdict !== undefined) !== (word !== returnWord("ALLOW"))) expect(verdict, where()).toBeDefined();
          if (verdict !== undefined && wanted !== undefined && verdict.which !== wanted.verdict)
            expect(verdict.which, where()).toBe(wanted.verdict);
          if (wanted?.changedState !== true) continue;
          program.cells.forEach((cell, index) => {
            const found = tree.cell(0, index);
            if (found !== state[cell.scope].cells[index])
              expect(found, `${where()}: ${cell.name}`).toBe(state[cell.scope].cells[index]);
          });
          program.tables.forEach((table, index) => {
            expect(tree.table(0, index), `${where()}: ${table.name}`).toEqual(state[table.scope].tables[index]);
          });
        }
      }
    });
  }
});
