/** What a process can still do under a policy, in the terms of an attacker who controls it. */

import { callByName, numberOf, registerOf } from "../../abi/calls.ts";
import { executableMemoryCalls } from "../../abi/executable-memory.ts";
import { cloneFlag } from "../../abi/process-calls.ts";
import { type Chance, chanceOf, type KnownBits } from "../../analysis/chance.ts";
import type { SplitPolicy } from "../../analysis/decision.ts";
import type { Program } from "../../ir/program.ts";

export const powers = ["execute", "new processes", "connect", "write files", "executable memory"] as const;
export type Power = (typeof powers)[number];

/** A call that gives a power, if one argument has some of these bits; with any arguments if none is named. */
interface Means {
  readonly call: string;
  readonly argument?: { readonly name: string; readonly oneOf: readonly KnownBits[] };
}

const set = (...bits: readonly bigint[]): readonly KnownBits[] => bits.map((bit) => ({ mask: bit, value: bit }));
const always = (...calls: readonly string[]): readonly Means[] => calls.map((call) => ({ call }));
const having = (name: string, oneOf: readonly KnownBits[], ...calls: readonly string[]): readonly Means[] =>
  calls.map((call) => ({ call, argument: { name, oneOf } }));

/** O_WRONLY, O_RDWR, O_CREAT and O_TRUNC (include/uapi/asm-generic/fcntl.h). */
const writing = set(0o1n, 0o2n, 0o100n, 0o1000n);
const noThread = [{ mask: cloneFlag.thread, value: 0n }];

const means: Readonly<Record<Power, readonly Means[]>> = {
  execute: always("execve", "execveat"),
  "new processes": [...always("fork", "vfork", "clone3"), ...having("flags", noThread, "clone")],
  connect: always("socket", "connect"),
  "write files": [
    ...having("flags", writing, "open", "openat"),
    ...always(
      "openat2",
      "creat",
      "truncate",
      "mkdir",
      "mkdirat",
      "mknod",
      "mknodat",
      "rename",
      "renameat",
      "renameat2",
    ),
    ...always("link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir"),
  ],
  "executable memory": executableMemoryCalls.map(({ call, argument: name, ...bits }) => ({
    call,
    argument: { name, oneOf: [bits] },
  })),
};

/** The calls by which a process has a power. */
export interface PowerUse {
  readonly calls: readonly string[];
  /** State or memory decides about each of them: a count, a path, a structure. */
  readonly isConditional: boolean;
}

/** The calls may pass with some arguments and in some state. */
export function powersOf(program: Program, split: SplitPolicy): ReadonlyMap<Power, PowerUse> {
  return new Map(
    powers.map((power) => {
      const uses = means[power].map((one) => ({ call: one.call, chance: chanceOfMeans(program, split, one) }));
      const passing = uses.filter(({ chance }) => chance !== "never");
      const isConditional = passing.every(({ chance }) => chance === "sometimes");
      return [power, { calls: passing.map(({ call }) => call), isConditional }];
    }),
  );
}

function chanceOfMeans(program: Program, split: SplitPolicy, { call, argument }: Means): Chance {
  const decision = split.get(numberOf(call, program.architecture) ?? -1);
  if (decision === undefined) return "never";
  if (argument === undefined) return chanceOf(program, decision);
  const description = callByName(call)!;
  const parameter = description.parameters.findIndex(({ name }) => name === argument.name);
  if (parameter < 0) throw new Error(`${call} has no argument ${argument.name}`);
  const word = `argument${registerOf(description, parameter, program.architecture)}`;
  const chances = argument.oneOf.map((bits) => chanceOf(program, decision, { word, ...bits }));
  return (["always", "sometimes"] as const).find((chance) => chances.includes(chance)) ?? "never";
}
