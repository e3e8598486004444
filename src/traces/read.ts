/** A recording in either form; which of them it is, its first line says. */
import type { ArchitectureName } from "../linux/architecture.ts";
import { readJsonTrace } from "./json.ts";
import { readStrace } from "./strace.ts";
import type { TraceReading } from "./trace.ts";

/** @param file as it is shown to people */
export function readTrace(text: string, file: string, architecture: ArchitectureName): TraceReading {
  return /^\s*\{/.test(text) ? readJsonTrace(text, file, architecture) : readStrace(text, file, architecture);
}
