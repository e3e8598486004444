/** On random recordings: the case files that a proposal is written with pass under its policy. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runCases } from "../cases/case-run.ts";
import { readCases } from "../cases/cases.ts";
import { InterpreterEvaluator } from "../engines/simulate/interpreter-evaluator.ts";
import { loadPolicy } from "../frontend/load.ts";
import { SeededChoices } from "../ir/testing/choices.ts";
import { seeds } from "../ir/testing/seeds.ts";
import { Faults } from "../traces/faults.ts";
import { readJsonTrace } from "../traces/formats/json.ts";
import { replay } from "../traces/replay.ts";
import { CaseFiles } from "./cases-text.ts";
import { HistoryBuilder } from "./history.ts";
import { phaseModes } from "./permissions.ts";
import { propose } from "./proposal.ts";
import { randomRecording } from "./testing/recordings.ts";

const runs = 100;
const architecture = "x86_64";
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-cases-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

it("passes its own case files", () => {
  let births = 0;
  for (const seed of seeds(runs)) {
    const choices = new SeededChoices(seed);
    const recording = randomRecording(choices);
    const history = new HistoryBuilder(architecture, "arguments");
    history.open("a.trace", new Faults("a.trace"));
    const [trace] = readJsonTrace(recording, "a.trace", architecture).runs;
    for (const event of trace!.events) history.event(event, trace!);
    const phases = phaseModes[choices.below(phaseModes.length)]!;
    const { policy, counted } = propose(history, { phases, with: [], origin: "A test." });
    const path = join(folder, `${seed}.ts`);
    writeFileSync(path, policy);
    const program = loadPolicy(path, { architecture }).program!;
    const files = new CaseFiles(architecture, counted);
    const decisions = new Map(
      [...replay(new InterpreterEvaluator(program), trace!, { file: "" }).calls()].map(
        ({ event, decision }) => [event, decision] as const,
      ),
    );
    for (const event of trace!.events) files.event(event, event.kind === "call" ? decisions.get(event) : undefined);
    files.end();
    for (const { file, text } of files.of(path, history)) {
      const { cases, diagnostics } = readCases(text, file, architecture);
      expect(diagnostics, text).toEqual([]);
      expect(runCases(program, cases!).failures, `seed ${seed}, ${phases}\n${text}\n${policy}`).toEqual([]);
      births += text.split(" = ").length - 1;
    }
  }
  expect(births).toBeGreaterThan(0);
});
