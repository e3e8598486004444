/** What a process can still do under a policy, in the terms of an attacker who controls it. */
import type { Decision, SplitPolicy } from "../analysis/decision.ts";
import type { Interval, Program } from "../ir/program.ts";
import { mayPass } from "../ir/verdicts.ts";
import { callByName, numberOf, registerOf } from "../linux/calls.ts";
import { cloneFlag } from "../linux/process-calls.ts";

export const powers = ["execute", "new processes", "connect", "write files", "executable memory"] as const;
export type Power = (typeof powers)[number];

/** Some bits of an argument: those of `mask` are those of `value`. */
interface KnownBits {
  readonly mask: bigint;
  readonly value: bigint;
}

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
/** PROT_EXEC, and SHM_EXEC of shmat. */
const [protExec, shmExec] = [set(4n), set(0o100000n)];

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
  "executable memory": [
    ...having("prot", protExec, "mmap", "mprotect", "pkey_mprotect"),
    ...having("shmflg", shmExec, "shmat"),
    // READ_IMPLIES_EXEC
    ...always("personality"),
  ],
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
      const uses = means[power].map((one) => ({ call: one.call, chance: chanceOf(program, split, one) }));
      const passing = uses.filter(({ chance }) => chance !== "never");
      const isConditional = passing.every(({ chance }) => chance === "sometimes");
      return [power, { calls: passing.map(({ call }) => call), isConditional }];
    }),
  );
}

type Chance = "never" | "sometimes" | "always";

function chanceOf(program: Program, split: SplitPolicy, { call, argument }: Means): Chance {
  const decision = split.get(numberOf(call, program.architecture) ?? -1);
  if (decision === undefined) return "never";
  if (argument === undefined) return chanceWith(program, decision, undefined, { mask: 0n, value: 0n });
  const description = callByName(call)!;
  const parameter = description.parameters.findIndex(({ name }) => name === argument.name);
  if (parameter < 0) throw new Error(`${call} has no argument ${argument.name}`);
  const word = `argument${registerOf(description, parameter, program.architecture)}`;
  const chances = argument.oneOf.map((known) => chanceWith(program, decision, word, known));
  return (["always", "sometimes"] as const).find((chance) => chances.includes(chance)) ?? "never";
}

/** Each test is asked alone, so that "never" is certain. */
function chanceWith(program: Program, decision: Decision, word: string | undefined, known: KnownBits): Chance {
  const reached = new Set([decision]);
  for (const node of reached) {
    if (node.kind === "leaf") continue;
    const { mask, intervals } = node.test;
    const isAbout = node.test.word === word;
    if (!isAbout || intervals.some((one) => meets(one, mask, known))) reached.add(node.then);
    if (!isAbout || outside(intervals, mask).some((one) => meets(one, mask, known))) reached.add(node.otherwise);
  }
  const passes = (verdict: number) => mayPass(program.verdicts[verdict]!);
  const leaves = [...reached].filter((node) => node.kind === "leaf");
  if (leaves.some(({ possible }) => possible.every(passes))) return "always";
  return leaves.some(({ possible }) => possible.some(passes)) ? "sometimes" : "never";
}

function outside(intervals: readonly Interval[], most: bigint): Interval[] {
  const found: Interval[] = [];
  let next = 0n;
  for (const { from, to } of intervals) {
    if (from > next) found.push({ from: next, to: from - 1n });
    next = to + 1n;
  }
  if (next <= most) found.push({ from: next, to: most });
  return found;
}

/** Whether a value of these bits, with the known ones, lies in the interval. */
function meets({ from, to }: Interval, mask: bigint, known: KnownBits): boolean {
  // From the highest bit on; `low` and `high`: the bits until now are those of the interval's end.
  const search = (bit: bigint, low: boolean, high: boolean): boolean => {
    if (bit < 0n || !(low || high)) return true;
    const at = (value: bigint) => (value >> bit) & 1n;
    const choices = at(mask) === 0n ? [0n] : at(known.mask) === 1n ? [at(known.value)] : [0n, 1n];
    return choices.some((choice) => {
      if ((low && choice < at(from)) || (high && choice > at(to))) return false;
      return search(bit - 1n, low && choice === at(from), high && choice === at(to));
    });
  };
  return search(63n, true, true);
}
