/**
 * Many seeds through `ThreeForms`, in a process of its own: bundled, since Node 20 runs no TypeScript, and because what
 * vitest makes of the modules takes twice as long.
 *
 *     node three-forms-campaign.mjs '{"first":0,"policies":1500,"steps":500}'
 *     node three-forms-campaign.mjs '{"replay":"build/fuzz/three-forms-7.json"}'
 *
 * Prints one line of JSON. A fault is made as small as it gets and written to build/fuzz: the policy and the trace as
 * JSON, to be run again, and beside it as text, to be read.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { printProgram } from "../../src/ir/print.ts";
import { generateProgram, generateTrace, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { type Run, shrinkRun } from "../../src/ir/testing/shrink.ts";
import { ThreeForms } from "./three-forms.ts";

export interface CampaignOptions {
  readonly first: number;
  readonly policies: number;
  readonly steps: number;
  /** Goes on for so long instead of for so many policies. */
  readonly seconds?: number;
  /** A file that an earlier run has written. */
  readonly replay?: string;
}

export interface CampaignResult {
  readonly policies: number;
  readonly steps: number;
  /** Calls that the policies have judged. */
  readonly judged: number;
  readonly fault?: { readonly seed: number; readonly message: string; readonly file: string };
}

function runOf(seed: number, steps: number): Run {
  const choices = new SeededChoices(seed);
  const program = generateProgram(choices);
  return { program, trace: generateTrace(choices, program, steps) };
}

/** How many calls were judged. */
function check({ program, trace }: Run): number {
  const births = trace.filter(({ kind }) => kind === "fork" || kind === "thread");
  // A trace that has been shrunk has gaps among its tasks' numbers.
  const tasks = 1 + Math.max(0, ...births.map((step) => ("child" in step ? step.child : 0)));
  const forms = new ThreeForms(program, tasks);
  try {
    for (const step of trace) forms.apply(step);
    forms.compareAll();
    return forms.judged;
  } finally {
    forms.close();
  }
}

function faultOf(run: Run): Error | undefined {
  try {
    check(run);
    return undefined;
  } catch (fault) {
    return fault as Error;
  }
}

const number = /^-?\d+n$/;
const encode = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}n` : value);
const decode = (_: string, value: unknown) =>
  typeof value === "string" && number.test(value) ? BigInt(value.slice(0, -1)) : value;

function writeFault(seed: number, original: Run): { message: string; file: string } {
  const kind = faultOf(original)!.constructor;
  const smallest = shrinkRun(original, (run) => faultOf(run)?.constructor === kind);
  const message = faultOf(smallest)!.message;
  mkdirSync("build/fuzz", { recursive: true });
  const file = `build/fuzz/three-forms-${seed}.json`;
  writeFileSync(file, JSON.stringify(smallest, encode));
  const steps = smallest.trace.map((step) => JSON.stringify(step, encode)).join("\n");
  writeFileSync(
    file.replace(/json$/, "txt"),
    `seed ${seed}: ${message}\n\n${printProgram(smallest.program)}\n${steps}\n`,
  );
  return { message, file };
}

function campaign({ first, policies, steps, seconds }: CampaignOptions): CampaignResult {
  const end = seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + seconds * 1000;
  const most = seconds === undefined ? policies : Number.POSITIVE_INFINITY;
  let [done, allSteps, judged] = [0, 0, 0];
  for (; done < most && Date.now() < end; done += 1) {
    const seed = first + done;
    const run = runOf(seed, steps);
    try {
      judged += check(run);
    } catch {
      return { policies: done, steps: allSteps, judged, fault: { seed, ...writeFault(seed, run) } };
    }
    allSteps += run.trace.length;
  }
  return { policies: done, steps: allSteps, judged };
}

function replay(file: string): CampaignResult {
  const run = JSON.parse(readFileSync(file, "utf8"), decode) as Run;
  const message = faultOf(run)?.message;
  const result = { policies: 1, steps: run.trace.length, judged: 0 };
  return message === undefined ? result : { ...result, fault: { seed: -1, message, file } };
}

const options = JSON.parse(process.argv[2] ?? "{}") as CampaignOptions;
console.log(JSON.stringify(options.replay === undefined ? campaign(options) : replay(options.replay)));
