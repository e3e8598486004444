/**
 * Compares with libseccomp 2.6: the same verdicts, and never more instructions or steps. These are counts, not times,
 * so they are tests, not benchmarks.
 */
import { describe, expect, it } from "vitest";
import { type ArchitectureName, auditArchitecture } from "../../src/abi/architecture.ts";
import { allCalls } from "../../src/abi/calls.ts";
import { compileClassic } from "../../src/backend/classic/compile.ts";
import { checkClassic, runClassic } from "../../src/backend/classic/interpreter.ts";
import { libseccompDepth, libseccompSize } from "../../src/backend/classic/libseccomp-depth.ts";
import { probedNumbers } from "../../src/backend/classic/testing/program.ts";
import { type Comparison, compareFilters } from "./comparison.ts";
import { decide } from "./decide.ts";
import { libseccompFilter } from "./libseccomp.ts";
import type { FlatProfile } from "./profile.ts";
import { plain, randomProfile, realProfiles } from "./profiles.ts";

const numbersOf = (architecture: ArchitectureName): number[] =>
  allCalls.flatMap(({ number }) => number[architecture] ?? []).sort((a, b) => a - b);

function compare(profile: FlatProfile): Comparison {
  const numbers = numbersOf(profile.architecture);
  const { program, split, target } = decide(profile, numbers);
  const ours = compileClassic(program, split, target).instructions;
  checkClassic(ours);
  const theirs = libseccompFilter(profile);
  expect(theirs.unknown, "calls that libseccomp lacks").toEqual([]);
  return compareFilters(profile, ours, theirs.instructions, new Set(numbers), probedNumbers);
}

describe.each(realProfiles("x86_64"))("$name on x86_64", ({ name, profile }) => {
  const comparison = compare(profile);

  it("gives libseccomp's verdict for each call and each boundary argument", () => {
    expect(comparison.verdicts).toEqual([]);
  });

  it("is not larger, nor is its longest path", () => {
    const { instructions, longestPath } = comparison;
    expect(instructions.ours).toBeLessThanOrEqual(instructions.theirs);
    expect(longestPath.ours).toBeLessThanOrEqual(longestPath.theirs);
    if (name === "debian-containers") expect(instructions.ours / instructions.theirs).toBeLessThanOrEqual(0.35);
  });

  it("takes no more steps for any number and any boundary argument", () => {
    expect(comparison.moreSteps).toEqual([]);
  });
});

/**
 * For arm64 libseccomp makes no x32 test and one load less, so the tests for the numbers that only we deny are
 * additional. The totals hold for profiles with more than a few rules; single paths may be longer by a step or two.
 */
describe.each(realProfiles("aarch64"))("$name on aarch64", ({ name, profile }) => {
  const comparison = compare(profile);

  it("gives libseccomp's verdict for each call and each boundary argument", () => {
    expect(comparison.verdicts).toEqual([]);
  });

  // It has two rules; the numbers that only we deny need more tests than the rest.
  if (name === "exec-once") return;

  it("is not larger, and not slower in the longest path and in the mean", () => {
    const { instructions, longestPath, meanSteps, moreSteps, inputs } = comparison;
    expect(instructions.ours).toBeLessThanOrEqual(instructions.theirs);
    expect(longestPath.ours).toBeLessThanOrEqual(longestPath.theirs);
    expect(meanSteps.ours).toBeLessThan(meanSteps.theirs);
    expect(moreSteps.length / inputs).toBeLessThan(0.005);
    for (const { ours, theirs } of moreSteps) expect(ours - theirs).toBeLessThanOrEqual(2);
  });
});

describe("random profiles", () => {
  it.each(Array.from({ length: 20 }, (_, index) => index + 1))("seed %i", (seed) => {
    const profile = randomProfile("x86_64", seed);
    const { verdicts, moreSteps, instructions, longestPath } = compare(profile);
    // Two tests for the gap in the numbers, which only we deny; the savings of more than a few rules exceed them.
    const gap = profile.rules.length < 8 ? 2 : 0;
    expect(verdicts).toEqual([]);
    expect(moreSteps).toEqual([]);
    expect(instructions.ours).toBeLessThanOrEqual(instructions.theirs + gap);
    expect(longestPath.ours).toBeLessThanOrEqual(longestPath.theirs);
  });
});

describe("the model of libseccomp's search", () => {
  it.each([1, 2, 4, 5, 8, 9, 12, 13, 17, 20, 21, 37, 64, 65, 130])("is right for %i rules", (count) => {
    const calls = allCalls
      .filter(({ number }) => (number.x86_64 ?? 999) < 300)
      .sort((a, b) => a.number.x86_64! - b.number.x86_64!)
      .filter((_, index) => index % 2 === 0)
      .slice(0, count);
    const profile = plain(
      "x86_64",
      0x7fff_0000,
      0x0005_0001,
      calls.map(({ name }) => name),
    );
    const { instructions } = libseccompFilter(profile);
    const ruled = calls.map(({ number }) => number.x86_64!);
    const depth = libseccompDepth(ruled);
    for (let number = 0; number < 300; number++) {
      const input = { number, architecture: auditArchitecture.x86_64, instructionPointer: 0n, arguments: [] };
      // Five steps before the search, one return after it.
      expect(runClassic(instructions, input).steps, `call ${number}`).toBe(6 + depth(number));
    }
    // The architecture and x32: six, then three returns.
    expect(instructions).toHaveLength(libseccompSize(ruled) + 9);
  });
});
