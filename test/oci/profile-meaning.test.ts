/**
 * Compares the program of a profile with libseccomp's filter for the same rules, for every number and the boundary
 * values of every comparison. A reader that shares no code with ours reads the rules for libseccomp
 * (test/classic/profile.ts).
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type ArchitectureName, auditArchitecture } from "../../src/abi/architecture.ts";
import { allCalls } from "../../src/abi/calls.ts";
import { splitReturnWord } from "../../src/abi/return-word.ts";
import { type ClassicInput, runClassic } from "../../src/backend/classic/interpreter.ts";
import { compileOciProfile } from "../../src/frontend/oci/compile.ts";
import { admit } from "../../src/ir/admission.ts";
import type { Program } from "../../src/ir/program.ts";
import { SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { type Choices, chance, listOf, pick } from "../../src/ir/testing/choices.ts";
import { firstVerdict } from "../../src/ir/testing/parts.ts";
import { profileInputs } from "../classic/comparison.ts";
import { libseccompFilter } from "../classic/libseccomp.ts";
import { type Comparison, newestNamed, readProfile } from "../classic/profile.ts";

const debian = "/usr/share/containers/seccomp.json";
const fixtures = fileURLToPath(new URL("../fixtures/oci", import.meta.url));

/** `SECCOMP_RET_… | data` of our program's verdict. */
function wordOf(program: Program, input: ClassicInput): number {
  const { action, errno } = firstVerdict(program, input);
  const words = {
    allow: 0x7fff_0000,
    log: 0x7ffc_0000,
    ask: 0x7fc0_0000,
    deny: 0x0005_0000 + errno,
    trap: 0x0003_0000,
    "kill-thread": 0,
    "kill-process": 0x8000_0000,
  };
  return words[action];
}

const enosys = 0x0005_0000 | 38;

/** The first few inputs with different results, and the number of compared ones. */
function differences(text: string, architecture: ArchitectureName): { compared: number; found: string[] } {
  const { program, diagnostics } = compileOciProfile(text, "profile.json", { architecture, kernelVersion: "5.9" });
  if (program === undefined) throw new Error(JSON.stringify(diagnostics));
  const profile = readProfile(text, architecture);
  const { instructions, unknown } = libseccompFilter(profile);
  const newest = newestNamed(profile);
  const found: string[] = [];
  let compared = 0;
  for (const { name, number: numbers } of allCalls) {
    const number = numbers[architecture];
    if (number === undefined || unknown.includes(name)) continue;
    if (admit(program, { number, architecture: auditArchitecture[architecture] }) !== "judged") continue;
    for (const input of profileInputs(profile, number)) {
      compared++;
      const ours = wordOf(program, input);
      const theirs = number > newest ? enosys : runClassic(instructions, input).word;
      if (ours === theirs || found.length >= 3) continue;
      const words = [ours, theirs].map((word) => JSON.stringify(splitReturnWord(word)));
      found.push(`${name}(${input.arguments.join(", ")}): ${words.join(", not ")}`);
    }
  }
  return { compared, found };
}

const architectures = ["x86_64", "aarch64"] as const;

describe("profiles of containers", () => {
  it.each(architectures)("Debian's, on %s", (architecture) => {
    const { compared, found } = differences(readFileSync(debian, "utf8"), architecture);
    expect(found).toEqual([]);
    expect(compared).toBeGreaterThan(300);
  });

  // Contradictory profiles are excluded: we do not copy the behaviour of libseccomp's callers, and the tests' reader
  // does not drop rules.
  const own = readdirSync(fixtures).filter((name) => name.endsWith(".json") && !/losses|one-name/.test(name));
  it.each(own.flatMap((name) => architectures.map((architecture) => [name, architecture] as const)))(
    "%s on %s",
    (name, architecture) => {
      // The tests' reader supports neither kernel versions nor excluded capabilities.
      const profile = readFileSync(`${fixtures}/${name}`, "utf8").replace(
        /"minKernel": "[0-9.]+"/g,
        '"arches": ["none"]',
      );
      expect(differences(profile, architecture).found).toEqual([]);
    },
  );
});

const values = [0n, 1n, 2n, 5n, 0xffff_ffffn, 1n << 32n, (1n << 32n) + 5n, 1n << 63n, (1n << 64n) - 1n, 0xff00_ff00n];
const names = ["read", "write", "openat", "close", "mmap", "socket", "clone", "ioctl"];
const everyOperator = ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"];

