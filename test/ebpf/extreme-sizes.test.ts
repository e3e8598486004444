/** Very large policies: the verifier accepts them with correct results, or a TargetError gives the reason. */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { verdictWord } from "../../src/backend/classic/verdict-word.ts";
import { compileEbpf } from "../../src/backend/ebpf/compile.ts";
import { TargetError } from "../../src/backend/ebpf/lower/target.ts";
import { compileForSeccomp } from "../../src/backend/ebpf/seccomp.ts";
import { stateOffsets } from "../../src/backend/ebpf/tables/state.ts";
import { ModelledTree } from "../../src/backend/ebpf/testing/seccomp.ts";
import { KernelTrial } from "../../src/backend/ebpf/testing/trial.ts";
import { trialTarget } from "../../src/backend/ebpf/testing/trial-target.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { EvaluationState, SystemCallEvent } from "../../src/ir/evaluation.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import type { Program } from "../../src/ir/program.ts";
import { freshState } from "../../src/ir/testing/parts.ts";

const many = (count: number, text: (index: number) => string, between = "\n") =>
  Array.from({ length: count }, (_, index) => text(index)).join(between);

/** A policy for `read`, whose third argument is a whole word. */
const over = (
  declarations: string,
  statements: string,
) => `import { allow, deny, perProcess, perTree, policy } from "portcullis";
${declarations}
export default policy((call) => {
  if (call.name !== "read") return allow;
  const x = call.args.count;
${statements}
  return allow;
});
`;

const accepted: readonly [string, string][] = [
  [
    "2,000 rules",
    over(
      "",
      many(2000, (n) => `if (call.args.count === ${7 * n + 3}n) return deny("EPERM");`),
    ),
  ],
  [
    "2,000 rules over a counter",
    over(
      "const c = perProcess.counter();",
      `${many(2000, (n) => `if (call.args.count === ${7 * n + 3}n && c.get() > ${n}n) return deny("EPERM");`)}\nc.add();`,
    ),
  ],
  [
    "a 300-way switch",
    over(
      "const c = perTree.counter();",
      `switch (x) {\n${many(300, (n) => `case ${11 * n}n: if (c.get() > ${n}n) return deny("EPERM"); c.add(); break;`)}\n}`,
    ),
  ],
  [
    "64 nested conditions",
    over(
      "const c = perProcess.counter();",
      `${many(64, (n) => `if (c.get() !== ${n + 5}n && x !== ${3 * n}n) {`)}\nc.add();\n${many(64, () => "}", "")}`,
    ),
  ],
  [
    "30 state variables",
    over(
      many(30, (n) => `const c${n} = perTree.counter();`),
      `${many(30, (n) => `if (x > ${n}n) c${n}.add();`)}\n` +
        `if (${many(30, (n) => `c${n}.get() > ${n + 40}n`, " || ")}) return deny("EPERM");`,
    ),
  ],
];

function load(name: string, text: string): Program {
  const { program, diagnostics, sources } = loadPolicy(`/${name}.ts`, {
    architecture: "x86_64",
    readFile: () => text,
  });
  if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
  return program;
}

const compile = (program: Program) =>
  compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);

/** Arguments that match the first rules in order, and random rules in between. */
function readAt(step: bigint): SystemCallEvent {
  return {
    number: callByName("read")!.number.x86_64!,
    architecture: auditArchitecture.x86_64,
    instructionPointer: 0n,
    arguments: [0n, 0n, step % 2n === 0n ? step : (step * 37n) % 14_100n, 0n, 0n, 0n],
  };
}

describe("a policy with", () => {
  it.for(accepted)("%s is accepted by the verifier, and gives correct verdicts", ([name, text], context) => {
    const program = load(name, text);
    const object = compile(program);
    if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
    const trial = new KernelTrial(program, object.instructions);
    const state: EvaluationState = freshState(program);
    try {
      for (let step = 0n; step < 400n; step += 1n) {
        const event = readAt(step);
        const circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
        const wanted = evaluate(program, event, circumstances, state);
        expect(trial.evaluate(event, circumstances).result, `step ${step}`).toBe(wanted.verdict);
        program.cells.forEach(({ scope, name: cell }, index) => {
          const word = trial.state(scope)[stateOffsets(program).cells[index]! / 8];
          expect(word, `step ${step}: ${cell}`).toBe(state[scope].cells[index]);
        });
      }
    } finally {
      trial.close();
    }
  });

  it("6,000 rules over a counter is rejected with the reason", () => {
    const rules = many(6000, (n) => `if (x === ${7 * n + 3}n && c.get() > ${n}n) return deny("EPERM");`);
    const program = load("rules", over("const c = perProcess.counter();", rules));
    let refusal: unknown;
    try {
      compile(program);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(TargetError);
    expect(String(refusal)).toMatch(/target trial: the policy: it takes \d+ instructions, and a jump reaches/);
  });
});

/** In addition: unrolled tables, and one that is a map. */
const tables: readonly [string, string][] = [
  [
    "a table of 240 entries for each process, used five times",
    over(
      'const t = perProcess.table({ capacity: 240n, full: deny("ENOMEM") });',
      "t.set(x, 1n); t.set(7n, x); t.set(8n, x); if (t.get(3n, 0n) === 1n) t.delete(4n);",
    ),
  ],
  [
    "a table of 65,536 entries for the tree",
    over(
      'const t = perTree.table({ capacity: 65_536n, full: deny("ENOMEM") });',
      "t.set(x, 1n); if (t.get(3n, 0n) === 1n) t.delete(4n);",
    ),
  ],
];

/** Larger than an unprivileged program may be. */
const tooLarge: { readonly [name: string]: true } = {
  "2,000 rules": true,
  "2,000 rules over a counter": true,
  "a 300-way switch": true,
  "a table of 240 entries for each process, used five times": true,
};

describe.each(["seccomp", "unprivileged"] as const)("for the target %s, a policy with", (target) => {
  it.each([...accepted, ...tables])(
    "%s is compiled and means what it says, or is refused with the reason",
    (name, text) => {
      const program = load(name, text);
      const unprivileged = target === "unprivileged";
      const { compiled, diagnostics } = compileForSeccomp(program, { unprivileged, reportsVerdicts: true });
      if (unprivileged && tooLarge[name] === true) {
        expect(compiled).toBeUndefined();
        expect(renderDiagnostics(diagnostics, new Map())).toMatch(
          /error P0606: the target unprivileged cannot express the policy: it takes \d+ instructions, and this target has room for 4096\n {2}help: /,
        );
        return;
      }
      expect(diagnostics).toEqual([]);
      const tree = new ModelledTree(program, compiled!);
      const state: EvaluationState = freshState(program);
      for (let step = 0n; step < 300n; step += 1n) {
        const event = readAt(step);
        const circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
        const wanted = evaluate(program, event, circumstances, state);
        const found = tree.evaluate(0, event, { now: 0n, who: (1n << 32n) | 1n, owner: 0n });
        expect(found.returned, `step ${step}`).toBe(verdictWord(program.verdicts[wanted.verdict]!));
        program.cells.forEach(({ scope, name: cell }, index) => {
          expect(tree.cell(0, index), `step ${step}: ${cell}`).toBe(state[scope].cells[index]);
        });
      }
      program.tables.forEach(({ scope }, index) => {
        expect(tree.table(0, index)).toEqual(state[scope].tables[index]);
      });
    },
  );
});
