/** A call on which two random policies give different verdicts is in their difference. */
import { expect, it } from "vitest";
import { allCalls } from "../../abi/calls.ts";
import { InterpreterEvaluator } from "../../engines/simulate/interpreter-evaluator.ts";
import { SimulatedTree } from "../../engines/simulate/tree.ts";
import type { Program } from "../../ir/program.ts";
import { generateProgram, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { pick } from "../../ir/testing/choices.ts";
import { seeds } from "../../ir/testing/seeds.ts";
import { comparePolicies } from "./compare.ts";

const pairs = 80;
const callsOfPair = 400;

function verdictOf(program: Program, number: number, registers: readonly bigint[]): string {
  const tree = new SimulatedTree(new InterpreterEvaluator(program), { pid: 1, uid: 0, gid: 0 });
  return tree.task(1)!.call({ number, arguments: registers }).verdict;
}

it("finds the differences that random calls show", () => {
  let [different, alike] = [0, 0];
  for (const seed of seeds(pairs)) {
    const choices = new SeededChoices(seed);
    const one = generateProgram(new SeededChoices(seed));
    // The half of the pairs are the same policy, but for its verdicts' places: it has no difference.
    const two = seed % 2 === 0 ? { ...one, files: ["other.ts"] } : generateProgram(new SeededChoices(seed + 1_000_000));
    if (one.architecture !== two.architecture) continue;
    const found = comparePolicies(one, two);
    if (seed % 2 === 0) {
      expect(found.calls, `seed ${seed}`).toEqual([]);
      alike++;
      continue;
    }
    const names = new Set(found.calls.flatMap(({ calls }) => calls));
    for (let index = 0; index < callsOfPair; index++) {
      const call = pick(choices, allCalls);
      const number = call.number[one.architecture];
      if (number === undefined) continue;
      const registers = Array.from({ length: 6 }, () => BigInt(choices.below(6)));
      const [was, is] = [verdictOf(one, number, registers), verdictOf(two, number, registers)];
      if (was === is || /unknown|fails/.test(was + is)) continue;
      different++;
      const isFound = names.has(call.name) || names.has("any other call");
      expect(isFound, `seed ${seed}: ${call.name}(${registers}): ${was}, ${is}`).toBe(true);
    }
  }
  expect(different).toBeGreaterThan(0);
  expect(alike).toBeGreaterThan(0);
});
