/**
 * Policies as eBPF for the trial target, instruction by instruction, with the policy's line for each. test/ebpf runs
 * such programs in the kernel and compares them with the interpreter.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { compileEbpf } from "../../src/backend/ebpf/compile.ts";
import { listing } from "../../src/backend/ebpf/listing.ts";
import { InterpretedTrial } from "../../src/backend/ebpf/testing/trial.ts";
import { refusals, trialTarget } from "../../src/backend/ebpf/testing/trial-target.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { SystemCallEvent } from "../../src/ir/evaluation.ts";
import { expectGolden } from "../support/golden.ts";

const folder = join(import.meta.dirname, "ebpf");

function compiled(name: string) {
  const text = readFileSync(join(folder, `${name}.ts`), "utf8");
  const { program } = loadPolicy(`/${name}.ts`, { architecture: "x86_64", readFile: () => text });
  const object = compileEbpf(program!, splitPolicy(program!, { superviseProcessCreation: false }), trialTarget);
  return { program: program!, object };
}

/** Policy; a sequence of calls, with the verdict of each. */
const goldens: readonly [string, readonly [string, number[], string][]][] = [
  [
    "sockets",
    [
      ["socket", [1], "allow"],
      ["socket", [2], "deny"],
      ["getpid", [], "allow"],
    ],
  ],
  [
    "limit",
    [
      ["execve", [], "allow"],
      ["execve", [], "allow"],
      ["execve", [], "deny"],
    ],
  ],
  [
    "remembered",
    [
      ["close", [3], "deny"],
      ["dup", [3], "allow"],
      ["dup", [3], "allow"],
      ["close", [3], "allow"],
      ["dup", [4], "allow"],
      ["dup", [5], "allow"],
      ["dup", [6], "deny"],
    ],
  ],
];

describe("the eBPF of", () => {
  it.each(goldens)("the policy %s", (name, calls) => {
    const { program, object } = compiled(name);
    expectGolden(join(folder, `${name}.txt`), listing(object, program));

    const trial = new InterpretedTrial(program, object.instructions);
    for (const [call, values, action] of calls) {
      const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = values.map(BigInt);
      const event: SystemCallEvent = {
        number: callByName(call)!.number.x86_64!,
        architecture: auditArchitecture.x86_64,
        instructionPointer: 0n,
        arguments: [a, b, c, d, e, f],
      };
      const { result } = trial.evaluate(event, { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n });
      expect(program.verdicts[result]?.action, `${call}(${values.join(", ")})`).toBe(action);
    }
    const foreign = {
      number: 0,
      architecture: 1,
      instructionPointer: 0n,
      arguments: [0n, 0n, 0n, 0n, 0n, 0n],
    } as const;
    const { result } = trial.evaluate(foreign, { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n });
    expect(result).toBe(refusals.refused);
  });

  it.each(goldens)("the policy %s names a line for each instruction of a body", (name) => {
    const { object } = compiled(name);
    object.parts.forEach((part, index) => {
      if (part.is !== "body") return;
      const locations = object.locations.slice(part.start, object.parts[index + 1]?.start);
      expect(locations.filter((at) => at === undefined)).toEqual([]);
    });
  });
});
