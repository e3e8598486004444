/** The policies that are compared with hand-written C, and the calls of the comparison. */

import { auditArchitecture } from "../../src/abi/architecture.ts";
import { allCalls, callByName } from "../../src/abi/calls.ts";
import { durationUnits } from "../../src/abi/durations.ts";
import { errno } from "../../src/abi/errno-numbers.ts";
import { returnAction, returnWord } from "../../src/abi/return-word.ts";
import { hotCalls } from "../../src/analysis/explain/hot-calls.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { compileEbpf, type EbpfProgram } from "../../src/backend/ebpf/compile.ts";
import type { EbpfTarget } from "../../src/backend/ebpf/lower/target.ts";
import { trialTarget } from "../../src/backend/ebpf/testing/trial-target.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { Circumstances, SystemCallEvent } from "../../src/ir/evaluation.ts";
import type { Program } from "../../src/ir/program.ts";

const architecture = "x86_64";
const allowed = returnAction.ALLOW;
const killed = returnAction.KILL_PROCESS;
const denied = (errno: number): number => returnWord("ERRNO", errno);

/** The trial target with seccomp's return words as results: equal verdicts are equal words, as in the C programs. */
export const benchTarget: EbpfTarget = {
  ...trialTarget,
  word(program, verdict) {
    const { action, errno: number } = program.verdicts[verdict]!;
    return BigInt(action === "allow" ? allowed : action === "deny" ? denied(number) : killed);
  },
  always: allowed,
  refused: BigInt(denied(errno.ENOSYS)),
};

export function load(path: string): Program {
  const { program, diagnostics, sources } = loadPolicy(path, { architecture });
  if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
  return program;
}

export function compile(program: Program): EbpfProgram {
  return compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), benchTarget);
}

export interface Step {
  readonly event: SystemCallEvent;
  readonly circumstances: Circumstances;
}

const milliseconds = durationUnits.ms;

/** One call every 10 ms. */
function steps(calls: readonly (readonly [name: string, ...values: bigint[]])[]): Step[] {
  return calls.map(([name, ...values], index) => {
    const number = callByName(name)?.number[architecture];
    if (number === undefined) throw new RangeError(`no call ${name}`);
    const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = values;
    const now = 1_000n * milliseconds + 10n * milliseconds * BigInt(index);
    return {
      event: {
        number,
        architecture: auditArchitecture[architecture],
        instructionPointer: 0n,
        arguments: [a, b, c, d, e, f],
      },
      circumstances: { now, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n },
    };
  });
}

const repeated = (count: number, ...names: readonly string[]): [string][] =>
  Array.from({ length: count }, (_, index) => [names[index % names.length]!]);

/** For each policy of bench/policies/ebpf and bench/reference/ebpf: the calls that its rules concern. */
export const ownCalls: { readonly [policy: string]: readonly Step[] } = {
  "allow-list": steps([
    ...repeated(8, "read", "write", "openat", "close", "mmap", "futex", "clock_gettime", "statx"),
    ...repeated(8, "socket", "connect", "execve", "ptrace", "mount", "bpf", "init_module", "unshare"),
  ]),
  arguments: steps([
    ...[1n, 2n, 10n, 16n, 3n, 17n].map((family) => ["socket", family, 1n, 0n] as [string, ...bigint[]]),
    ["socket", 16n, 3n, 9n],
    ...[0n, 1n, 3n, 5n, 7n].map((protection) => ["mmap", 0n, 4096n, protection] as [string, ...bigint[]]),
    ...[1n, 5n, 6n].map((protection) => ["mprotect", 4096n, 4096n, protection] as [string, ...bigint[]]),
    ...[17n, 0x3d_0f00n, 0x1000_0011n, 0x2_0000n].map((flags) => ["clone", flags] as [string, ...bigint[]]),
    ...[0x5401n, 0x5413n, 0x5412n, 0x541cn, 0x541dn, 0x5423n, 0x8910n, 0xc020_660bn].map(
      (command) => ["ioctl", 0n, command] as [string, ...bigint[]],
    ),
    ...[0n, 8n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn, 4n].map((persona) => ["personality", persona] as [string, bigint]),
    ["prlimit64", 0n, 7n, 4096n],
    ["prlimit64", 12n, 7n, 0n],
    ["prlimit64", 12n, 7n, 4096n],
    ["lseek", 3n, 0n],
    ["lseek", 3n, 0x1_0000_0000n],
    ["lseek", 3n, 0xffff_ffff_ffff_ffffn],
  ]),
  limit: steps(repeated(20, "execve", "execveat")),
  phases: steps([
    ...repeated(7, "bind", "setgroups", "setgid", "setuid", "chroot", "execve", "execveat"),
    ...repeated(2, "accept", "accept4"),
    ...repeated(7, "bind", "setgroups", "setgid", "setuid", "chroot", "execve", "execveat"),
    ...repeated(6, "accept4"),
  ]),
  table: steps([
    ...Array.from({ length: 8 }, (_, fd) => ["dup", BigInt(fd)] as [string, bigint]),
    ...[0n, 3n, 7n, 8n].flatMap((fd) => [["fsync", fd] as [string, bigint], ["dup", fd] as [string, bigint]]),
    ...[3n, 7n, 0n, 20n].flatMap((fd) => [["close", fd] as [string, bigint], ["fsync", fd] as [string, bigint]]),
    ...Array.from({ length: 12 }, (_, fd) => ["dup", BigInt(100 + fd)] as [string, bigint]),
    ...Array.from({ length: 6 }, (_, fd) => ["fsync", BigInt(98 + 2 * fd)] as [string, bigint]),
  ]),
  rate: steps(repeated(40, "fork", "vfork", "clone")),
};

/** The most frequent calls of programs, and every call once. */
export const everydayCalls = steps(
  [...hotCalls].filter((name) => callByName(name)?.number[architecture] !== undefined).map((name) => [name]),
);
export const everyCall = steps(
  allCalls.filter(({ number }) => number[architecture] !== undefined).map(({ name }) => [name]),
);
