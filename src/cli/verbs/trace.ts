/** `portcullis trace`: counts, prints, merges and cuts trace files of any size (src/traces). */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { callByName } from "../../abi/calls.ts";
import { explainUnknownCall, writeCallMeantBy } from "../../abi/unknown-call.ts";
import { diagnostic, hasErrors } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { safeText } from "../../diagnostics/width.ts";
import { type CutBounds, TraceCut } from "../../traces/cut.ts";
import { eventLine, startLine } from "../../traces/formats/json.ts";
import { straceHead, streamStrace } from "../../traces/formats/strace.ts";
import type { StreamedEvent } from "../../traces/formats/stream.ts";
import { endsEarly, type LineReading, traceLines } from "../../traces/lines.ts";
import { summarise, type TraceSummary } from "../../traces/summary.ts";
import type { TraceHead } from "../../traces/trace.ts";
import { TraceFile, TraceFileError } from "../../traces/trace-file.ts";
import type { Context } from "../context.ts";
import { withTraceSource } from "../input.ts";
import { duration, wholeNumber } from "../numbers.ts";
import {
  architectureOption,
  chosenArchitecture,
  missing,
  noMoreWords,
  refuseOptionsOfOthers,
} from "../policy/arguments.ts";
import { printDiagnostics } from "../policy/load.ts";
import { isJsonTrace, shownName, sourcesOf } from "../trace-events.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

const operations = { stat: statistics, print, merge, cut } as const;
const names = Object.keys(operations) as (keyof typeof operations)[];
const usersOf: { readonly [option: string]: readonly (keyof typeof operations)[] } = {
  output: ["merge", "cut"],
  from: ["cut"],
  to: ["cut"],
  "from-call": ["cut"],
  "to-call": ["cut"],
  run: ["cut"],
  json: ["stat"],
};
/** Other words for them. */
const meant: Readonly<Record<string, keyof typeof operations>> = { count: "stat", statistics: "stat", show: "print" };

export const trace: Verb = {
  name: "trace",
  synopsis: [
    "trace stat [--json] TRACE…",
    "trace print TRACE",
    "trace merge -o FILE TRACE…",
    "trace cut -o FILE [OPTIONS] TRACE",
  ],
  about: [
    "stat shows the recordings of a file, the recorder and the limits of each, and how often each call was made and failed. print writes the trace as JSON lines.",
    "merge writes the recordings of several traces to a new file, one after the other; JSON lines and strace's output become compressed as well.",
    "cut writes a part of the calls to a new file. The part is a time since the recording's start, or goes from the first of one call up to the first of another; lines about processes and threads stay, because the calls need them. Without options, cut writes the readable part of a damaged file.",
    "The file that is written must not exist. The name - means standard input.",
  ],
  options: {
    output: { short: "o", value: "FILE", about: "The trace that merge and cut write.", complete: "file" },
    from: {
      value: "TIME",
      about: "cut: leave out calls before this time (30s, 500ms; a number without a unit is seconds).",
    },
    to: { value: "TIME", about: "cut: leave out calls after this time." },
    "from-call": { value: "CALL", about: "cut: leave out calls before the first of this name." },
    "to-call": { value: "CALL", about: "cut: leave out the first call of this name, and those after it." },
    run: { value: "N", about: "cut: only the Nth recording of the file, from 1." },
    json: { about: "stat: print one JSON object for each file." },
    ...architectureOption,
  },
  complete: "file",
  exit: [
    ["0", "The trace was read, and written."],
    ["1", "The trace was read, but parts of it are damaged or missing."],
    [String(failed), "The trace cannot be read, or the new one cannot be written."],
  ],
  examples: [
    ["portcullis trace stat nginx.trace", "What was recorded?"],
    ["portcullis trace print nginx.trace | jq -r .memory.path", "The paths, for a program"],
    ["portcullis trace cut -o serving.trace --from-call accept4 nginx.trace", "From the first connection on"],
    ["portcullis trace merge -o all.trace monday.trace tuesday.trace", "One file of several"],
  ],
  async execute(invocation, context) {
    const [operation, ...files] = invocation.words;
    if (operation === undefined) throw missing("what to do", `portcullis trace ${names.join("|")} TRACE`);
    const found = names.find((name) => name === operation);
    if (found === undefined) {
      const near = Object.hasOwn(meant, operation) ? meant[operation] : nearestName(operation, names);
      throw new Failure([
        diagnostic("P0906", `trace cannot ${JSON.stringify(operation)}`, {
          help: near === undefined ? `it can ${names.join(", ")}` : `write portcullis trace ${near}`,
        }),
      ]);
    }
    refuseOptionsOfOthers(invocation, "trace", found, usersOf);
    if (files.length === 0) throw missing("a trace", `portcullis trace ${found} TRACE`);
    return await operations[found](files, invocation, context);
  },
};

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Calls `use` with the lines of the file; strace's output is translated. */
async function withLines<Result>(
  file: string,
  invocation: Invocation,
  context: Context,
  use: (lines: Iterable<LineReading>) => Result,
): Promise<Result> {
  if (isJsonTrace(file)) return withTraceSource(file, (source) => use(traceLines(source)));
  const architecture = chosenArchitecture(invocation);
  const found: Diagnostic[] = [];
  const result = withTraceSource(file, (source) => {
    const strace = [() => traceLines(source), shownName({ file }), architecture] as const;
    return use(translated(streamStrace(...strace), () => straceHead(...strace), architecture, found));
  });
  await printDiagnostics(found, sourcesOf(file, found), context);
  return result;
}

