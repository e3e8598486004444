/** The events of a trace of any size, one by one. */
import { hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import type { ArchitectureName } from "../linux/architecture.ts";
import type { ByteSource } from "../traces/blocks.ts";
import { traceLines } from "../traces/lines.ts";
import { streamStrace } from "../traces/strace.ts";
import { type StreamedEvent, streamJsonTrace } from "../traces/stream.ts";
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

export function shownName({ file }: Pick<TraceFileName, "file">): string {
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
  const isJson = !isStrace && isJsonTrace(file);
  const diagnostics = withTraceSource(file, (source) => {
    const lines = () => traceLines(source);
    return deliver(
      isJson ? streamJsonTrace(lines(), shown, architecture) : streamStrace(lines, shown, architecture),
      sink,
    );
  });
  if (hasErrors(diagnostics)) throw new Failure(diagnostics, isJson ? undefined : sourcesOf(file));
  return diagnostics;
}

/** The text of a trace, for the lines of its errors; none if it is too large for that. */
export function sourcesOf(file: string): Sources | undefined {
  try {
    return new Map([[shownName({ file }), readTraceInput(file).text]]);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
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
