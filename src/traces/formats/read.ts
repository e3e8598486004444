/** Reads a trace of any form as a whole. Its first character decides: JSON lines begin with an object. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { hasErrors } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { ByteSource } from "../blocks.ts";
import { traceLines } from "../lines.ts";
import type { Trace, TraceEvent, TraceHead, TraceReading } from "../trace.ts";
import { straceHead, streamStrace } from "./strace.ts";
import { type StreamedEvent, streamJsonTrace } from "./stream.ts";

/**
 * @param file the displayed name
 * @throws Error of zlib if a file that is not in blocks is damaged or too large
 */
export function readTrace(source: ByteSource, file: string, architecture: ArchitectureName): TraceReading {
  const isOfJson = isJson(source);
  const { runs, diagnostics } = collected(streamOf(isOfJson, source, file, architecture));
  if (hasErrors(diagnostics)) return { runs: [], diagnostics };
  const traces = [...runs].map(([head, events]): Trace => ({ ...headOf(head), architecture, events }));
  if (isOfJson) {
    // A run without calls, of a command that was killed at once, says nothing.
    return { runs: traces.filter(({ events }) => events.some(({ kind }) => kind === "call")), diagnostics };
  }
  if (traces.length > 0) return { runs: traces, diagnostics };
  // The command's execve is not an event.
  const head = straceHead(() => traceLines(source), file, architecture)!;
  return { runs: [{ ...headOf(head), architecture, events: [] }], diagnostics };
}

/**
 * The events of a trace of any size.
 *
 * @returns the diagnostics; with an error among them, events may be missing or wrong
 */
export function streamTrace(
  source: ByteSource,
  file: string,
  architecture: ArchitectureName,
): Generator<StreamedEvent, readonly Diagnostic[]> {
  return streamOf(isJson(source), source, file, architecture);
}

function streamOf(
  isOfJson: boolean,
  source: ByteSource,
  file: string,
  architecture: ArchitectureName,
): Generator<StreamedEvent, readonly Diagnostic[]> {
  const lines = () => traceLines(source);
  return isOfJson ? streamJsonTrace(lines(), file, architecture) : streamStrace(lines, file, architecture);
}

/** Whether the lines are JSON. A file whose first line cannot be read is assumed to have such lines. */
export function isJson(source: ByteSource): boolean {
  for (const reading of traceLines(source)) {
    if (reading.kind !== "line") return true;
    const text = reading.text.trim();
    if (text !== "") return text.startsWith("{");
  }
  return false;
}

function collected(stream: Generator<StreamedEvent, readonly Diagnostic[]>): {
  readonly runs: ReadonlyMap<TraceHead, readonly TraceEvent[]>;
  readonly diagnostics: readonly Diagnostic[];
} {
  const runs = new Map<TraceHead, TraceEvent[]>();
  let next = stream.next();
  for (; next.done !== true; next = stream.next()) {
    const { run, event } = next.value;
    const events = runs.get(run);
    if (events === undefined) runs.set(run, [event]);
    else events.push(event);
  }
  return { runs, diagnostics: next.value };
}

function headOf({ command, uid, gid, timed }: TraceHead) {
  return { command: command!, uid, gid, timed };
}
