/**
 * Measures the code of the eBPF back end, in instructions and in time:
 *
 * - against the same policies hand-written in C and compiled by clang: program size, and executed instructions for the
 *   policy's own calls, for the most frequent calls of programs, and for every call once. The tests' interpreter counts
 *   them; on each run its results and state must equal those of the running kernel, and those of the other program.
 * - stateless profiles against libseccomp's binary tree, as the kernel translates it: the longest path.
 * - native time per evaluation of both, and the time to compile the largest profile.
 *
 * Needs root, clang-19, libseccomp-dev and golang-github-containers-common (`make bench` installs them).
 */

import type { EbpfInstruction } from "../src/backend/ebpf/instructions/instruction.ts";
import { slotPositions } from "../src/backend/ebpf/instructions/instruction.ts";
import { InterpretedTrial, KernelTrial, makeMap, writeContext } from "../src/backend/ebpf/testing/trial.ts";
import { trialContextSize, trialStorage } from "../src/backend/ebpf/testing/trial-target.ts";
import type { Program } from "../src/ir/program.ts";
import { compile, everyCall, everydayCalls, load, ownCalls, type Step } from "./ebpf/policies.ts";
import { profileRows } from "./ebpf/profiles.ts";
import { compileReference } from "./ebpf/reference.ts";
import { timedProgram } from "./ebpf/timing.ts";
import { amount } from "./support/amount.ts";
import { compare, print } from "./support/pairs.ts";

const sizeOf = (instructions: readonly EbpfInstruction[]): number => slotPositions(instructions).at(-1)!;

function row(name: string, unit: string, ours: number, reference: number, limit?: string): void {
  const context = limit === undefined ? { informative: true as const } : { limit };
  print({ bench: "ebpf", case: name, ours, reference, ratio: ours / reference, unit, ...context });
}

/** Executed instructions of both for each step; compares every run with the other program's and with the kernel's. */
function executed(
  program: Program,
  ours: readonly EbpfInstruction[],
  theirs: readonly EbpfInstruction[],
  steps: readonly Step[],
): { readonly ours: number; readonly theirs: number; readonly worst: number } {
  const interpreted = [new InterpretedTrial(program, ours), new InterpretedTrial(program, theirs, 1, true)];
  const native = [new KernelTrial(program, ours), new KernelTrial(program, theirs)];
  const counts = [0, 0];
  let worst = 0;
  try {
    for (const { event, circumstances } of steps) {
      const outcomes = [...interpreted, ...native].map((trial) => {
        const { result } = trial.evaluate(event, circumstances);
        const state = (["thread", "process", "tree"] as const).map((scope) => trial.state(scope).join(" "));
        return `${result} ${state.join(" | ")}`;
      });
      if (new Set(outcomes).size > 1)
        throw new Error(`call ${event.number}(${event.arguments.join(", ")}): ${outcomes.join("\n")}`);
      const [a, b] = interpreted.map((trial) => trial.executed) as [number, number];
      counts[0]! += a;
      counts[1]! += b;
      worst = Math.max(worst, a / b);
    }
  } finally {
    for (const trial of native) trial.close();
  }
  return { ours: counts[0]! / steps.length, theirs: counts[1]! / steps.length, worst };
}

const contextOf = (program: Program, { event, circumstances }: Step): Uint8Array => {
  const context = new Uint8Array(trialContextSize(program));
  writeContext(context, event, circumstances, { thread: 0, process: 0 });
  return context;
};

const turns = amount(20_000, 10);

async function timeRow(
  name: string,
  program: Program,
  ours: readonly EbpfInstruction[],
  theirs: readonly EbpfInstruction[],
  steps: readonly Step[],
): Promise<void> {
  const timed = (instructions: readonly EbpfInstruction[]) =>
    timedProgram(
      instructions,
      trialStorage(program).maps.map((map) => makeMap(map)),
      steps.map((step) => contextOf(program, step)),
    );
  const [a, b] = [timed(ours), timed(theirs)];
  const measure = { ours: () => a.measure(turns), reference: () => b.measure(turns) };
  await compare({ bench: "ebpf", case: name, unit: "ns/evaluation", limit: "≤ 1.05", count: 21, ...measure });
}

for (const [name, own] of Object.entries(ownCalls)) {
  const program = load(`bench/policies/ebpf/${name}.ts`);
  const ours = compile(program).instructions;
  const theirs = compileReference(name);
  row(`${name}: program`, "instructions", sizeOf(ours), sizeOf(theirs), "≤ 1.1");
  for (const [what, steps] of [
    ["its own calls", own],
    ["everyday calls", everydayCalls],
    ["every call", everyCall],
  ] as const) {
    const counts = executed(program, ours, theirs, steps);
    row(`${name}: executed, ${what}`, "instructions", counts.ours, counts.theirs, "≤ 1");
    row(`${name}: executed, ${what}, the worst one`, "ratio", counts.worst, 1);
  }
  await timeRow(`${name}: time, its own calls`, program, ours, theirs, own);
  await timeRow(`${name}: time, everyday calls`, program, ours, theirs, everydayCalls);
}

await profileRows();
