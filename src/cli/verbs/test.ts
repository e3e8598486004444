/** `portcullis test`: runs case files (src/traces) beside their policies and prints the differences. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { CaseFailure } from "../../cases/case-run.ts";
import type { Coverage } from "../../cases/coverage.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { renderDiagnostic, type Sources } from "../../diagnostics/render.ts";
import { jsonText, safeText } from "../../diagnostics/width.ts";
import { findCaseFiles, listFolder } from "../case-files.ts";
import type { Context } from "../context.ts";
import { readInput } from "../input.ts";
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
import { Failure, failed, type Invocation, type Verb } from "../verb.ts";

export const test: Verb = {
  name: "test",
  synopsis: ["test [OPTIONS] POLICY|FOLDER|CASES…", "test [OPTIONS] -p POLICY CASES…"],
  about: [
    "A case gives the expected verdict on a call: the task, the call with its arguments as strace prints them, and the verdict. Case files are beside the policy: web.cases and web.reload.cases belong to web.ts. docs/cases.md describes all forms of lines.",
    '    master    bind(4, 127.0.0.1:80)  allow\n    worker  = master.fork()\n    worker    execve("/bin/sh")      kill process  @ "hijacked"',
    "Each case runs on every form of the policy: the interpreter, which is the reference, WebAssembly, which `run` uses, and the classic filter, for calls that it decides by itself. A case fails if any of them gives another verdict.",
    "For a policy, test runs the case files beside it; for a folder, all case files in it.",
    "With --coverage, tables show how many of the rules, lines and branches the cases reach, in each file of the policies, how many calls got each verdict, and in which phases. A rule is a verdict at one place of the policy. Rules, changes of state and phases that no case reaches are listed with their places. A part of the policy that a parameter's value removes is not counted.",
  ],
  options: {
    ...policyOptions,
    ...architectureOption,
    json: {
      about: "Print one JSON object per line on standard output: each failure, then each file; then the coverage.",
    },
    coverage: { about: "Print the coverage of the cases, and the parts of the policy that no case reaches." },
    lcov: {
      value: "FILE",
      about:
        "Write the coverage of lines and branches in the format of lcov, for genhtml(1) and other tools; - is standard output.",
      complete: "file",
    },
    quiet: { short: "q", about: "Print failures only." },
  },
  complete: "policy",
  exit: [
    ["0", "All cases pass."],
    ["1", "A case fails."],
    [String(failed), "A policy does not compile, a case file cannot be read, or there are no cases."],
  ],
  examples: [
    ["portcullis test web.ts", "The cases beside a policy"],
    ["portcullis test policies/", "All policies of a folder"],
    ["portcullis test -p web.ts attack.cases", "Cases from elsewhere"],
    ["portcullis test --coverage --lcov web.info web.ts", "Which rules have no case?"],
  ],
  async execute(invocation, context) {
    chosenArchitecture(invocation);
    const pairs = findCases(invocation, context.workingDirectory);
    const measured = invocation.has("coverage") || invocation.has("lcov") ? await newMeasurement() : undefined;
    let status = 0;
    for (const pair of pairs) status = Math.max(status, await testOne(pair, invocation, context, measured));
    if (measured !== undefined) await printMeasurement(measured, invocation, context);
    return status;
  },
};

/** The coverage by all case files together, and the sources of their policies. */
interface Measurement {
  readonly coverage: Coverage;
  readonly sources: Sources[];
}

async function newMeasurement(): Promise<Measurement> {
  const { Coverage: New } = await import("../../cases/coverage.ts");
  return { coverage: new New(), sources: [] };
}

async function printMeasurement(
  { coverage, sources }: Measurement,
  invocation: Invocation,
  context: Context,
): Promise<void> {
  const { coverageLines, printCoverage } = await import("../coverage-table.ts");
  const file = invocation.text("lcov");
  if (file !== undefined) {
    const { printLcov } = await import("../../cases/lcov.ts");
    if (file === "-") context.out(printLcov(coverage));
    else writeOutput(file, printLcov(coverage), { option: "--lcov" });
  }
  if (!invocation.has("coverage")) return;
  const all: Sources = { get: (name) => sources.find((one) => one.get(name) !== undefined)?.get(name) };
  if (!invocation.has("json")) context.out(`\n${printCoverage(coverage, all)}`);
  else for (const line of coverageLines(coverage)) context.out(`${jsonText(line)}\n`);
}

interface Pair {
  readonly policy: string;
  readonly cases: string;
}

