/**
 * The parser, kept from what it cannot bear. oxc-parser is native code: too deep a text ends the process (`nesting.ts`),
 * and for each mistake it draws the whole line around it, so that a file full of mistakes, or one mistake after the other
 * on a long line, takes minutes and gigabytes. A large text is therefore tried in a child first, which may be ended.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { Program as SyntaxTree } from "@oxc-project/types";
import { parseSync } from "oxc-parser";
import type { DiagnosticCode } from "../../diagnostics/catalogue.ts";
import type { Range, SourceFile } from "./file.ts";
import { findDeepNesting } from "./nesting.ts";

export type ParseOutcome = { readonly tree: SyntaxTree } | ParseProblem;

export interface ParseProblem {
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly node: Range;
  readonly help?: string | undefined;
}

/** Below these, the most mistakes that a text can hold are drawn in about a second. */
const manageableLength = 256 * 1024;
const manageableLine = 1500;
const anyLineUpTo = 16 * 1024;

const patience = 6_000;
const options = { lang: "ts", sourceType: "module" } as const;

export function parsePolicyText(file: SourceFile): ParseOutcome {
  const { text } = file;
  const deep = findDeepNesting(text);
  if (deep !== undefined) {
    return {
      code: "P0318",
      message: "nested more deeply than a person reads",
      node: { start: deep, end: deep + 1 },
      help: "name parts of it with const, or write a function",
    };
  }
  const problem = isLarge(text) ? tryInChild(text) : undefined;
  if (problem !== undefined) return problem;
  try {
    const result = parseSync(file.path, text, options);
    const error = result.errors.find((one) => one.severity === "Error") ?? result.errors[0];
    return error === undefined ? { tree: result.program } : problemOf(error, text);
  } catch {
    // The tree of a chain of many thousand operators is too deep to be handed over from native code.
    return { code: "P0318", message: "nested too deeply to be read", node: { start: 0, end: 1 } };
  }
}

function isLarge(text: string): boolean {
  if (text.length > manageableLength) return true;
  if (text.length <= anyLineUpTo) return false;
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    if ((end === -1 ? text.length : end) - start > manageableLine) return true;
    if (end === -1) return false;
    start = end + 1;
  }
  return false;
}

interface ParserError {
  readonly message: string;
  readonly helpMessage?: string | null;
  readonly labels: readonly { readonly start: number; readonly end: number }[];
}

function problemOf(error: ParserError, text: string): ParseProblem {
  const label = error.labels[0];
  const start = Math.min(label?.start ?? 0, text.length);
  return {
    code: "P0300",
    message: `this is not TypeScript: ${error.message.split("\n")[0]!.slice(0, 200)}`,
    node: { start, end: Math.max(start + 1, label?.end ?? 0) },
    help: error.helpMessage ?? undefined,
  };
}

/** What is wrong with the text, found by a process that may run out of time; undefined where nothing is. */
function tryInChild(text: string): ParseProblem | undefined {
  const parser = pathToFileURL(createRequire(import.meta.url).resolve("oxc-parser")).href;
  const script = `
    import { parseSync } from ${JSON.stringify(parser)};
    import { readFileSync } from "node:fs";
    const { errors } = parseSync("policy.ts", readFileSync(0, "utf8"), ${JSON.stringify(options)});
    const error = errors.find((one) => one.severity === "Error") ?? errors[0];
    console.log(JSON.stringify(error === undefined ? null : { ...error, codeframe: null }));`;
  // Loaded where it is used: it takes 7 ms, and most texts are small.
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    input: text,
    encoding: "utf8",
    timeout: patience,
    killSignal: "SIGKILL",
    maxBuffer: 1024 * 1024,
    stdio: ["pipe", "pipe", "ignore"],
    env: {},
  });
  if (status !== 0) {
    return {
      code: "P0300",
      message: "this is not TypeScript that could be parsed in reasonable time",
      node: { start: 0, end: 1 },
      help: "an editor shows where it goes wrong; smaller modules, imported, are parsed faster",
    };
  }
  const error = JSON.parse(stdout) as ParserError | null;
  return error === null ? undefined : problemOf(error, text);
}
