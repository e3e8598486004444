/** The events of a trace of any size, one by one. */

import type { ArchitectureName } from "../abi/architecture.ts";
import { diagnostic, hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Sources } from "../diagnostics/render.ts";
import type { ByteSource } from "../traces/blocks.ts";
import { isJson, streamTrace } from "../traces/formats/read.ts";
import { streamStrace } from "../traces/formats/strace.ts";
import type { StreamedEvent } from "../traces/formats/stream.ts";
import { sourceLines, traceLines } from "../traces/lines.ts";
import type { TraceEvent, TraceHead } from "../traces/trace.ts";
import { withTraceSource } from "./input.ts";
import type { ReadingProgress } from "./progress.ts";
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

export interface Watching {
  readonly progress: ReadingProgress | undefined;
  readonly doing: string;
}

export function shownName({ file }: Pick<TraceFileName, "file">): string {
  return file === "-" ? "standard input" : file;
}

/** The kind of a line of a trace or of events; undefined for other lines. */
export function kindOf(line: string): string | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
    return typeof kind === "string" ? kind : undefined;
  } catch {
    return undefined;
  }
}

const eventKinds: readonly unknown[] = ["decision", "report", "end", "notice", "host"];

/** The form of a file of recorded calls or of events. The first line that has a text decides. */
export function formOf(source: ByteSource): "events" | "trace" | "strace" | "empty" {
  for (const reading of traceLines(source)) {
    if (reading.kind !== "line") return "trace";
    const line = reading.text.trim();
    if (line === "") continue;
    if (!line.startsWith("{")) return "strace";
    return eventKinds.includes(kindOf(line)) ? "events" : "trace";
  }
  return "empty";
}

/** @throws Failure if the file has events of `run --events`: the calls that passed are missing in them */
function refuseEvents(source: ByteSource, file: string): void {
  if (formOf(source) !== "events") return;
  throw new Failure([
    diagnostic("P0810", `${file} has events of \`portcullis run --events\`, and no calls of a trace`, {
      help: "portcullis amend POLICY FILE changes a policy by events; portcullis record writes a trace; portcullis report shows both",
    }),
  ]);
}

/**
 * Whether the file has JSON lines, by its first character.
 *
 * @throws Failure if they are events
 */
export function isJsonTrace(file: string): boolean {
  return withTraceSource(file, (source) => {
    refuseEvents(source, shownName({ file }));
    return isJson(source);
  });
}

/**
 * Calls `sink` for every event. The result are warnings.
 *
 * @param progress shows how far it is, as `doing`
 * @throws Failure with the errors of the trace
 */
export function readEvents(
  trace: TraceFileName,
  architecture: ArchitectureName,
  sink: TraceSink,
  { progress, doing }: Watching = { progress: undefined, doing: "reading" },
): readonly Diagnostic[] {
  const { file, isStrace } = trace;
  const shown = shownName(trace);
  const diagnostics = withTraceSource(file, (given) => {
    if (!isStrace) refuseEvents(given, shown);
    const source = progress?.watch(given, doing, shown) ?? given;
    const lines = () => traceLines(source);
    const events = isStrace ? streamStrace(lines, shown, architecture) : streamTrace(source, shown, architecture);
    try {
      return deliver(events, sink);
    } finally {
      progress?.clear();
    }
  });
  if (hasErrors(diagnostics)) throw new Failure(diagnostics, sourcesOf(file, diagnostics));
  return diagnostics;
}

/** The lines of a trace that the diagnostics point at. */
export function sourcesOf(file: string, diagnostics: readonly Diagnostic[]): Sources {
  if (diagnostics.length === 0) return new Map();
  return new Map([[shownName({ file }), withTraceSource(file, (source) => sourceLines(source, diagnostics))]]);
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
