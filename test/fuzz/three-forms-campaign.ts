/**
 * Runs many seeds through `ThreeForms` in a separate process. It is bundled, because Node 20 does not run TypeScript,
 * and because vitest's transformed modules take twice as long.
 *
 *     node three-forms-campaign.mjs '{"first":0,"policies":1500,"steps":500}'
 *     node three-forms-campaign.mjs '{"replay":"build/fuzz/finding-7.ts"}'
 *
 * Prints one line of JSON. A failure is shrunk and written to build/fuzz, as a policy with its trace
 * (test/differential/finding.ts).
 */
import { generateProgram, generateTrace, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import type { Run } from "../../src/ir/testing/shrink.ts";
import { describeFinding, readFinding, writeFinding } from "../differential/finding.ts";
import { ThreeForms } from "./three-forms.ts";

export interface CampaignOptions {
  readonly first: number;
  readonly policies: number;
  readonly steps: number;
  /** Run for this time instead of this number of policies. */
  readonly seconds?: number;
  /** A file that an earlier run has written. */
  readonly replay?: string;
}

export interface CampaignResult {
  readonly policies: number;
  readonly steps: number;
  /** The number of judged calls. */
  readonly judged: number;
  readonly fault?: { readonly seed: number; readonly message: string; readonly file: string };
}

function runOf(seed: number, steps: number): Run {
  const choices = new SeededChoices(seed);
  const program = generateProgram(choices, { observations: seed % 2 === 0, rooms: seed % 3 === 0 });
  return { program, trace: generateTrace(choices, program, steps) };
}

/** How many calls were judged. */
function check({ program, trace }: Run): number {
  const births = trace.filter(({ kind }) => kind === "fork" || kind === "thread");
  // The task numbers of a shrunk trace have gaps.
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
      const finding = writeFinding(run, { by: "three forms", seed, faultOf });
      return {
        policies: done,
        steps: allSteps,
        judged,
        fault: { seed, message: describeFinding(seed, finding), file: finding.file },
      };
    }
    allSteps += run.trace.length;
  }
  return { policies: done, steps: allSteps, judged };
}

function replay(file: string): CampaignResult {
  const run = readFinding(file);
  const message = faultOf(run)?.message;
  const result = { policies: 1, steps: run.trace.length, judged: 0 };
  return message === undefined ? result : { ...result, fault: { seed: -1, message, file } };
}

const options = JSON.parse(process.argv[2] ?? "{}") as CampaignOptions;
console.log(JSON.stringify(options.replay === undefined ? campaign(options) : replay(options.replay)));