async function testOne(
  { policy, cases: file }: Pair,
  invocation: Invocation,
  context: Context,
  measured: Measurement | undefined,
): Promise<number> {
  const { readCases } = await import("../../cases/cases.ts");
  const { runCases } = await import("../../cases/case-run.ts");
  const text = readInput(file);
  const { cases, diagnostics } = readCases(text, file, chosenArchitecture(invocation));
  const sources = new Map([[file, text]]);
  if (cases === undefined) {
    await printDiagnostics(diagnostics, sources, context);
    return failed;
  }
  try {
    const loaded = await loadRequested(policyRequest(policy, invocation), context, {
      set: cases.parameters,
      quiet: true,
    });
    const results = runCases(loaded.program, cases, measured?.coverage);
    measured?.sources.push(loaded.sources);
    const json = invocation.has("json");
    for (const failure of results.failures) {
      if (json) context.out(`${jsonText({ v: 1, kind: "failure", file, ...jsonOf(failure) })}\n`);
      else
        context.err(
          printFailure(failure, file, { get: (name) => sources.get(name) ?? loaded.sources.get(name) }, context),
        );
    }
    const wrong = new Set(results.failures.map(({ place }) => `${place.line}`)).size;
    if (json) {
      context.out(`${jsonText({ v: 1, kind: "file", file, policy, cases: results.cases, failed: wrong })}\n`);
    } else if (wrong > 0) {
      context.out(`${safeText(file)}: ${wrong} of ${results.cases} cases failed\n`);
    } else if (!invocation.has("quiet")) {
      context.out(`${safeText(file)}: ${results.cases} cases pass\n`);
    }
    return wrong > 0 ? 1 : 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    await printDiagnostics(error.diagnostics, error.sources ?? sources, context);
    return error.status;
  }
}

// ── Which cases belong to which policy ──────────────────────────────────────────────────────────────────────────────

function findCases(invocation: Invocation, workingDirectory: string): readonly Pair[] {
  const policy = invocation.text("policy");
  const { words } = invocation;
  if (policy !== undefined) {
    const { name: file } = policyFile(policy, workingDirectory);
    return words.length > 0 ? words.map((cases) => ({ policy: file, cases })) : besides(file);
  }
  if (words.length === 0) throw missing("a policy, a folder or a case file", "portcullis test POLICY");
  return words.flatMap((word) => {
    if (word.endsWith(".cases")) return [{ policy: policyOf(word), cases: word }];
    if (existsSync(word) && statSync(word).isDirectory()) return inFolder(word);
    return besides(policyFile(word, workingDirectory).name);
  });
}

function besides(policy: string): readonly Pair[] {
  const found = findCaseFiles(policy).map((cases) => ({ policy, cases }));
  if (found.length > 0) return found;
  const stem = basename(policy).replace(/\.(?:ts|json)$/, "");
  throw new Failure([
    diagnostic("P0908", `${policy} has no cases beside it`, {
      help: `write ${join(dirname(policy), `${stem}.cases`)}`,
    }),
  ]);
}

function inFolder(folder: string): readonly Pair[] {
  const pairs = listFolder(folder)
    .filter((name) => name.endsWith(".cases"))
    .map((name) => ({ policy: policyOf(join(folder, name)), cases: join(folder, name) }));
  if (pairs.length > 0) return pairs;
  throw new Failure([diagnostic("P0908", `the folder ${folder} has no case files`)]);
}

function policyOf(cases: string): string {
  const parts = basename(cases)
    .replace(/\.cases$/, "")
    .split(".");
  for (let count = parts.length; count > 0; count--) {
    for (const extension of ["ts", "json"]) {
      const candidate = join(dirname(cases), `${parts.slice(0, count).join(".")}.${extension}`);
      if (existsSync(candidate) && statSync(candidate).isFile()) return candidate;
    }
  }
  throw new Failure([diagnostic("P0908", `there is no policy beside ${cases}`, { help: "name it: -p POLICY" })]);
}

// ── Output ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function printFailure(
  failure: CaseFailure,
  file: string,
  sources: { get(name: string): string | undefined },
  context: Context,
): string {
  const { colour } = { colour: context.colour.err };
  const paint = (code: string, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const what = failure.step.kind === "call" ? `${failure.step.who} ${failure.step.text}` : describeStep(failure);
  const nth = failure.repetition === undefined ? "" : `, repetition ${failure.repetition}`;
  const { line, column, length } = failure.place;
  const shown: Diagnostic = diagnostic("P0820", `${what} on ${failure.forms.join(" and ")}${nth}`, {
    span: { file, line, column, length },
  });
  const reason = failure.reason === undefined ? "" : ` @ ${JSON.stringify(failure.reason)}`;
  const rule = failure.rule === undefined ? "" : `   by ${failure.rule}`;
  return `${renderDiagnostic(shown, sources, { colour })}  ${paint("32", safeText(`- ${failure.expected}`))}\n  ${paint("31", safeText(`+ ${failure.given}${reason}`))}${safeText(rule)}\n\n`;
}

function describeStep({ step }: CaseFailure): string {
  switch (step.kind) {
    case "fork":
    case "thread":
      return `${step.child} = ${step.who}.${step.kind}()`;
    case "exit":
    case "end":
    case "interrupt":
      return `${step.who}.${step.kind}()`;
    case "begun":
      return `${step.who} begun`;
    case "identity":
      return `${step.who}.${step.id}`;
    default:
      return step.kind;
  }
}

function jsonOf(failure: CaseFailure): object {
  const { place, expected, given, forms, rule, reason, repetition, step } = failure;
  return {
    line: place.line,
    column: place.column,
    case: step.kind === "call" ? `${step.who} ${step.text}` : describeStep(failure),
    ...{ expected, given, forms, rule, reason, repetition },
  };
}
