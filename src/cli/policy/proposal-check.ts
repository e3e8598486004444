/** Checks a proposed policy: it must compile without warnings, and is replayed over traces. */
import { resolve } from "node:path";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { nameCall } from "../../abi/decode.ts";
import { newestAbi } from "../../abi/landlock.ts";
import { hasErrors } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { lackingName } from "../../engines/simulate/decision.ts";
import type { Evaluator } from "../../engines/simulate/evaluator.ts";
import type { SimulatedDecision } from "../../engines/simulate/model.ts";
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { readInputFile } from "../../machine/inputs.ts";
import type { History, HistoryBuilder } from "../../propose/history.ts";
import type { RefusedCalls } from "../../propose/statement.ts";
import { Faults } from "../../traces/faults.ts";
import { printTraceCall } from "../../traces/formats/words.ts";
import { type Replay, replay } from "../../traces/replay.ts";
import type { TraceEvent, TraceHead } from "../../traces/trace.ts";
import type { Context } from "../context.ts";
import type { ReadingProgress } from "../progress.ts";
import { readEvents, shownName, sourcesOf, type TraceFileName, type TraceSink } from "../trace-events.ts";
import { Failure } from "../verb.ts";
import { printDiagnostics } from "./load.ts";

/**
 * Compiles the text as the file that it will be, with its lints, and prints the warnings.
 *
 * @throws Failure: a proposal that does not compile is a bug
 */
export async function checkProposal(
  text: string,
  file: string,
  architecture: ArchitectureName,
  context: Context,
): Promise<Program> {
  const { program, found, sources } = await compiled(text, file, architecture, context);
  await printDiagnostics(found, sources, context);
  return program;
}

/** @throws Failure */
async function compiled(text: string, file: string, architecture: ArchitectureName, context: Context) {
  const [{ loadPolicy }, { lintPolicy }] = await Promise.all([
    import("../../frontend/load.ts"),
    import("../../analysis/lint/lint.ts"),
  ]);
  const path = resolve(context.workingDirectory, file);
  const { program, diagnostics, sources, promises, declarations } = loadPolicy(path, {
    architecture,
    // A recording lacks the objects of addresses, so Landlock and not the step must decide about them.
    landlockAbi: newestAbi,
    readFile: (wanted) => (wanted === path ? text : readInputFile(wanted)),
  });
  if (program === undefined || hasErrors(diagnostics)) throw new Failure(diagnostics, sources);
  const found = lintPolicy(program, { promises, declarations });
  if (hasErrors(found)) throw new Failure(found, sources);
  return { program, found: [...diagnostics, ...found], sources };
}

/** Sees what is replayed. */
export interface ReplayWatcher {
  /** A trace begins. */
  begin?(file: string): void;
  /** The event with facts that the recording lacks. */
  prepare?(event: TraceEvent): TraceEvent;
  event(event: TraceEvent, decision: SimulatedDecision | undefined, start: TraceHead): void;
  /** A recording has ended. */
  end(): void;
}

/**
 * The places of the program's declarations about objects. The simulation decides about them by the texts of paths, as if
 * each existed and none were a link; the entries were made of the objects.
 */
function placesOfObjects({ objects }: Program): ReadonlySet<string> {
  const places = objects.flatMap(({ at, files, unix }) => {
    const rules = [...Object.values(files?.lists ?? {}).flat(), ...(unix?.connect ?? [])];
    return [at, ...rules.flatMap((rule) => (rule.at === undefined ? [] : [rule.at]))];
  });
  return new Set(places.map(placeKey));
}

function placeKey({ file, line, column }: Location): string {
  return `${file}:${line}:${column}`;
}

/**
 * The calls of the traces that the policy's step would not let pass: one policy for all recordings, or one for each. Adds what
 * is to say about the traces to `warnings`.
 */
