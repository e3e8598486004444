/** Reads a trace in either form, which its first line determines. */
import type { ArchitectureName } from "../linux/architecture.ts";
import { readJsonTrace } from "./json.ts";
import { readStrace } from "./strace.ts";
import type { TraceReading } from "./trace.ts";

/** @param file the displayed name */
export function readTrace(text: string, file: string, architecture: ArchitectureName): TraceReading {
  return /^\s*\{/.test(text) ? readJsonTrace(text, file, architecture) : readStrace(text, file, architecture);
}
