/** Builds a program around decisions that a test has made. */

import type { ArchitectureName } from "../../../abi/architecture.ts";
import { returnWord } from "../../../abi/return-word.ts";
import type { SplitPolicy } from "../../../analysis/decision.ts";
import type { Interval, Program } from "../../../ir/program.ts";
import { emptyLists } from "../../../ir/testing/parts.ts";
import type { Verdict } from "../../../ir/verdicts.ts";
import type { ClassicTarget } from "../compile.ts";

/** An errno that no kernel returns, so that a result identifies its return. */
export const foreignErrno = 3001;
export const unknownErrno = 3002;
export const alwaysErrno = 3003;
export const firstVerdictErrno = 3100;

/** Verdict `i` is `deny(3100 + i)`. */
export function programOf(
  split: SplitPolicy,
  options: { architecture?: ArchitectureName; always?: readonly number[]; verdicts?: number } = {},
): Program {
  const verdicts = Array.from(
    { length: options.verdicts ?? 8 },
    (_, index): Verdict => ({
      action: "deny",
      errno: firstVerdictErrno + index,
      reason: undefined,
      at: { file: 0, line: index + 1, column: 1, length: 1 },
    }),
  );
  return {
    architecture: options.architecture ?? "x86_64",
    name: "test",
    files: ["test.ts"],
    admission: { always: intervalsOf(options.always ?? []), judged: intervalsOf([...split.keys()]) },
    verdicts,
    ...emptyLists,
  };
}

/** Every return is a distinct denial. */
export const distinctTarget: ClassicTarget = {
  leaf: (leaf) => returnWord("ERRNO", firstVerdictErrno + leaf.weakest),
  unknown: returnWord("ERRNO", unknownErrno),
  foreign: returnWord("ERRNO", foreignErrno),
  always: returnWord("ERRNO", alwaysErrno),
  launcherToken: undefined,
};

export function intervalsOf(numbers: readonly number[]): Interval[] {
  const result: { from: bigint; to: bigint }[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = result.at(-1);
    if (last !== undefined && last.to + 1n === BigInt(number)) last.to += 1n;
    else result.push({ from: BigInt(number), to: BigInt(number) });
  }
  return result;
}

/** `AUDIT_ARCH_…` of i386, x86_64, aarch64, arm, and values that no kernel sends. */
export const architectureWords = [0x4000_0003, 0xc000_003e, 0xc000_00b7, 0x4000_0028, 0, 0xffff_ffff] as const;

/** Every number of the tables and some beyond, x32 numbers, −1, and the ends of the signed and unsigned ranges. */
export const probedNumbers: readonly number[] = [
  ...Array(1024).keys(),
  0x3fff_ffff,
  ...Array.from({ length: 600 }, (_, number) => 0x4000_0000 + number),
  0x7fff_ffff,
  0x8000_0000,
  0x8000_003b,
  0xbfff_ffff,
  0xc000_0000,
  0xc000_003b,
  0xffff_fffe,
  0xffff_ffff,
];
