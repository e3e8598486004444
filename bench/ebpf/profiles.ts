/** Measures stateless profiles against libseccomp's binary tree, and the time and memory to compile the largest one. */

import { allCalls } from "../../src/abi/calls.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { compileEbpf } from "../../src/backend/ebpf/compile.ts";
import { type EbpfInstruction, slotPositions } from "../../src/backend/ebpf/instructions/instruction.ts";
import { decide } from "../../test/classic/decide.ts";
import { libseccompFilter } from "../../test/classic/libseccomp.ts";
import { debianProfilePath, realProfiles } from "../../test/classic/profiles.ts";
import { amount } from "../support/amount.ts";
import { median, print } from "../support/pairs.ts";
import { convertClassic, longestPath } from "./conversion.ts";
import { benchTarget, load } from "./policies.ts";

const architecture = "x86_64";

export async function profileRows(): Promise<void> {
  const numbers = allCalls.flatMap(({ number }) => number[architecture] ?? []).sort((a, b) => a - b);
  for (const { name, profile } of realProfiles(architecture)) {
    const { program, split } = decide(profile, numbers);
    const ours = compileEbpf(program, split, benchTarget).instructions;
    const theirs = convertClassic(libseccompFilter(profile).instructions);
    const row = (what: string, unit: string, measure: (of: readonly EbpfInstruction[]) => number, limit?: string) =>
      print({
        bench: "ebpf",
        case: `${name}: ${what}`,
        ours: measure(ours),
        reference: measure(theirs),
        ratio: measure(ours) / measure(theirs),
        unit,
        ...(limit === undefined ? { informative: true as const } : { limit }),
      });
    row("longest path", "instructions", longestPath, "≤ 0.8");
    row("program", "instructions", (of) => slotPositions(of).at(-1)!);
  }
  compileTime();
}

/** Compiles the profile's text to the program, after a few warm-up runs. */
function compileTime(): void {
  const compile = (): number => {
    const program = load(debianProfilePath);
    const split = splitPolicy(program, { superviseProcessCreation: false });
    return compileEbpf(program, split, benchTarget).instructions.length;
  };
  for (let turn = 0; turn < amount(5, 1); turn += 1) compile();
  const milliseconds = Array.from({ length: amount(15, 1) }, () => {
    const start = performance.now();
    compile();
    return performance.now() - start;
  });
  print({
    bench: "ebpf",
    case: "compiling Debian's OCI profile, from its text",
    ours: median(milliseconds),
    unit: "ms",
    limit: "≤ 50",
  });
  const program = load(debianProfilePath);
  const split = splitPolicy(program, { superviseProcessCreation: false });
  const back = Array.from({ length: amount(15, 1) }, () => {
    const start = performance.now();
    compileEbpf(program, split, benchTarget);
    return performance.now() - start;
  });
  print({
    bench: "ebpf",
    case: "compiling Debian's OCI profile, the eBPF back end alone",
    ours: median(back),
    unit: "ms",
    informative: true,
  });
  print({
    bench: "ebpf",
    case: "memory of the process that compiles",
    ours: process.memoryUsage().rss / (1 << 20),
    unit: "MiB",
    informative: true,
  });
}
