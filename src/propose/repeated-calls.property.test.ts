/**
 * On random recordings: what is remembered of repeated calls changes nothing. The same lines in a form that no reader
 * remembers (traces/formats/repeated-lines.ts) give the same events, history, decisions and cases.
 */
import { expect, it } from "vitest";
import { InterpreterEvaluator } from "../engines/simulate/interpreter-evaluator.ts";
import type { SimulatedDecision } from "../engines/simulate/model.ts";
import { WasmEvaluator } from "../engines/simulate/wasm-evaluator.ts";
import { loadPolicy } from "../frontend/load.ts";
import type { Program } from "../ir/program.ts";
import { type Choices, chance, pick, SeededChoices } from "../ir/testing/choices.ts";
import { expectEqual } from "../ir/testing/expect-equal.ts";
import { casesOf, seeds } from "../ir/testing/seeds.ts";
import { Faults } from "../traces/faults.ts";
import { readJsonTrace } from "../traces/formats/json.ts";
import { replay } from "../traces/replay.ts";
import type { Trace, TraceEvent } from "../traces/trace.ts";
import { CaseFiles } from "./cases-text.ts";
import { HistoryBuilder } from "./history.ts";
import { propose } from "./proposal.ts";
import { randomRecording } from "./testing/recordings.ts";

const architecture = "x86_64";
const mostRepetitions = 4;

/** The lines as a recorder prints them, calls several times and with results. */
function repeated(text: string, choices: Choices): string[] {
  return text.split("\n").flatMap((line) => {
    if (!line.includes('"kind":"call"')) return line === "" ? [] : [line];
    return Array.from({ length: 1 + choices.below(mostRepetitions) }, () => {
      const result = pick(choices, ["", ',"result":0', ',"result":-2', ',"result":"0x7f0012345678"', ',"result":17']);
      return `${line.slice(0, -1)}${result}}`;
    });
  });
}

function traceOf(lines: readonly string[]): Trace {
  const { runs, diagnostics } = readJsonTrace(lines.join("\n"), "a.trace", architecture);
  expect(diagnostics).toEqual([]);
  return runs[0]!;
}

const plain = (event: TraceEvent) => ({ ...event, content: undefined, place: { ...event.place, length: 0 } });

function historyOf(run: Trace): HistoryBuilder {
  const history = new HistoryBuilder(architecture, "paths");
  history.open("a.trace", new Faults("a.trace"));
  for (const event of run.events) history.event(event, run);
  return history;
}

function decisionsOf(program: Program, run: Trace, form: "wasm" | "interpreter") {
  const evaluator = form === "wasm" ? new WasmEvaluator(program) : new InterpreterEvaluator(program);
  return [...replay(evaluator, run, { file: "", uid: 0, gid: 0 }).calls()];
}

const shown = ({ birth, ...decision }: SimulatedDecision) => ({ ...decision, birth: birth?.kind });

/** With tables, rooms, times and ids, whose decisions are not remembered, and without. */
const ready = ["exec-once", "exec-only", "call-flow", "children", "order", "fork-rate", "build-step", "nginx"];
const stateful = `
import { allow, deny, perProcess, perThread, perTree, policy } from "portcullis";
const reads = perTree.counter();
const opened = perProcess.counter();
const flag = perThread.flag();
export default policy((call) => {
  if (call.name === "read") reads.add();
  if (call.name === "openat" && opened.add() > 3n) return deny("EPERM");
  if (call.name === "fcntl" && call.args.fd > 3n) flag.set(true);
  return flag.get() || reads.get() > 20n ? deny("EACCES") : allow;
});`;

function programOf(file: string, text?: string): Program {
  const { program, diagnostics } = loadPolicy(file, {
    architecture,
    ...(text === undefined ? {} : { readFile: () => text }),
  });
  expect(diagnostics).toEqual([]);
  return program!;
}

it("gives the same events, histories, decisions and cases", () => {
  let [shared, same] = [0, 0];
  const programs = [programOf("/b.ts", stateful), ...ready.map((name) => programOf(`policies/${name}.ts`))];
  for (const seed of seeds(30)) {
    const choices = new SeededChoices(seed);
    const lines = repeated(randomRecording(choices), choices);
    const fast = traceOf(lines);
    const slow = traceOf(lines.map((line) => line.replace("{", "{ ")));
    expectEqual(fast.events.map(plain), slow.events.map(plain), () => `seed ${seed}`);
    const contents = fast.events.flatMap((event) => (event.kind === "call" ? [event.content] : []));
    shared += contents.length - new Set(contents).size;
    const events = slow.events.map((event) => (event.kind === "call" ? { ...event, content: undefined } : event));
    const anew: Trace = { ...slow, events };

    const [history, expected] = [historyOf(fast), historyOf(anew)];
    for (const part of ["recordings", "segments", "signatures", "refused", "evidence", "executed", "calls"] as const)
      expectEqual(history[part], expected[part], () => `seed ${seed}, ${part}`);
    const options = { phases: "usual", with: [], origin: "A test." } as const;
    const { policy, counted } = propose(history, options);
    expect(policy).toBe(propose(expected, options).policy);

    for (const [at, one] of [programOf("/a.ts", policy), ...programs].entries()) {
      const form = chance(choices, 2) ? "wasm" : "interpreter";
      const [found, wanted] = [decisionsOf(one, fast, form), decisionsOf(one, anew, form)];
      expectEqual(
        found.map(({ decision }) => shown(decision)),
        wanted.map(({ decision }) => shown(decision)),
        () => `seed ${seed}, policy ${at}`,
      );
      same += found.length - new Set(found.map(({ decision }) => decision)).size;
      if (at > 0) continue;
      const cases = [found, wanted].map((calls) => {
        const files = new CaseFiles(architecture, counted);
        const byEvent = new Map<TraceEvent, SimulatedDecision>(calls.map(({ event, decision }) => [event, decision]));
        for (const event of (calls === found ? fast : anew).events) files.event(event, byEvent.get(event));
        files.end();
        return files.of("/a.ts", history);
      });
      expectEqual(cases[0], cases[1], () => `seed ${seed}`);
    }
  }
  expect(shared).toBeGreaterThan(casesOf(1000));
  expect(same).toBeGreaterThan(casesOf(1000));
});

it("gives the same errors for changed lines", () => {
  let errors = 0;
  for (const seed of seeds(150)) {
    const choices = new SeededChoices(seed);
    const lines = repeated(randomRecording(choices), choices);
    const changed = lines.map((line) => {
      if (!chance(choices, 40)) return line;
      const at = choices.below(line.length);
      const part = pick(choices, [
        "",
        "0",
        "-",
        '"',
        "}",
        ",",
        ' "tid":5,',
        ',"time":3',
        '"result":1,',
        "\t",
        "\\u0074id",
      ]);
      return line.slice(0, at) + part + line.slice(at + choices.below(2));
    });
    const [fast, slow] = [changed, changed.map((line) => `\r${line}`)].map((all) =>
      readJsonTrace(all.join("\n"), "a.trace", architecture),
    );
    const messages = ({ diagnostics }: typeof fast & {}) => diagnostics.map(({ code, message }) => ({ code, message }));
    expect(messages(fast!), `seed ${seed}`).toEqual(messages(slow!));
    errors += fast!.diagnostics.length;
    for (const [index, { events }] of fast!.runs.entries())
      expect(events.map(plain)).toEqual(
        slow!.runs[index]!.events.map(plain).map((event) => ({ ...event, place: { ...event.place, column: 1 } })),
      );
  }
  expect(errors).toBeGreaterThan(casesOf(50));
});
