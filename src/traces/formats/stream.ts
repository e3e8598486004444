/** The events of a trace of any size, one after the other. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { endsEarly, type LineReading } from "../lines.ts";
import type { TraceEvent, TraceHead } from "../trace.ts";
import { JsonTraceReader } from "./json.ts";

export interface StreamedEvent {
  /** Another object for another run. */
  readonly run: TraceHead;
  readonly event: TraceEvent;
}

/**
 * The events of JSON lines, up to the first line with an error.
 *
 * @returns the diagnostics
 */
export function* streamJsonTrace(
  lines: Iterable<LineReading>,
  file: string,
  architecture: ArchitectureName,
): Generator<StreamedEvent, readonly Diagnostic[]> {
  const reader = new JsonTraceReader(file, architecture);
  const found: Diagnostic[] = [];
  let number = 0;
  for (const reading of lines) {
    if (reading.kind === "damage") {
      const what = `${file} is damaged: ${reading.size} bytes from byte ${reading.offset} on cannot be read`;
      const help = "`portcullis trace cut -o NEW FILE` writes the readable part to a new file";
      return [...found, diagnostic("P0824", what, { help })];
    }
    if (reading.kind === "truncated") {
      found.push(endsEarly(file, reading));
      continue;
    }
    number++;
    if (reading.isDamaged) {
      // A character that stands for others would become a path that the program never used.
      const span = { file, line: number, column: 1, length: 1 };
      const help = "`portcullis trace cut -o NEW FILE` writes the other lines to a new file";
      return [...found, diagnostic("P0903", `line ${number} of ${file} is not UTF-8`, { span, help })];
    }
    reader.line(reading.text, number);
    const { run } = reader;
    const events = reader.take();
    // The further lines are read for their errors.
    if (reader.failed) continue;
    for (const event of events) yield { run, event };
  }
  return [...found, ...reader.finish().diagnostics];
}
