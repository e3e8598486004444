/**
 * Compares the size and depth of the classic filter with libseccomp's binary tree, for the same profiles. The results
 * are counts, so one run suffices; test/classic/libseccomp.test.ts has the limits.
 */

import { allCalls } from "../src/abi/calls.ts";
import { returnWord } from "../src/abi/return-word.ts";
import { compileClassic } from "../src/backend/classic/compile.ts";
import { probedNumbers } from "../src/backend/classic/testing/program.ts";
import { compareFilters } from "../test/classic/comparison.ts";
import { decide } from "../test/classic/decide.ts";
import { libseccompFilter } from "../test/classic/libseccomp.ts";
import { realProfiles } from "../test/classic/profiles.ts";
import { print } from "./support/pairs.ts";

const architecture = "x86_64";
const numbers = allCalls.flatMap(({ number }) => number[architecture] ?? []).sort((a, b) => a - b);

for (const { name, profile } of realProfiles(architecture)) {
  const { program, split, target } = decide(profile, numbers);
  const ours = compileClassic(program, split, target).instructions;
  const theirs = libseccompFilter(profile).instructions;
  const row = (what: string, unit: string, counts: { ours: number; theirs: number }, limit?: string) =>
    print({
      bench: "static-size",
      case: `${name}: ${what}`,
      ours: counts.ours,
      reference: counts.theirs,
      ratio: counts.ours / counts.theirs,
      unit,
      ...(limit === undefined ? { informative: true as const } : { limit }),
    });

  const all = compareFilters(profile, ours, theirs, new Set(numbers), probedNumbers);
  row("filter", "instructions", all.instructions, name === "debian-containers" ? "≤ 0.35" : "≤ 1");
  row("longest path", "steps", all.longestPath, "≤ 1");
  row("the number and arguments at which ours is worst", "ratio of steps", { ours: all.worstRatio, theirs: 1 }, "≤ 1");
  row("mean over all calls", "steps", all.meanSteps);

  // From Linux 5.11 the kernel's bitmap allows a call that is allowed with any arguments, without running a filter.
  const allowed = (number: number): boolean => {
    const decision = split.get(number)!;
    return decision.kind === "leaf" && target.leaf(decision) === returnWord("ALLOW");
  };
  const filtered = numbers.filter((number) => !allowed(number));
  const rest = compareFilters(profile, ours, theirs, new Set(filtered), filtered);
  row("mean over calls for which the kernel runs a filter", "steps", rest.meanSteps);
}
