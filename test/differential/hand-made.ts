/** Small programs for tests: each part has a default. */

import type { Circumstances, SystemCallEvent } from "../../src/ir/evaluation.ts";
import type { IntegerExpression, Program, Statement } from "../../src/ir/program.ts";
import { emptyLists } from "../../src/ir/testing/parts.ts";
import type { Verdict } from "../../src/ir/verdicts.ts";

export function programOf(parts: Partial<Program>): Program {
  return {
    architecture: "x86_64",
    name: "test",
    files: ["test.ts"],
    admission: { always: [], judged: [{ from: 0n, to: 1000n }] },
    verdicts: sampleVerdicts,
    ...emptyLists,
    body: [returnVerdict(0)],
    ...parts,
  };
}

const verdict = (action: Verdict["action"], errno = 0): Verdict => ({
  action,
  errno,
  reason: undefined,
  at: undefined,
});

/** By index: allow, log, deny EPERM, deny EACCES, trap, kill thread, kill process, another allow. */
export const sampleVerdicts: readonly Verdict[] = [
  verdict("allow"),
  verdict("log"),
  verdict("deny", 1),
  verdict("deny", 13),
  verdict("trap"),
  verdict("kill-thread"),
  verdict("kill-process"),
  verdict("allow"),
];

export const returnVerdict = (index: number): Statement => ({
  kind: "return",
  verdict: { kind: "verdict", verdict: index },
});

export const constant = (value: bigint): IntegerExpression => ({ kind: "constant", value: BigInt.asUintN(64, value) });

export const argument = (index: 0 | 1 | 2 | 3 | 4 | 5): IntegerExpression => ({
  kind: "input",
  input: `argument${index}`,
});

export const eventOf = (number: number, ...given: readonly bigint[]): SystemCallEvent => {
  const word = (index: number) => BigInt.asUintN(64, given[index] ?? 0n);
  return {
    number,
    architecture: 0xc000_003e,
    instructionPointer: 0x7f00_0000_1234n,
    arguments: [word(0), word(1), word(2), word(3), word(4), word(5)],
  };
};

export const quiet: Circumstances = { now: 0n, pid: 100, tid: 100, uid: 1000, gid: 1000, alive: 1n };

/** Boundary values of operators. */
export const boundaryWords: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  63n,
  64n,
  65n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x1_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ff9cn,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x8000_0000_0000_0001n,
  0xffff_ffff_ffff_ff9cn,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
];
