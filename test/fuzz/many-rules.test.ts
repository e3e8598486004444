/**
 * Many rules of each form that once took minutes or all memory: the split has a decision for each call, which covers
 * the policy's verdicts, and eBPF gives a program or an error.
 */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import type { Decision, DecisionLeaf } from "../../src/analysis/decision.ts";
import { lintPolicy } from "../../src/analysis/lint/lint.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { compileEbpf } from "../../src/backend/ebpf/compile.ts";
import { TargetError } from "../../src/backend/ebpf/lower/target.ts";
import { trialTarget } from "../../src/backend/ebpf/testing/trial-target.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { EvaluationState, SystemCallEvent } from "../../src/ir/evaluation.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import type { Program } from "../../src/ir/program.ts";
import { freshState } from "../../src/ir/testing/parts.ts";
import { runs } from "../support/parts.ts";

/** The analyses reach their limits with 500; for some forms the instructions do with 2,000, which take twice as long. */
const count = runs("random") ? 2000 : 500;
const many = (text: (index: number) => string) => Array.from({ length: count }, (_, index) => text(index)).join("\n");
const counters = many((n) => `const c${n} = perTree.counter();`);

/** By the form of the rules: declarations and rules. */
const shapes: { readonly [name: string]: readonly [string, string] } = {
  "values of one argument, a counter each": [
    counters,
    many((n) => `if (call.name === "fcntl" && call.args.arg === ${7 * n + 3}n) c${n}.add();`),
  ],
  "values of one argument, a counter and a verdict each": [
    counters,
    many((n) => `if (call.name === "fcntl" && call.args.arg === ${n}n && c${n}.add() > 9n) return deny("EPERM");`),
  ],
  "limits of one argument, a counter and a verdict each": [
    counters,
    many((n) => `if (call.name === "fcntl" && call.args.arg > ${n}n && c${n}.add() > 9n) return deny("EPERM");`),
  ],
  "bits of all arguments, a counter each": [
    counters,
    many((n) => `if ((call.raw.arg${n % 6} & ${1n << BigInt(n % 64)}n) !== 0n) c${n}.add();`),
  ],
  "any call, a counter and a verdict each": [
    counters,
    many((n) => `if (c${n}.add() > ${n + 9}n) return deny("EPERM");`),
  ],
  "any call and an argument, a counter and a verdict each": [
    counters,
    many((n) => `if (call.raw.arg1 === ${n}n && c${n}.add() > 9n) return deny("EPERM");`),
  ],
  "any call, one counter, a verdict each": [
    "const c = perProcess.counter();",
    `${many((n) => `if (c.get() === ${7 * n + 3}n) return deny("EPERM");`)}\nc.add();`,
  ],
};

function load([declarations, rules]: readonly [string, string]): Program {
  const text = `import { allow, deny, perProcess, perTree, policy } from "portcullis";
${declarations}
export default policy((call) => {
${rules}
  return allow;
});
`;
  const names = ["deny", "perProcess", "perTree"].filter((name) => text.split(name).length > 2);
  const { program, diagnostics, sources } = loadPolicy("/rules.ts", {
    architecture: "x86_64",
    readFile: () => text.replace(/import .*/, `import { allow, ${names.join(", ")}, policy } from "portcullis";`),
  });
  if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources).slice(0, 2000));
  return program;
}

function leafFor(decision: Decision, event: SystemCallEvent): DecisionLeaf {
  let at = decision;
  while (at.kind === "test") {
    const { word, mask, intervals } = at.test;
    const value = word === "instructionPointer" ? event.instructionPointer : event.arguments[Number(word.at(-1))]!;
    at = intervals.some(({ from, to }) => from <= (value & mask) && (value & mask) <= to) ? at.then : at.otherwise;
  }
  return at;
}

describe(`${count} rules about`, () => {
  it.each(Object.entries(shapes))("%s", (_, shape) => {
    const program = load(shape);
    lintPolicy(program);
    const split = splitPolicy(program, { superviseProcessCreation: false });
    const state: EvaluationState = freshState(program);
    for (let step = 0n; step < 300n; step += 1n) {
      const word = (step * 7n) % 2003n;
      const event: SystemCallEvent = {
        number: step % 3n === 0n ? 0 : 72,
        architecture: auditArchitecture.x86_64,
        instructionPointer: 0n,
        arguments: [word, word, word, 1n << (step % 64n), 0n, step],
      };
      const circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
      const { verdict, changedState } = evaluate(program, event, circumstances, state);
      const leaf = leafFor(split.get(event.number)!, event);
      expect(leaf.possible).toContain(verdict);
      if (changedState) expect(leaf.stateful.length).toBeGreaterThan(0);
    }
    try {
      expect(compileEbpf(program, split, trialTarget).instructions.length).toBeGreaterThan(count);
    } catch (error) {
      expect(error).toBeInstanceOf(TargetError);
      expect(String(error)).toMatch(/it takes \d+ instructions, and a jump reaches/);
    }
  });
});
