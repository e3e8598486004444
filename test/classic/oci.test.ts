/** Compiles a profile from text to IR, split and filter, and compares it with libseccomp's filter for the same text. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { allCalls } from "../../src/abi/calls.ts";
import { returnWord } from "../../src/abi/return-word.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { type ClassicTarget, compileClassic } from "../../src/backend/classic/compile.ts";
import { checkClassic } from "../../src/backend/classic/interpreter.ts";
import { probedNumbers } from "../../src/backend/classic/testing/program.ts";
import { verdictWord } from "../../src/backend/classic/verdict-word.ts";
import { compileOciProfile } from "../../src/frontend/oci/compile.ts";
import { admit } from "../../src/ir/admission.ts";
import { compareFilters } from "./comparison.ts";
import { libseccompFilter } from "./libseccomp.ts";
import { newestNamed, ociText } from "./profile.ts";
import { debianProfilePath, realProfiles } from "./profiles.ts";

const cases = (["x86_64", "aarch64"] as const).flatMap((architecture) =>
  realProfiles(architecture).map(({ name, profile }) => ({ name, architecture, profile })),
);

describe.each(cases)("$name on $architecture", ({ name, architecture, profile }) => {
  const text = name === "debian-containers" ? readFileSync(debianProfilePath, "utf8") : ociText(profile);
  const { program, diagnostics } = compileOciProfile(text, "seccomp.json", { architecture });
  if (program === undefined) throw new Error(JSON.stringify(diagnostics));
  const split = splitPolicy(program, { superviseProcessCreation: false });
  const target: ClassicTarget = {
    leaf: (leaf) => verdictWord(program.verdicts[leaf.weakest]!),
    unknown: returnWord("ERRNO", 38),
    foreign: returnWord("ERRNO", 38),
    always: returnWord("ALLOW"),
    launcherToken: undefined,
  };
  const ours = compileClassic(program, split, target).instructions;
  checkClassic(ours);
  const theirs = libseccompFilter(profile).instructions;
  // The judged calls: without those that are always allowed, and without io_uring unless the profile names it.
  const judged = allCalls
    .flatMap(({ number }) => number[architecture] ?? [])
    .filter((number) => admit(program, { number, architecture: auditArchitecture[architecture] }) === "judged");
  const newest = newestNamed(profile);
  const named = new Set(judged.filter((number) => number <= newest));
  const comparison = compareFilters(profile, ours, theirs, named, probedNumbers);

  it("is stateless", () => {
    for (const [number, decision] of split) {
      const pending = [decision];
      while (pending.length > 0) {
        const node = pending.pop()!;
        if (node.kind === "test") pending.push(node.then, node.otherwise);
        else expect(node.stateful, `call ${number}`).toEqual([]);
      }
    }
  });

  it("gives libseccomp's verdict for each judged call and each boundary argument", () => {
    expect(judged.length).toBeGreaterThan(300);
    expect(comparison.verdicts).toEqual([]);
  });

  it("has no longer path, and is not larger", () => {
    const { instructions, longestPath } = comparison;
    if (name !== "exec-once") {
      expect(longestPath.ours).toBeLessThanOrEqual(longestPath.theirs);
      expect(instructions.ours).toBeLessThanOrEqual(instructions.theirs);
    }
    if (name === "debian-containers") expect(instructions.ours / instructions.theirs).toBeLessThanOrEqual(0.35);
  });

  // For arm64: see libseccomp.test.ts.
  if (architecture === "x86_64") {
    it("takes no more steps for any number and any boundary argument", () => {
      // runc adds a prefix to libseccomp's filter for newer calls: two loads, and a test of each.
      const before = Number.isFinite(newest) ? 4 : 0;
      expect(comparison.moreSteps.filter(({ ours, theirs }) => ours > theirs + before)).toEqual([]);
    });
  }
});
