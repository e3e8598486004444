/**
 * Exported OCI profiles, compiled by libseccomp as crun and runc compile them, against the classic filter of containers: each
 * call with each argument gets the filter's result, or asks the agent.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ArchitectureName, auditArchitecture } from "../../src/abi/architecture.ts";
import { callByNumber } from "../../src/abi/calls.ts";
import { returnWord, splitReturnWord } from "../../src/abi/return-word.ts";
import type { SplitPolicy } from "../../src/analysis/decision.ts";
import { compileClassic } from "../../src/backend/classic/compile.ts";
import type { ClassicInstruction } from "../../src/backend/classic/instruction.ts";
import { type ClassicInput, runClassic } from "../../src/backend/classic/interpreter.ts";
import { arbitraryDecisions, boundaryInputs } from "../../src/backend/classic/testing/decisions.ts";
import { probedNumbers, programOf } from "../../src/backend/classic/testing/program.ts";
import { policyFile, readyPolicies } from "../../src/cli/policy/arguments.ts";
import { containerFilter } from "../../src/export/container-filter.ts";
import { exportOci, type OciProfile, ociText, profileOf } from "../../src/export/oci.ts";
import { rulesOf } from "../../src/export/rules.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { Program } from "../../src/ir/program.ts";
import { generateProgram, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { registerValues } from "./comparison.ts";
import { libseccompFilter } from "./libseccomp.ts";
import { type FlatProfile, readProfile } from "./profile.ts";
import { randomNumbers } from "./random.ts";

const asked = returnWord("USER_NOTIF");
const enosys = returnWord("ERRNO", 38);
const killed = returnWord("KILL_THREAD");
/** The kernel's limit, without what runc puts in front. */
const mostInstructions = 4096 - 16;

/** Calls whose rules in some ready policy would be too many: the profile asks about all of them. */
const manyRules: readonly string[] = ["ioctl", "rt_sigaction"];

const name = { policy: "policy", digest: `sha256:${"0".repeat(64)}`, parameters: {} };
const options = { mode: "quiet", listenerPath: "/run/agent.sock", name } as const;

interface Compared {
  /** Results that are neither the filter's nor a notification. */
  readonly wrong: readonly string[];
  /** Notifications where the filter decides. */
  readonly more: ReadonlySet<string>;
  readonly inputs: number;
}

/** Values on both sides of each boundary of the profile and of the decision. */
function* inputsOf(
  flat: FlatProfile,
  split: SplitPolicy,
  number: number,
  random: () => number,
): Generator<ClassicInput> {
  const base = { number, architecture: auditArchitecture[flat.architecture] };
  const decision = split.get(number);
  if (decision !== undefined) yield* boundaryInputs(decision, base, 200, random);
  const rules = flat.rules.filter((rule) => rule.number === number);
  const values = Array.from({ length: 6 }, (_, register) => registerValues(rules, register));
  const product = values.reduce((count, { length }) => count * length, 1);
  for (let index = 0; index < Math.min(product, 400); index++) {
    const registers = values.map((list) => list[Math.floor(random() * list.length)]!);
    yield { ...base, instructionPointer: 0n, arguments: registers };
  }
}

