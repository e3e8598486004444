/** The events of a trace of any size, one by one: JSON lines are read as they come, strace's output as a whole. */
import { hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { ArchitectureName } from "../linux/architecture.ts";
import type { ByteSource } from "../traces/blocks.ts";
import { traceLines } from "../traces/lines.ts";
import { readTrace } from "../traces/read.ts";
import { readStrace } from "../traces/strace.ts";
import { eventsOf, type StreamedEvent, streamJsonTrace } from "../traces/stream.ts";
import type { TraceEvent, TraceHead } from "../traces/trace.ts";
import { readTraceInput, withTraceSource } from "./input.ts";
import { Failure } from "./verb.ts";

export interface TraceFileName {
  /** "-" for standard input. */
  readonly file: string;
  readonly isStrace: boolean;
}

/** Takes a trace one event at a time. */
export interface TraceSink {
  /** `run` is final before its first event. */
  event(event: TraceEvent, run: TraceHead): void;
  /** A recording has ended. */
  end(): void;
}

export function shownName({ file }: TraceFileName): string {
  return file === "-" ? "standard input" : file;
}

/** Whether the file has JSON lines, by its first character. */
export function isJsonTrace(file: string): boolean {
  return withTraceSource(file, (source) => firstCharacter(source) === "{");
}

/**
 * Calls `sink` for every event. The result are warnings.
 *
 * @throws Failure with the errors of the trace
 */
export function readEvents(
  trace: TraceFileName,
  architecture: ArchitectureName,
  sink: TraceSink,
): readonly Diagnostic[] {
  const { file, isStrace } = trace;
  const shown = shownName(trace);
  if (!isStrace && file !== "-" && isJsonTrace(file)) {
    const diagnostics = withTraceSource(file, (source) =>
      deliver(streamJsonTrace(traceLines(source), shown, architecture), sink),
    );
    if (hasErrors(diagnostics)) throw new Failure(diagnostics);
    return diagnostics;
  }
  const { text, diagnostics: unpacking } = readTraceInput(file);
  const read = isStrace ? readStrace : readTrace;
  const { runs, diagnostics } = read(text, shown, architecture);
  if (runs.length === 0) throw new Failure(diagnostics, new Map([[shown, text]]));
  deliver(eventsOf(runs), sink);
  return [...unpacking, ...diagnostics];
}

function deliver(events: Generator<StreamedEvent, readonly Diagnostic[]>, sink: TraceSink): readonly Diagnostic[] {
  let current: TraceHead | undefined;
  let next = events.next();
  for (; next.done !== true; next = events.next()) {
    const { run, event } = next.value;
    if (current !== undefined && current !== run) sink.end();
    current = run;
    sink.event(event, run);
  }
  if (current !== undefined) sink.end();
  return next.value;
}

function firstCharacter(source: ByteSource): string | undefined {
  for (const reading of traceLines(source)) {
    if (reading.kind === "line" && reading.text.trim() !== "") return reading.text.trim()[0];
    if (reading.kind !== "line") return "{";
  }
  return undefined;
}
