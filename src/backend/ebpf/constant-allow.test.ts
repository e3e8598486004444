/** Tests that the kernel's proof of constant calls agrees with the split. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../abi/architecture.ts";
import { highestNumber } from "../../abi/calls.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import { renderDiagnostics } from "../../diagnostics/render.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { admit } from "../../ir/admission.ts";
import { evaluate, initialState } from "../../ir/interpreter.ts";
import type { Program } from "../../ir/program.ts";
import {
  arbitraryWords,
  generateCircumstances,
  generateEvent,
  generateProgram,
  SeededChoices,
} from "../../ir/testing/arbitrary.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { isConstantAllow } from "./constant-allow.ts";
import type { EbpfInstruction } from "./instructions/instruction.ts";
import { compileForSeccomp } from "./seccomp.ts";

/** Calls that are allowed independently of state and arguments. */
function wanted(program: Program): number[] {
  const followsForks = program.cells.some(({ onFork }) => typeof onFork === "object");
  const numbers = program.admission.always.flatMap(({ from, to }) =>
    Array.from({ length: Number(to - from) + 1 }, (_, index) => Number(from) + index),
  );
  for (const [number, decision] of splitPolicy(program, { superviseProcessCreation: followsForks })) {
    if (decision.kind !== "leaf" || decision.stateful.length > 0) continue;
    if (program.verdicts[decision.weakest]!.action === "allow") numbers.push(number);
  }
  return numbers.sort((a, b) => a - b);
}

const paths = [
  ...readdirSync("policies")
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"))
    .map((file) => `policies/${file}`),
  ...readdirSync("test/fixtures/oci")
    .filter((file) => file.endsWith(".json"))
    .map((file) => `test/fixtures/oci/${file}`),
];

describe("the calls that the kernel can prove to be always allowed", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    it.each(paths)(`by %s, on ${architecture}`, (path) => {
      const { program, diagnostics, sources } = loadPolicy(path, { architecture });
      if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
      for (const unprivileged of [false, true]) {
        const { compiled, diagnostics: refused } = compileForSeccomp(program, { unprivileged, reportsVerdicts: true });
        // Some policies ask about memory in a way that no program of the kernel can.
        if (compiled === undefined && program.observations.length > 0) {
          expect(refused.map(({ code }) => code)).toEqual(["P0606"]);
          continue;
        }
        expect(compiled!.constantAllow).toEqual(wanted(program));
        // Unknown numbers, x32 numbers and another architecture have no constant calls.
        const { instructions } = compiled!.object;
        const code = auditArchitecture[architecture];
        const others = [-1, 0x4000_0000, 0x4000_0001, 0x7fff_ffff, highestNumber(architecture) + 1, 0xffff];
        expect(others.filter((number) => isConstantAllow(instructions, number, code))).toEqual([]);
        expect(compiled!.constantAllow.filter((number) => isConstantAllow(instructions, number, 0x4000_0003))).toEqual(
          [],
        );
      }
    });
  }

  it("by random programs", () => {
    for (let seed = 0; seed < casesOf(60); seed += 1) {
      const program = generateProgram(new SeededChoices(seed));
      const { compiled } = compileForSeccomp(program, { unprivileged: false, reportsVerdicts: true });
      // The proof can find more than the split, where a state read has no effect.
      if (compiled !== undefined)
        expect(compiled.constantAllow, `seed ${seed}`).toEqual(expect.arrayContaining(wanted(program)));
    }
  });
});

it("holds for every value of open parameters", () => {
  let asked = 0;
  for (let seed = 1; seed <= casesOf(60); seed += 1) {
    const choices = new SeededChoices(seed);
    const program = generateProgram(choices, { parameters: true, stateless: true });
    const { compiled } = compileForSeccomp(program, { unprivileged: false, reportsVerdicts: true });
    const state = { thread: initialState(program, "thread"), process: initialState(program, "process") };
    for (const number of compiled?.constantAllow ?? []) {
      for (let round = 0; round < 10; round += 1) {
        const native = auditArchitecture[program.architecture];
        const event = { ...generateEvent(choices, program), number, architecture: native };
        if (admit(program, event) !== "judged") continue;
        const words = arbitraryWords(choices, program);
        const who = generateCircumstances(choices, program);
        const { verdict } = evaluate(program, event, who, { ...state, tree: initialState(program, "tree") }, words);
        expect(program.verdicts[verdict]!.action, `seed ${seed}, parameters ${words}`).toBe("allow");
        asked += 1;
      }
    }
  }
  expect(asked).toBeGreaterThan(100);
});

describe("the proof", () => {
  const exit: EbpfInstruction = { kind: "exit" };
  const move = (immediate: number): EbpfInstruction => ({
    kind: "arithmetic",
    operator: "move",
    width: 32,
    destination: 0,
    source: { immediate },
  });
  const allow = [move(0x7fff_0000), exit];

  it.each<[string, EbpfInstruction[], boolean]>([
    ["an allow", allow, true],
    ["a denial", [move(0x0005_0001), exit], false],
    ["an allow that is logged", [move(0x7ffc_0000), exit], false],
    ["an allow with data", [move(0x7fff_0001), exit], false],
    ["a call of a helper first", [{ kind: "call-helper", helper: 5 }, ...allow], false],
    ["a call of a kernel function first", [{ kind: "call-kernel", function: "bpf_seccomp_pid_tgid" }, ...allow], false],
    [
      "a store to the stack first",
      [{ kind: "store", size: 8, base: 10, offset: -8, source: { immediate: 1 } }, ...allow],
      true,
    ],
    [
      "a store elsewhere first",
      [{ kind: "store", size: 8, base: 1, offset: 0, source: { immediate: 1 } }, ...allow],
      false,
    ],
    [
      "an atomic addition first",
      [{ kind: "atomic-add", size: 8, base: 10, offset: -8, source: 0, fetch: false }, ...allow],
      false,
    ],
    [
      "a branch on an argument first",
      [
        { kind: "load", size: 8, destination: 2, base: 1, offset: 16 },
        { kind: "jump", condition: "equal", width: 64, left: 2, right: { immediate: 0 }, target: 2 },
        ...allow,
      ],
      false,
    ],
    [
      "a branch on the number, through a copy of the context pointer",
      [
        { kind: "arithmetic", operator: "move", width: 64, destination: 6, source: { register: 1 } },
        { kind: "load", size: 4, destination: 2, base: 6, offset: 0 },
        { kind: "jump", condition: "equal", width: 32, left: 2, right: { immediate: 39 }, target: 4 },
        exit,
        ...allow,
      ],
      true,
    ],
    ["a loop without an end", [{ kind: "jump-always", target: 0 }], false],
    ["control that leaves the program", [move(0x7fff_0000)], false],
    ["nothing in R0", [exit], false],
  ])("of %s", (_, instructions, proves) => {
    expect(isConstantAllow(instructions, 39, auditArchitecture.x86_64)).toBe(proves);
  });
});
