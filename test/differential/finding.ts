/**
 * Writes a random test's finding to files: a policy and a trace of a process tree under it. The policy can be checked,
 * explained and run like any other; in findings/ the two files are a test.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { admissionOf } from "../../src/frontend/program/admission.ts";
import { CallNames } from "../../src/frontend/program/call-names.ts";
import { type WrittenPolicy, writePolicy } from "../../src/frontend/testing/write-policy.ts";
import { checkProgram } from "../../src/ir/check.ts";
import { printProgram } from "../../src/ir/print.ts";
import type { Program } from "../../src/ir/program.ts";
import { type Run, shrinkRun } from "../../src/ir/testing/shrink.ts";
import type { TraceStep } from "../../src/ir/testing/traces.ts";

export interface Finding {
  readonly message: string;
  /** The policy; beside it the trace, and the program if the policy does not express it completely. */
  readonly file: string;
  readonly trace: string;
  readonly program?: string;
  /** Whether the policy fails, and not only its original program. */
  readonly shown: boolean;
}

export interface FindingOptions {
  /** The test that found it. */
  readonly by: string;
  readonly seed: number;
  /** The failure of a run, or undefined. */
  readonly faultOf: (run: Run) => Error | undefined;
  readonly folder?: string;
  readonly mostTries?: number;
}

/** Shrinks a failing run and writes it. */
export function writeFinding(original: Run, options: FindingOptions): Finding {
  const { by, seed, faultOf, folder = "build/fuzz", mostTries } = options;
  const kind = faultOf(original)?.constructor;
  // A shrunk run must fail like the original, so that shrinking does not change to another failure.
  const fails = (run: Run) => faultOf(run)?.constructor === kind;
  const failsAsPolicy = (run: Run) => {
    const policy = asPolicy(run);
    return policy !== undefined && fails(policy.run);
  };
  const start = withUsualAdmission(original, fails);
  let smallest = shrinkRun(start, fails, mostTries);
  // If the failure needs IR that the language cannot express, shrink again within the expressible IR.
  if (!failsAsPolicy(smallest) && failsAsPolicy(start)) {
    smallest = shrinkRun(start, (run) => fails(run) && failsAsPolicy(run), mostTries);
  }
  const message = faultOf(smallest)!.message;
  const policy = asPolicy(smallest);
  const shown = policy !== undefined && fails(policy.run);
  const { program, trace } = smallest;
  mkdirSync(folder, { recursive: true });
  const base = baseName(folder, seed, by);
  const heading = [
    `Seed ${seed} of "${by}"${shown ? "" : ", which this policy does not show (its program does)"}:`,
    ...message.split("\n").slice(0, 20),
  ];
  const written = policy?.written ?? { text: "", losses: [] };
  const text =
    policy === undefined ? commented([...heading, "", printProgram(program)]) : writePolicy(program, heading).text;
  writeFileSync(`${base}.ts`, text);
  writeFileSync(`${base}.json`, encode({ architecture: program.architecture, by, seed, trace }));
  const whole = !shown || written.losses.length > 0 ? `${base}.program.json` : undefined;
  if (whole === undefined) rmSync(`${base}.program.json`, { force: true });
  else writeFileSync(whole, encode(smallest));
  return { message, file: `${base}.ts`, trace: `${base}.json`, ...(whole && { program: whole }), shown };
}

/** Findings of two tests from one seed have different names. */
function baseName(folder: string, seed: number, by: string): string {
  const base = join(folder, `finding-${seed}`);
  const taken =
    existsSync(`${base}.json`) && (decode(readFileSync(`${base}.json`, "utf8")) as { by: string }).by !== by;
  return taken ? `${base}-${by.replaceAll(/[^a-z0-9]+/gi, "-")}` : base;
}

/** A description for the test's output. */
export function describeFinding(seed: number, { file, trace, program, message, shown }: Finding): string {
  const more = program === undefined ? "" : `; all of the program in ${program}`;
  return `seed ${seed}: ${message}\n${file} ${shown ? "shows it" : "is as near as the language comes"}, with the calls of ${trace}${more}`;
}

/** Loads a finding for a new run: its program, if it has one, or its policy. */
export function readFinding(file: string): Run {
  const base = file.replace(/(\.program)?\.(ts|json)$/, "");
  if (existsSync(`${base}.program.json`)) return decode(readFileSync(`${base}.program.json`, "utf8")) as Run;
  const { architecture, trace } = readTrace(`${base}.json`);
  return { program: loaded(`${base}.ts`, architecture), trace };
}

/** The same, by its policy. */
export function readFindingPolicy(file: string): Run {
  const { architecture, trace } = readTrace(file.replace(/\.ts$/, ".json"));
  return { program: loaded(file, architecture), trace };
}

function readTrace(file: string): { readonly architecture: ArchitectureName; readonly trace: readonly TraceStep[] } {
  return decode(readFileSync(file, "utf8")) as ReturnType<typeof readTrace>;
}

function loaded(file: string, architecture: ArchitectureName): Program {
  const { program, diagnostics, sources } = loadPolicy(file, { architecture });
  if (program === undefined) throw new Error(`${basename(file)}: ${renderDiagnostics(diagnostics, sources)}`);
  return program;
}

function asPolicy({ program, trace }: Run): { readonly run: Run; readonly written: WrittenPolicy } | undefined {
  let written: WrittenPolicy;
  try {
    written = writePolicy(program);
  } catch {
    return undefined;
  }
  const { architecture } = program;
  const policy = loadPolicy("/finding.ts", { architecture, readFile: () => written.text }).program;
  return policy && { run: { program: policy, trace }, written };
}

/** A policy cannot set the call numbers, so the standard ones are used unless the failure needs others. */
function withUsualAdmission(run: Run, fails: (run: Run) => boolean): Run {
  const admission = admissionOf(new CallNames(run.program.architecture), new Set());
  const usual = { ...run, program: { ...run.program, admission } };
  return checkProgram(usual.program).length === 0 && fails(usual) ? usual : run;
}

function commented(lines: readonly string[]): string {
  return `${lines
    .join("\n")
    .split("\n")
    .map((line) => `// ${line}`.trimEnd())
    .join("\n")}\n`;
}

const number = /^-?\d+n$/;

function encode(value: unknown): string {
  return `${JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `${one}n` : one), 1)}\n`;
}

function decode(text: string): unknown {
  return JSON.parse(text, (_, value) =>
    typeof value === "string" && number.test(value) ? BigInt(value.slice(0, -1)) : value,
  );
}