interface RandomShape {
  readonly rulesOfCall: number;
  readonly operators: readonly string[];
}

/** Goes on within the text: the call returns 0 and is not made. */
const errnoZero = 'SCMP_ACT_ERRNO","errnoRet":0,"comment":"';

/**
 * All rules of a call have the same action, because libseccomp's result for contradictory rules depends on the order of
 * its tree. The JSON is written by hand, because JSON.stringify does not support bigint.
 */
function randomProfile(choices: Choices, { rulesOfCall, operators }: RandomShape): string {
  const [defaultAction, ...others] = chance(choices, 2)
    ? ["SCMP_ACT_ALLOW", "SCMP_ACT_KILL", "SCMP_ACT_ERRNO", "SCMP_ACT_TRAP", errnoZero]
    : ["SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_KILL_PROCESS", errnoZero];
  const rules = names.flatMap((name) => {
    const action = pick(choices, others);
    return listOf(choices, 0, rulesOfCall, () => {
      const twice = rulesOfCall > 1 && chance(choices, 5);
      const indexes = twice ? [1, 1, 2] : [0, 1, 2].filter(() => chance(choices, 2));
      const args = indexes.map((index) => {
        const [value, two] = [pick(choices, values), pick(choices, values)];
        return `{"index":${index},"op":"SCMP_CMP_${pick(choices, operators)}","value":${value},"valueTwo":${two}}`;
      });
      return `{"names":["${name}"],"action":"${action}","args":[${args.join(",")}]}`;
    });
  });
  return `{"defaultAction":"${defaultAction}","syscalls":[${rules.join(",\n")}]}`;
}

const seeds = Array.from({ length: 40 }, (_, seed) => seed);

/**
 * libseccomp 2.6.0 has a bug if several rules of a call order the same argument: it merges the tests of the upper
 * halves of, for example, `arg1 GT 0x1_0000_0005` and `arg1 LE 5`, and then denies 6. Such profiles are compared with
 * their rules instead (below).
 */
describe("random profiles, against libseccomp", () => {
  it.each(seeds)("one rule a call, seed %d", (seed) => {
    const text = randomProfile(new SeededChoices(seed), { rulesOfCall: 1, operators: everyOperator });
    expect(differences(text, architectures[seed % 2]!).found, text).toEqual([]);
  });

  it.each(seeds)("many rules a call, seed %d", (seed) => {
    const text = randomProfile(new SeededChoices(1000 + seed), { rulesOfCall: 3, operators: ["EQ", "MASKED_EQ"] });
    expect(differences(text, architectures[seed % 2]!).found, text).toEqual([]);
  });
});

describe("random profiles, against their rules", () => {
  it.each(seeds)("seed %d", (seed) => {
    const text = randomProfile(new SeededChoices(2000 + seed), { rulesOfCall: 4, operators: everyOperator });
    const { program, diagnostics } = compileOciProfile(text, "profile.json", { architecture: "x86_64" });
    if (program === undefined) throw new Error(JSON.stringify(diagnostics));
    const profile = readProfile(text, "x86_64");
    let compared = 0;
    for (const name of names) {
      const { number } = profile.rules.find((rule) => rule.name === name) ?? { number: 500 };
      if (number === 500) continue;
      for (const input of profileInputs(profile, number)) {
        compared++;
        const rule = profile.rules.find(
          (one) => one.number === number && one.comparisons.every((test) => holds(test, input)),
        );
        const wanted = rule?.action ?? profile.defaultAction;
        if (wordOf(program, input) !== wanted)
          expect(wordOf(program, input), `${name}(${input.arguments})\n${text}`).toBe(wanted);
      }
    }
    expect(compared).toBeGreaterThan(0);
  });
});

function holds({ index, operator, a, b }: Comparison, input: ClassicInput): boolean {
  const value = input.arguments[index]!;
  switch (operator) {
    case "eq":
      return value === a;
    case "ne":
      return value !== a;
    case "lt":
      return value < a;
    case "le":
      return value <= a;
    case "gt":
      return value > a;
    case "ge":
      return value >= a;
    case "masked_eq":
      return (value & a) === (b & a);
  }
}
