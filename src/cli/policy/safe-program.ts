/** Makes the strings of a program safe for a terminal. */
import { safeText } from "../../diagnostics/width.ts";
import type { Program } from "../../ir/program.ts";

/**
 * The same program with `safeText` of every name, file, path, reason and report. For printing only: JSON
 * escapes the original strings instead (`jsonText`).
 */
export function withSafeTexts(program: Program): Program {
  const { name, files, verdicts, cells, tables, reports, parameters, objects } = program;
  return { ...program, ...safe({ name, files, verdicts, cells, tables, reports, parameters, objects }) };
}

/** Replaces the strings in plain data. */
function safe<T>(value: T): T;
function safe(value: unknown): unknown {
  if (typeof value === "string") return safeText(value);
  if (Array.isArray(value)) return value.map((each: unknown) => safe(each));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, safe(each)]));
}
