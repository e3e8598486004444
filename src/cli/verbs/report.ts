/** `portcullis report`: traces, events and policies in one HTML page (src/observe/report). */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { diagnostic, hasErrors } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { packageFile, packageVersion } from "../../machine/package.ts";
import type { ReportBuilder } from "../../observe/report/builder.ts";
import type { ByteSource } from "../../traces/blocks.ts";
import { streamStrace } from "../../traces/formats/strace.ts";
import { type StreamedEvent, streamJsonTrace } from "../../traces/formats/stream.ts";
import { traceLines } from "../../traces/lines.ts";
import { findCaseFiles } from "../case-files.ts";
import type { Context } from "../context.ts";
import { readInput, withTraceSource } from "../input.ts";
import { wholeNumber } from "../numbers.ts";
import { writeOutput } from "../output.ts";
import {
  architectureOption,
  chosenArchitecture,
  missing,
  policyFile,
  policyOptions,
  policyRequest,
} from "../policy/arguments.ts";
import { loadRequested, printDiagnostics } from "../policy/load.ts";
import { type ReadingProgress, readingProgress } from "../progress.ts";
import { formOf, kindOf, sourcesOf } from "../trace-events.ts";
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const report: Verb = {
  name: "report",
  synopsis: ["report -o FILE [OPTIONS] TRACE|EVENTS|POLICY…"],
  about: [
    "Writes a page that a browser opens without a network: the file contains everything. It begins with the refused calls, each with its role and phase, its process, the rule and a remedy, and with what a process of each role can still do under the policy: execute a program, start processes, connect, write files, and make executable memory. The inputs are any number of traces and files of events, and at most one policy:",
    "A trace (of `record`, or strace's output): the tree of processes over time, how often each process made each call, and how many different calls were still made at each time. Each recording has its own charts.",
    "A policy: its rules with the calls that each decides, the coverage of its cases, and the number of calls that it may let pass in each role and phase. With traces, report evaluates the policy on them: the bands of the processes show the phases, each rule has the number of calls that it has decided, and the refused calls include those that the policy would refuse. The calls before and after a process enters a phase are the evidence for its trigger.",
    "Events (of `run --events`): the refused calls, reports and notices. Of a policy with roles (`portcullis propose`), a process has the phase of its own role only.",
    "report counts when it writes the page, so the size of the page does not depend on the length of a recording. Each chart has a table, and the arrow keys select its marks, which a screen reader then reads. Only the file's owner can read it, because it has arguments of the recorded command. On a terminal, a line shows how much of a long trace is read (not with --quiet).",
  ],
  options: {
    output: {
      short: "o",
      value: "FILE",
      about: "The page; an existing one is replaced. - is standard output.",
      complete: "file",
    },
    ...policyOptions,
    ...architectureOption,
    title: { value: "TEXT", about: "The page's title. By default the names of the inputs." },
    uid: { value: "N", about: "The command's effective user, if a trace lacks it." },
    gid: { value: "N", about: "The command's effective group, if a trace lacks it." },
    quiet: { short: "q", about: "Print no warnings." },
  },
  complete: "file",
  exit: [
    ["0", "The page was written."],
    [String(failed), "An input cannot be read, the policy does not compile, or the page cannot be written."],
  ],
  examples: [
    ["portcullis report -o report.html nginx.trace", "Which calls does nginx make, and when?"],
    ["portcullis report -o report.html web.ts nginx.trace", "The same under a policy"],
    ["portcullis report -o report.html web.ts events.jsonl", "Which calls were refused, and by which rule?"],
  ],
  async execute(invocation, context) {
    const output = invocation.text("output");
    if (output === undefined) throw missing("-o FILE", "portcullis report -o report.html FILE…");
    const inputs = sortInputs(invocation, context);
    const { ReportBuilder: Builder } = await import("../../observe/report/builder.ts");
    const { reportDocument } = await import("../../observe/report/document.ts");
    const progress = invocation.has("quiet") ? undefined : readingProgress(context);
    const builder = new Builder(chosenArchitecture(invocation));
    if (inputs.policy !== undefined) await addPolicy(builder, inputs.policy, invocation, context);
    const isAlone = inputs.policy === undefined && inputs.others.length === 1;
    for (const file of inputs.others) await addFile(builder, { file, isAlone, progress }, invocation, context);
    const title =
      invocation.text("title") ??
      [inputs.policy, ...inputs.others]
        .filter((one) => one !== undefined)
        .map((one) => (one === "-" ? "standard input" : basename(one)))
        .join(", ");
    const page = reportDocument(
      {
        ...builder.finish(),
        title,
        made: `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
        version: packageVersion(),
      },
      { script: asset("report.js"), style: asset("report-style.css"), licences: asset("report-licences.txt") },
    );
    if (output === "-") context.out(page);
    else writeOutput(output, page, { option: "-o", access: "private" });
    return 0;
  },
};

function asset(name: string): string {
  return readFileSync(packageFile(`dist/${name}`), "utf8");
}

interface Inputs {
  readonly policy: string | undefined;
  /** Traces and events. */
  readonly others: readonly string[];
}

function sortInputs(invocation: Invocation, context: Context): Inputs {
  const policies = [...invocation.texts("policy")];
  const others: string[] = [];
  for (const word of invocation.words) {
    if (isPolicy(word, context)) policies.push(word);
    else others.push(word);
  }
  if (policies.length === 0 && others.length === 0)
    throw missing("an input", "portcullis report -o FILE TRACE|EVENTS|POLICY…");
  const [policy, ...more] = policies;
  if (more.length > 0) {
    throw new Failure([
      diagnostic("P0909", `a report has one policy, and there are ${policies.length}: ${policies.join(", ")}`),
    ]);
  }
  if (others.filter((one) => one === "-").length > 1) {
    throw new Failure([diagnostic("P0909", "standard input is given twice")]);
  }
  return { policy, others };
}

/** A module, a ready policy's name, or a profile of OCI. */
function isPolicy(word: string, context: Context): boolean {
  if (word === "-") return false;
  if (/\.ts$/.test(word)) return true;
  if (/^[A-Za-z0-9_-]+$/.test(word)) {
    try {
      return /\.(?:ts|json)$/.test(policyFile(word, context.workingDirectory).name);
    } catch {
      return false;
    }
  }
  if (!word.endsWith(".json")) return false;
  // Events may be named so, too: they have several lines, each an object.
  return withTraceSource(word, (source) => !isEventOrTrace(source));
}

function isEventOrTrace(source: ByteSource): boolean {
  for (const reading of traceLines(source)) {
    // The end of a profile can be missing, too.
    if (reading.kind !== "line") return reading.kind === "damage" || reading.line === undefined;
    if (reading.text.trim() === "") continue;
    return kindOf(reading.text) !== undefined;
  }
  return false;
}

async function addPolicy(
  builder: ReportBuilder,
  policy: string,
  invocation: Invocation,
  context: Context,
): Promise<void> {
  const quiet = invocation.has("quiet");
  const { name: file } = policyFile(policy, context.workingDirectory);
  const { program, sources } = await loadRequested(policyRequest(file, invocation), context, { quiet });
  builder.setPolicy(policy, program, sources);
  const { readCases } = await import("../../cases/cases.ts");
  for (const cases of findCaseFiles(file)) {
    const text = readInput(cases);
    const reading = readCases(text, cases, program.architecture);
    if (reading.cases === undefined) throw new Failure(reading.diagnostics, new Map([[cases, text]]));
    const loaded = await loadRequested(policyRequest(file, invocation), context, {
      quiet: true,
      set: reading.cases.parameters,
    });
    builder.addCases(cases, loaded.program, reading.cases);
  }
}

async function addFile(
  builder: ReportBuilder,
  input: { readonly file: string; readonly isAlone: boolean; readonly progress: ReadingProgress | undefined },
  invocation: Invocation,
  context: Context,
): Promise<void> {
  const { file, isAlone, progress } = input;
  const shown = file === "-" ? "standard input" : file;
  const isQuiet = invocation.has("quiet");
  const print = async (diagnostics: readonly Diagnostic[]) => {
    if (hasErrors(diagnostics)) throw new Failure(diagnostics, sourcesOf(file, diagnostics));
    if (!isQuiet) await printDiagnostics(diagnostics, sourcesOf(file, diagnostics), context);
  };
  const architecture = chosenArchitecture(invocation);
  const ids = { uid: wholeNumber(invocation, "uid", 0xffff_fffe), gid: wholeNumber(invocation, "gid", 0xffff_fffe) };
  const add = (events: Generator<StreamedEvent, readonly Diagnostic[]>) => builder.addTrace(shown, events, ids);
  const addFrom = (source: ByteSource): readonly Diagnostic[] => {
    switch (formOf(source)) {
      case "empty":
        // A run without events leaves such a file.
        if (isAlone) throw new Failure([diagnostic("P0810", `${shown} is empty`)]);
        return builder.addEvents(shown, []);
      case "events":
        return builder.addEvents(shown, traceLines(source));
      case "trace":
        return add(streamJsonTrace(traceLines(source), shown, architecture));
      case "strace":
        return add(streamStrace(() => traceLines(source), shown, architecture));
    }
  };
  const found = withTraceSource(file, (source) => {
    try {
      return addFrom(progress?.watch(source, "reading", shown) ?? source);
    } finally {
      progress?.clear();
    }
  });
  await print(found);
}
