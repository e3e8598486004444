/**
 * Calls the parser, within limits. oxc-parser is native code: deep nesting crashes the process (`nesting.ts`), and it
 * renders the whole line for each error, so a file full of errors takes minutes and gigabytes. A large text is
 * therefore parsed in a child process first, with a timeout.
 */
import type { Program as SyntaxTree } from "oxc-parser";
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

/** The errors of a smaller text are rendered in about a second at most. */
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
      message: "nested too deeply",
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
    // A chain of many thousand operators makes a tree that is too deep to convert from native code.
    return { code: "P0318", message: "nested too deeply", node: { start: 0, end: 1 } };
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

/** Parses the text in a child process; undefined if it finds no fault. */
function tryInChild(text: string): ParseProblem | undefined {
  // Modules of Node that are loaded on demand: they take 8 ms, and most texts are small.
  const { createRequire } = process.getBuiltinModule("node:module");
  const { pathToFileURL } = process.getBuiltinModule("node:url");
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const parser = pathToFileURL(createRequire(import.meta.url).resolve("oxc-parser")).href;
  const script = `
    import { parseSync } from ${JSON.stringify(parser)};
    import { readFileSync } from "node:fs";
    const { errors } = parseSync("policy.ts", readFileSync(0, "utf8"), ${JSON.stringify(options)});
    const error = errors.find((one) => one.severity === "Error") ?? errors[0];
    console.log(JSON.stringify(error === undefined ? null : { ...error, codeframe: null }));`;
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
      message: "this could not be parsed as TypeScript in reasonable time",
      node: { start: 0, end: 1 },
      help: "an editor shows the error; smaller modules, imported, are parsed faster",
    };
  }
  const error = JSON.parse(stdout) as ParserError | null;
  return error === null ? undefined : problemOf(error, text);
}
