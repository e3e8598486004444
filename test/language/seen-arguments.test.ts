/**
 * A policy sees an argument as the kernel leaves it. Each case of the first table was a bypass: the kernel does the same
 * for both calls, and a rule on the register's bits told them apart (test/live/rewritten-arguments.test.ts asks the kernel).
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { callByName, registerOf } from "../../src/abi/calls.ts";
import { nameSet } from "../../src/abi/flags.ts";
import { rewrittenArguments } from "../../src/abi/rewrites.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { property } from "../../src/ir/testing/property.ts";
import { type Ask, ask } from "./ask.ts";
import { policyModule } from "./corpus.ts";
import { kernelBits } from "./kernel-bits.ts";

function compile(body: string, architecture?: ArchitectureName): Ask {
  const asked = ask(body, architecture);
  if (asked === undefined) throw new Error(`refused: ${body}`);
  return asked;
}

const O_PATH = 0o10000000n;
const O_CREAT = 0o100n;
const O_EXCL = 0o200n;
const MS_BIND = 0x1000n;
const MS_PRIVATE = 1n << 18n;

describe("the kernel's view of an argument", () => {
  it.each<[string, string, string, bigint[], string]>([
    ["SOCK_PACKET makes AF_PACKET of AF_INET", 'call.args.family.is("AF_INET")', "socket", [2n, 10n, 0n], "allow"],
    ["and a rule against AF_PACKET sees it", 'call.args.family.is("AF_PACKET")', "socket", [2n, 10n, 0n], "deny EPERM"],
    ["with flags beside the type", "call.args.family.value === 17n", "socket", [2n, 10n | 0x80800n, 0n], "deny EPERM"],
    ["not of AF_INET6", 'call.args.family.is("AF_INET6")', "socket", [10n, 10n, 0n], "deny EPERM"],
    ["nor with another type", 'call.args.family.is("AF_INET", "AF_INET6")', "socket", [2n, 1n, 0n], "deny EPERM"],
    ["nor of socketpair", 'call.args.family.is("AF_PACKET")', "socketpair", [2n, 10n, 0n], "deny EPERM"],
    [
      "mount's magic holds MS_PRIVATE",
      'call.args.flags.has("MS_PRIVATE")',
      "mount",
      [0n, 0n, 0n, 0xc0ed_0000n],
      "allow",
    ],
    ["and hides nothing below it", 'call.args.flags.has("MS_BIND")', "mount", [0n, 0n, 0n, 0xc0ed_1000n], "deny EPERM"],
    ["nor above 32 bits", "call.args.flags.bits === 0n", "mount", [0n, 0n, 0n, 0x7_c0ed_0000n], "deny EPERM"],
    [
      "a bind mount changes no propagation",
      'call.args.flags.has("MS_PRIVATE")',
      "mount",
      [0n, 0n, 0n, MS_BIND | MS_PRIVATE],
      "allow",
    ],
    [
      "O_PATH creates nothing",
      'call.args.flags.has("O_CREAT", "O_EXCL")',
      "openat",
      [0n, 0n, O_PATH | O_CREAT | O_EXCL],
      "allow",
    ],
    ["nor writes", 'call.args.flags.hasAny("O_WRONLY", "O_RDWR")', "openat", [0n, 0n, O_PATH | 1n], "allow"],
    ["one bit of O_SYNC is O_SYNC", 'call.args.flags.has("O_SYNC")', "openat", [0n, 0n, 0o4000000n], "deny EPERM"],
    [
      "but not beside O_PATH",
      'call.args.flags.hasAny("O_SYNC", "O_DSYNC")',
      "openat",
      [0n, 0n, O_PATH | 0o4000000n],
      "allow",
    ],
    ["O_LARGEFILE says nothing", 'call.args.flags.hasOnly("O_RDONLY")', "openat", [0n, 0n, 0o100000n], "deny EPERM"],
    ["bits without a meaning stay", 'call.args.flags.hasOnly("O_RDONLY")', "openat", [0n, 0n, 1n << 30n], "allow"],
    ["chmod uses 12 bits", "call.args.mode === 0o4755n", "chmod", [0n, 0o104755n], "deny EPERM"],
    ["mkdir no set-user-ID bit", "call.args.mode === 0o755n", "mkdir", [0n, 0o6755n], "deny EPERM"],
    ["umask 9 bits", "call.args.mask === 0n", "umask", [0o7000n], "deny EPERM"],
    ["mknod's type 0 is a file", "(call.args.mode & 0o170000n) === 0o100000n", "mknod", [0n, 0o644n], "deny EPERM"],
    ["an I/O class has 3 bits", "call.args.ioprio >> 13n === 1n", "ioprio_set", [1n, 0n, 0x1_2000n], "deny EPERM"],
    [
      "preadv's pos_h is unused",
      "call.args.pos_l + call.args.pos_h === 10n",
      "preadv",
      [0n, 0n, 1n, 10n, 1n],
      "deny EPERM",
    ],
    ["bpf's common attributes are no command", 'call.args.cmd.is("BPF_PROG_LOAD")', "bpf", [0x1_0005n], "deny EPERM"],
    ["UNSHARE_EMPTY_MNTNS is CLONE_NEWNS", 'call.args.flags.has("CLONE_NEWNS")', "unshare", [0x10_0000n], "deny EPERM"],
    ["a shared mapping, validated", 'call.args.flags.has("MAP_SHARED")', "mmap", [0n, 1n, 1n, 3n], "deny EPERM"],
    ["a wake-up that unlocks too", 'call.args.op.has("FUTEX_WAKE")', "futex", [0n, 0x201n], "deny EPERM"],
    [
      "an anonymous mapping has no descriptor",
      "call.args.fd === 0xffff_ffffn",
      "mmap",
      [0n, 1n, 5n, 0x22n, 3n],
      "deny EPERM",
    ],
    ["kcmp's second index, too", "call.args.idx2 === 1n", "kcmp", [1n, 1n, 0n, 1n, 1n | (1n << 40n)], "deny EPERM"],
    ["which is a pointer for epoll", "call.args.idx2 === 1n", "kcmp", [1n, 1n, 7n, 1n, 1n | (1n << 40n)], "allow"],
    ["a negative backlog is a large one", "call.args.backlog > 100n", "listen", [0n, 0xffff_ffffn], "deny EPERM"],
    ["a raw Unix socket is one of datagrams", 'call.args.type.has("SOCK_DGRAM")', "socket", [1n, 3n], "deny EPERM"],
    ["with flags, too", 'call.args.type.has("SOCK_DGRAM")', "socketpair", [1n, 0x80003n], "deny EPERM"],
    ["a raw AF_INET socket is raw", 'call.args.type.has("SOCK_RAW")', "socket", [2n, 3n], "deny EPERM"],
    ["AF_PACKET's protocol has 16 bits", "call.args.protocol === 0x300n", "socket", [17n, 3n, 0x1_0300n], "deny EPERM"],
    ["by SOCK_PACKET, too", "call.args.protocol === 0x300n", "socket", [2n, 10n, 0x1_0300n], "deny EPERM"],
    ["AF_INET's protocol has 32", "call.args.protocol === 0x300n", "socket", [2n, 3n, 0x1_0300n], "allow"],
    [
      "a bind mount is as writable as its source",
      '!call.args.flags.has("MS_RDONLY")',
      "mount",
      [0n, 0n, 0n, MS_BIND | 1n],
      "deny EPERM",
    ],
    [
      "but a remount of it is read-only",
      '!call.args.flags.has("MS_RDONLY")',
      "mount",
      [0n, 0n, 0n, MS_BIND | 0x20n | 1n],
      "allow",
    ],
    ["a move, too", '!call.args.flags.has("MS_RDONLY")', "mount", [0n, 0n, 0n, 0x2001n], "deny EPERM"],
    ["setns with 0 joins any", 'call.args.flags.has("CLONE_NEWUSER")', "setns", [3n, 0n], "deny EPERM"],
    ["and is none of a single type", 'call.args.flags.hasOnly("CLONE_NEWNET")', "setns", [3n, 0n], "allow"],
    [
      "a registered ring changes no operation",
      "call.args.opcode === 2n",
      "io_uring_register",
      [3n, 0x8000_0002n],
      "deny EPERM",
    ],
    ["FD_CLOEXEC is one bit", "call.args.arg === 0n", "fcntl", [3n, 2n, 6n], "deny EPERM"],
    ["F_DUPFD takes 32", "call.args.arg === 7n", "fcntl", [3n, 0n, 7n | (1n << 32n)], "deny EPERM"],
    ["F_SETFL no access mode", "call.args.arg === 0o4000n", "fcntl", [3n, 4n, 0o4002n | (1n << 40n)], "deny EPERM"],
    ["a lock is a pointer", "call.args.arg === 7n", "fcntl", [3n, 6n, 7n | (1n << 32n)], "allow"],
    ["a key has 32 bits", "call.args.arg3 === 0xffff_fffcn", "keyctl", [8n, 5n, 0xffff_ffff_ffff_fffcn], "deny EPERM"],
    ["a semaphore's value, too", "call.args.arg === 1n", "semctl", [0n, 0n, 16n, 1n | (1n << 32n)], "deny EPERM"],
    ["a set of registers, too", "call.args.addr === 1n", "ptrace", [0x4204n, 1n, 1n | (1n << 32n)], "deny EPERM"],
    ["a file to clone, too", "call.args.arg === 5n", "ioctl", [3n, 0x4004_9409n, 5n | (1n << 32n)], "deny EPERM"],
    [
      "every tracer is −1",
      "call.args.arg2 === 0xffff_ffff_ffff_ffffn",
      "prctl",
      [0x5961_6d61n, 0x1_ffff_ffffn],
      "deny EPERM",
    ],
    ["kcmp's index has 32 bits", "call.args.idx1 === 1n", "kcmp", [1n, 1n, 0n, 1n | (1n << 40n)], "deny EPERM"],
  ])("%s", (_, condition, call, registers, verdict) => {
    const judge = compile(`if (call.name === "${call}" && ${condition}) return deny("EPERM");\nreturn allow;`);
    expect(judge(call, ...registers)).toBe(verdict);
  });

  it("is the same for several calls together", () => {
    const judge = compile(
      'return calls("open", "openat").has(call) && call.args.flags.has("O_CREAT") ? deny("EPERM") : allow;',
    );
    expect(judge("open", 0n, O_CREAT)).toBe("deny EPERM");
    expect(judge("open", 0n, O_CREAT | O_PATH)).toBe("allow");
    expect(judge("openat", 0n, 0n, O_CREAT)).toBe("deny EPERM");
    expect(judge("openat", 0n, O_CREAT, O_PATH)).toBe("allow");
  });

  it("has its own range, which limits comparisons", () => {
    const refused = (body: string) =>
      loadPolicy("/p/main.ts", { architecture: "x86_64", readFile: () => policyModule("", body) }).diagnostics.map(
        (one) => one.message,
      );
    expect(refused('return call.name === "chmod" && call.args.mode === 0o100644n ? deny("EPERM") : allow;')).toEqual([
      "never true: `mode` is a umode_t of which the kernel uses 12 bits, 0 … 4095, and 33188 lies outside",
    ]);
  });
});

describe("a name tests the bits after the kernel's changes", () => {
  const architectures: readonly ArchitectureName[] = ["x86_64", "aarch64"];
  const questions = architectures.flatMap((architecture) =>
    rewrittenArguments().flatMap((argument) => {
      const [name = "", parameter = ""] = argument.split(".");
      const call = callByName(name)!;
      const { kind } = call.parameters.find((one) => one.name === parameter)!;
      if (call.number[architecture] === undefined || !("set" in kind)) return [];
      return [{ architecture, call, parameter, kind }];
    }),
  );

  property(
    [fc.constantFrom(...questions), fc.nat(), fc.array(fc.nat(), { maxLength: 6 }), fc.bigInt(0n, 2n ** 64n - 1n)],
    {
      numRuns: 150,
    },
  )("of every set", ({ architecture, call, parameter, kind }, chosen, others, noise) => {
    const members = nameSet(kind.set)!.members.filter((one) => one.value[architecture] !== undefined);
    const asked = members[chosen % members.length]!;
    const index = call.parameters.findIndex((one) => one.name === parameter);
    const { width } = call.parameters[index]!;
    // The register: a combination of named values, sometimes with random bits in the upper half.
    let register = others.reduce((bits, one) => bits | members[one % members.length]!.value[architecture]!, 0n);
    if (noise % 3n === 0n) register ^= noise;
    const registers = [0n, 0n, 0n, 0n, 0n, 0n];
    if (call.name.startsWith("socket")) registers[1] = noise % 2n === 0n ? 10n : 1n;
    registers[registerOf(call, index, architecture)] = register;
    const bits = kernelBits(call, call.parameters[index]!, registers, architecture);
    const whole = BigInt.asUintN(width, -1n);
    const expected = (bits & asked.mask[architecture]! & whole) === (asked.value[architecture]! & whole);
    const method = kind.is === "choice" ? "is" : "has";
    const judge = compile(
      `return call.name === "${call.name}" && call.args.${parameter}.${method}("${asked.name}") ? deny("EPERM") : allow;`,
      architecture,
    );
    expect(judge(call.name, ...registers)).toBe(expected ? "deny EPERM" : "allow");
  });
});