/**
 * As JSON lines. Adds the warnings to `found`. `head` is for a recording without events.
 *
 * @throws Failure
 */
function* translated(
  events: Generator<StreamedEvent, readonly Diagnostic[]>,
  head: () => TraceHead | undefined,
  architecture: ArchitectureName,
  found: Diagnostic[],
): Generator<LineReading> {
  let current: TraceHead | undefined;
  let next = events.next();
  for (; next.done !== true; next = events.next()) {
    const { run, event } = next.value;
    if (run !== current) yield { kind: "line", text: startLine(run, architecture) };
    current = run;
    yield { kind: "line", text: eventLine(event, architecture) };
  }
  if (hasErrors(next.value)) throw new Failure(next.value);
  const only = current === undefined ? head() : undefined;
  if (only !== undefined) yield { kind: "line", text: startLine(only, architecture) };
  found.push(...next.value);
}

/** Hands over what it iterates, and collects what is missing in it. */
class Faults {
  readonly #file: string;
  readonly found: Diagnostic[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  *watch(lines: Iterable<LineReading>): Generator<LineReading> {
    for (const reading of lines) {
      if (reading.kind === "damage") {
        const what = `${this.#file} is damaged: ${reading.size} bytes from byte ${reading.offset} on cannot be read`;
        this.found.push({ ...diagnostic("P0824", what), severity: "warning" });
      } else if (reading.kind === "truncated") {
        this.found.push(endsEarly(this.#file, reading));
      }
      yield reading;
    }
  }
}

// ── Operations ──────────────────────────────────────────────────────────────────────────────────────────────────────

async function statistics(files: readonly string[], invocation: Invocation, context: Context): Promise<number> {
  let isWhole = true;
  for (const file of files) {
    const summary = await withLines(file, invocation, context, summarise);
    if (summary.runs.length === 0) throw new Failure([diagnostic("P0810", `${file} has no lines of a trace`)]);
    isWhole &&= summary.damage.length === 0 && !summary.truncated && summary.malformed === 0;
    context.out(
      invocation.has("json") ? `${JSON.stringify({ v: 1, file, ...summary })}\n` : printSummary(file, summary),
    );
  }
  return isWhole ? 0 : 1;
}

async function print(files: readonly string[], invocation: Invocation, context: Context): Promise<number> {
  const [file, ...more] = files;
  noMoreWords(more);
  const faults = new Faults(file!);
  await withLines(file!, invocation, context, (lines) => {
    for (const reading of faults.watch(lines)) if (reading.kind === "line") context.out(`${reading.text}\n`);
  });
  await printDiagnostics(faults.found, new Map(), context);
  return faults.found.length === 0 ? 0 : 1;
}

async function merge(files: readonly string[], invocation: Invocation, context: Context): Promise<number> {
  return await writing(invocation, async (output) => {
    const faults: Diagnostic[] = [];
    for (const file of files) {
      const watched = new Faults(file);
      await withLines(file, invocation, context, (lines) => {
        for (const line of new TraceCut({}).lines(watched.watch(lines))) output.add(`${line}\n`);
      });
      faults.push(...watched.found);
    }
    await printDiagnostics(faults, new Map(), context);
    return faults.length === 0 ? 0 : 1;
  });
}

async function cut(files: readonly string[], invocation: Invocation, context: Context): Promise<number> {
  const [file, ...more] = files;
  noMoreWords(more);
  const bounds = boundsOf(invocation);
  return await writing(invocation, async (output) => {
    const faults = new Faults(file!);
    const part = new TraceCut(bounds);
    let calls = 0;
    await withLines(file!, invocation, context, (lines) => {
      for (const line of part.lines(faults.watch(lines))) {
        if (line.includes('"kind":"call"')) calls++;
        output.add(`${line}\n`);
      }
    });
    await printDiagnostics(faults.found, new Map(), context);
    if (bounds.toCall !== undefined && !part.hasFoundEnd) {
      const since = bounds.fromCall === undefined ? "" : ` from the first ${bounds.fromCall} on`;
      throw new Failure([diagnostic("P0810", `${file} has no call ${bounds.toCall}${since} (--to-call)`)]);
    }
    if (calls === 0) throw new Failure([diagnostic("P0810", `no call of ${file} is in this part`)]);
    return faults.found.length === 0 ? 0 : 1;
  });
}

function boundsOf(invocation: Invocation): CutBounds {
  const nanoseconds = (option: string) => {
    const milliseconds = duration(invocation, option);
    return milliseconds === undefined ? undefined : milliseconds * 1e6;
  };
  const run = wholeNumber(invocation, "run", 1e6, 1);
  return {
    from: nanoseconds("from"),
    to: nanoseconds("to"),
    fromCall: callNamed(invocation.text("from-call")),
    toCall: callNamed(invocation.text("to-call")),
    runs: run === undefined ? undefined : new Set([run]),
  };
}

/**
 * The name of a call of any architecture: the trace need not be of this machine.
 *
 * @throws Failure
 */
function callNamed(given: string | undefined): string | undefined {
  if (given === undefined || callByName(given) !== undefined) return given;
  const { message } = explainUnknownCall(given);
  throw new Failure([diagnostic("P0101", message, { help: writeCallMeantBy(given) })]);
}

/** Bytes of a block before compression. */
const blockSize = 1 << 20;

/** Writes a new file; nothing of it remains if that fails. */
async function writing(
  invocation: Invocation,
  write: (output: { add(lines: string): void }) => Promise<number>,
): Promise<number> {
  const name = invocation.text("output");
  if (name === undefined) throw missing("-o FILE", "portcullis trace cut -o FILE TRACE");
  const refuse = (message: string, help?: string) => new Failure([diagnostic("P0914", message, { help })]);
  let file: TraceFile;
  try {
    file = TraceFile.open(name, "write");
  } catch (error) {
    throw error instanceof TraceFileError ? refuse(error.message, error.help) : error;
  }
  const flush = () => {
    file.flush();
    if (file.fault !== undefined) throw refuse(`${name} cannot be written: ${file.fault}`);
  };
  try {
    const status = await write({
      add: (lines) => {
        file.add(lines);
        if (file.pending >= blockSize) flush();
      },
    });
    flush();
    file.close();
    return status;
  } catch (error) {
    file.discard();
    throw error;
  }
}

// ── For people ──────────────────────────────────────────────────────────────────────────────────────────────────────

function printSummary(file: string, { runs, calls, damage, truncated, malformed }: TraceSummary): string {
  const total = runs.reduce((sum, run) => sum + run.calls, 0);
  const lines = [`${file}: ${plural(runs.length, "recording")}, ${plural(total, "call")}`];
  runs.forEach((run, index) => {
    const { recorder = "another program", began, command, seconds } = run;
    const when = began === undefined ? "" : `, ${began}`;
    lines.push(`  ${index + 1}. by ${recorder}${when}${command.length === 0 ? "" : `: ${command.join(" ")}`}`);
    const length = seconds === undefined ? "" : ` in ${seconds.toFixed(1)} s`;
    const tasks = [plural(run.processes, "process", "es"), plural(run.threads, "further thread")].join(", ");
    lines.push(`     ${plural(run.calls, "call")}${length}, ${tasks}`);
    if (run.lost > 0) lines.push(`     lost: ${plural(run.lost, "event")} or more`);
    for (const one of run.unknown) lines.push(`     unknown: ${one}`);
  });
  for (const { offset, size } of damage) lines.push(`  damaged: ${size} bytes from byte ${offset} on`);
  if (truncated) lines.push("  ends within a block or a line: its writer was killed, or the disk was full");
  if (malformed > 0) lines.push(`  ${plural(malformed, "line")} of it are not a trace's`);
  const width = Math.max(4, ...calls.map(({ call }) => call.length));
  lines.push("", `  ${"call".padEnd(width)} ${"calls".padStart(10)} ${"failed".padStart(10)} recordings`);
  for (const { call, count, failed: failures, runs: inRuns } of calls) {
    const numbers = [String(count).padStart(10), String(failures ?? "?").padStart(10), inRuns];
    lines.push(`  ${call.padEnd(width)} ${numbers.join(" ")}`);
  }
  return `${lines.map((line) => safeText(line)).join("\n")}\n`;
}

function plural(count: number, word: string, ending = "s"): string {
  return `${count} ${word}${count === 1 ? "" : ending}`;
}
