/** Finds the recorded calls that two policies judge differently, by a replay of both over a trace. */

import type { ArchitectureName } from "../abi/architecture.ts";
import { nameCall } from "../abi/decode.ts";
import { hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Evaluator } from "../engines/simulate/evaluator.ts";
import type { SimulatedDecision } from "../engines/simulate/model.ts";
import type { Program } from "../ir/program.ts";
import { printTraceCall } from "../traces/formats/words.ts";
import { type Replay, replay } from "../traces/replay.ts";
import { readEvents, shownName, sourcesOf, type TraceFileName } from "./trace-events.ts";
import { Failure } from "./verb.ts";

export interface RecordedDifference {
  readonly call: string;
  count: number;
  readonly before: string;
  readonly after: string;
  /** file:line */
  readonly first: string;
  /** The example in the form for people. */
  readonly example: string;
  /** The phase of the process: "phase running". */
  readonly phases: { readonly before: readonly string[]; readonly after: readonly string[] };
}

export interface RecordedDifferences {
  readonly list: readonly RecordedDifference[];
  readonly judged: number;
}

interface Found extends RecordedDifferences {
  /** About the trace. */
  readonly warnings: readonly Diagnostic[];
}

/** @throws Failure for a trace that cannot be read or contradicts itself */
export async function recordedDifferences(
  before: Program,
  after: Program,
  trace: TraceFileName,
  architecture: ArchitectureName,
): Promise<Found> {
  const { WasmEvaluator } = await import("../engines/simulate/wasm-evaluator.ts");
  const file = shownName(trace);
  const found = new Map<string, RecordedDifference>();
  let judged = 0;
  let runs: readonly [Replay, Replay] | undefined;
  const warnings = readEvents(trace, architecture, {
    event: (event, start) => {
      const replayOf = (program: Program) => replay(new WasmEvaluator(program) as Evaluator, start, { file });
      runs ??= [replayOf(before), replayOf(after)];
      const [one, two] = [runs[0].take(event), runs[1].take(event)];
      if (one === undefined || two === undefined) return;
      judged++;
      const [was, is] = [one.decision, two.decision];
      if (was.verdict === is.verdict) return;
      const { name } = nameCall(architecture, one.event.architecture, one.event.number);
      const phases = { before: phasesOf(was), after: phasesOf(is) };
      const key = JSON.stringify([name, was.verdict, is.verdict, phases]);
      const known = found.get(key);
      if (known !== undefined) {
        known.count++;
        return;
      }
      found.set(key, {
        call: name,
        count: 1,
        before: was.verdict,
        after: is.verdict,
        first: `${file}:${one.event.place.line}`,
        example: printTraceCall(one.event, before),
        phases,
      });
    },
    end: () => {
      const faults = runs?.[0].diagnostics() ?? [];
      if (hasErrors(faults)) throw new Failure(faults, sourcesOf(trace.file, faults));
      runs = undefined;
    },
  });
  return { list: [...found.values()], judged, warnings };
}

function phasesOf({ phases }: SimulatedDecision): string[] {
  return Object.entries(phases.before).map(([variable, phase]) => `${variable} ${phase}`);
}