export async function refusedBy(
  policy: Program | ((recording: number) => Program),
  traces: readonly TraceFileName[],
  architecture: ArchitectureName,
  progress: ReadingProgress | undefined,
  watcher?: ReplayWatcher,
  warnings: Diagnostic[] = [],
): Promise<RefusedCalls> {
  const refused: RefusedCalls = { calls: new Map(), judged: 0 };
  let recording = 0;
  let program = typeof policy === "function" ? policy(0) : policy;
  let ofObjects = placesOfObjects(program);
  const [{ WasmEvaluator }, { isSearch }, { programFiles }] = await Promise.all([
    import("../../engines/simulate/wasm-evaluator.ts"),
    import("../../propose/searches.ts"),
    import("../../propose/objects/program-files.ts"),
  ]);
  for (const trace of traces) {
    const file = shownName(trace);
    let run: Replay | undefined;
    watcher?.begin?.(file);
    const sink: TraceSink = {
      event: (recorded, start) => {
        const event = watcher?.prepare?.(recorded) ?? recorded;
        if (run === undefined && typeof policy === "function") {
          program = policy(recording);
          ofObjects = placesOfObjects(program);
        }
        run ??= replay(new WasmEvaluator(program) as Evaluator, start, { file });
        const call = run.take(event);
        const { at } = call?.decision ?? {};
        const isOfObject = at !== undefined && ofObjects.has(placeKey(at));
        watcher?.event(event, call?.decision, start);
        if (call === undefined) return;
        refused.judged++;
        if (isOfObject) return;
        const { decision } = call;
        if (decision.passes === true || decision.action === "fails") return;
        const { name } = nameCall(architecture, call.event.architecture, call.event.number);
        // The C library then takes clone.
        if (name === "clone3" && decision.verdict === "deny ENOSYS") return;
        // The recorded call failed so.
        if (decision.verdict === "deny ENOENT" && isSearch(call.event, programFiles)) return;
        const shown = `${name} ${decision.verdict}`;
        const known = refused.calls.get(shown);
        if (known !== undefined) {
          known.count++;
          return;
        }
        const phases = Object.entries(decision.phases.before).map(([variable, phase]) => `${variable} ${phase}`);
        refused.calls.set(shown, {
          call: name,
          count: 1,
          verdict: decision.verdict,
          reason:
            decision.verdict === "unknown"
              ? `it depends on ${decision.lacking.map(lackingName).join(", ") || "unknown registers"}`
              : undefined,
          first: `${file}:${call.event.place.line}`,
          example: printTraceCall(call.event, program),
          phases,
        });
      },
      end: () => {
        const faults = run?.diagnostics() ?? [];
        if (hasErrors(faults)) throw new Failure(faults, sourcesOf(trace.file, faults));
        run = undefined;
        recording++;
        watcher?.end();
      },
    };
    const found = readEvents(trace, architecture, sink, { progress, doing: "replaying" });
    warnings.push(...found);
  }
  return refused;
}

/** More calls than this, times the number of proposals, take longer than a person waits. */
const mostCalls = 3_000_000;
/** With more recordings, several are left out together. */
const mostProposals = 10;

export function isShortEnough({ calls, recordings }: Pick<History, "calls" | "recordings">): boolean {
  return calls * Math.min(recordings.length, mostProposals) <= mostCalls;
}

/** Proposes from all recordings but one, for each of them: the histories, and the replay of those that are left out. */
export class LeaveOneOut {
  readonly #histories: readonly HistoryBuilder[];
  #recording = 0;

  constructor(recordings: number, make: () => HistoryBuilder) {
    this.#histories = Array.from({ length: Math.min(recordings, mostProposals) }, make);
  }

  /** A trace begins. */
  open(file: string): void {
    // The first reading has reported contradictions in the trace.
    for (const history of this.#histories) history.open(file, new Faults(file));
  }

  event(event: TraceEvent, start: TraceHead): void {
    const out = this.#recording % this.#histories.length;
    for (const [index, history] of this.#histories.entries()) if (index !== out) history.event(event, start);
  }

  /** A recording has ended. */
  end(): void {
    const out = this.#recording++ % this.#histories.length;
    for (const [index, history] of this.#histories.entries()) if (index !== out) history.end();
  }

  async refused(
    policyOf: (history: HistoryBuilder) => string,
    traces: readonly TraceFileName[],
    architecture: ArchitectureName,
    context: Context,
  ): Promise<RefusedCalls> {
    const programs: Program[] = [];
    for (const history of this.#histories) {
      const { program } = await compiled(policyOf(history), "proposal.ts", architecture, context);
      programs.push(program);
    }
    return refusedBy((recording) => programs[recording % programs.length]!, traces, architecture, undefined);
  }
}