function compare(
  profile: OciProfile,
  architecture: ArchitectureName,
  ours: readonly ClassicInstruction[],
  split: SplitPolicy,
  numbers: readonly number[] = probedNumbers,
): Compared {
  const flat = readProfile(ociText(profile), architecture);
  const compiled = ([1, 2] as const).map((optimize) => libseccompFilter(flat, { optimize, asRuntimes: true }));
  const random = randomNumbers(7);
  const wrong: string[] = [];
  const more = new Set<string>();
  let inputs = 0;
  for (const { instructions } of compiled) expect(instructions.length).toBeLessThanOrEqual(mostInstructions);
  for (const number of numbers) {
    const call = callByNumber(architecture, number)?.name ?? `${number}`;
    const isUnknown = /^\d/.test(call) || compiled[0]!.unknown.includes(call);
    for (const input of inputsOf(flat, split, number, random)) {
      inputs++;
      const { word } = runClassic(ours, input);
      for (const { instructions } of compiled) {
        const theirs = runClassic(instructions, input).word;
        if (theirs === word) continue;
        // A call that libseccomp does not know, or a number of x32, does not pass.
        if (isUnknown && theirs === enosys) continue;
        if (number >= 0x4000_0000 && word === enosys && theirs === killed) continue;
        if (theirs === asked) more.add(call);
        else {
          const words = [word, theirs].map((each) => JSON.stringify(splitReturnWord(each)));
          wrong.push(
            `${call}(${input.arguments.map((each) => each.toString(16)).join(", ")}): ${words.join(", not ")}`,
          );
        }
      }
    }
  }
  const foreign = { architecture: auditArchitecture[architecture === "x86_64" ? "aarch64" : "x86_64"] };
  for (const { instructions } of compiled) {
    const input = { number: 1, instructionPointer: 0n, arguments: [0n, 0n, 0n, 0n, 0n, 0n], ...foreign };
    if (runClassic(instructions, input).word !== killed) wrong.push("a foreign call is not killed");
  }
  return { wrong: wrong.slice(0, 3), more, inputs };
}

/** Undefined if the engine cannot express the program. */
function exported(program: Program, mode: "quiet" | "reported" = "quiet") {
  const { profile, filter } = exportOci(program, { ...options, mode });
  if (profile === undefined || filter === undefined) return undefined;
  // A profile that also asks about refusals can give those that it does not ask about.
  const { instructions, decided } = mode === "quiet" ? filter : containerFilter(program, "quiet", true).filter!;
  return { profile, filter, compared: compare(profile, program.architecture, instructions, decided.split) };
}

function load(policy: string, architecture: ArchitectureName): Program {
  const { openedAs } = policyFile(policy, process.cwd());
  return loadPolicy(openedAs, { architecture }).program!;
}

describe.each(readyPolicies)("%s", (policy) => {
  it.each(["x86_64", "aarch64"] as const)("says what the filter says, or asks, on %s", (architecture) => {
    const { profile, filter, compared } = exported(load(policy, architecture))!;
    expect(compared.wrong).toEqual([]);
    expect(compared.inputs).toBeGreaterThan(1000);
    expect([...compared.more].filter((call) => !manyRules.includes(call))).toEqual([]);
    expect(profile.listenerPath === undefined).toBe(!filter.needsAgent);
    if (!filter.needsAgent) expect(ociText(profile)).not.toContain("NOTIFY");
  });
});

it("asks about refusals that become events", () => {
  const { profile, compared } = exported(load("exec-once", "x86_64"), "reported")!;
  expect(compared.wrong).toEqual([]);
  expect(profile.syscalls.find(({ names }) => names.includes("ptrace"))?.action).toBe("SCMP_ACT_NOTIFY");
});

describe("random programs", () => {
  it.each(Array.from({ length: 25 }, (_, seed) => seed))("seed %i", (seed) => {
    const program = generateProgram(new SeededChoices(seed));
    expect(exported(program)?.compared.wrong ?? []).toEqual([]);
  });
});

describe("random decisions", () => {
  it("become disjoint rules with the decisions' results", () => {
    const numbers = [0, 1, 2, 16, 59, 257];
    const words = [returnWord("ALLOW"), enosys, asked, returnWord("ERRNO", 1), returnWord("KILL_PROCESS")];
    fc.assert(
      fc.property(arbitraryDecisions(words.length, 8), (decisions) => {
        const split: SplitPolicy = new Map(numbers.map((number, index) => [number, decisions.at(-1 - index)!]));
        const program = programOf(split);
        const target = {
          leaf: ({ weakest }: { readonly weakest: number }) => words[weakest]!,
          unknown: enosys,
          foreign: enosys,
          always: returnWord("ALLOW"),
          launcherToken: undefined,
        };
        const classic = compileClassic(program, split, target);
        const filter = { split, target, classic, expected: { verdict: undefined, returns: new Set<number>() } };
        const { calls } = rulesOf(program, { decided: filter, reported: [] }, enosys);
        const profile = profileOf("x86_64", calls, enosys);
        expect(compare(profile, "x86_64", classic.instructions, split, numbers).wrong).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});
