import { describe, expect, test } from "vitest";
import { callByName } from "./calls.ts";
import { type NamedArgument, registersOf } from "./registers.ts";

const registers = (name: string, given: Record<string, NamedArgument>, architecture: "x86_64" | "aarch64" = "x86_64") =>
  registersOf(callByName(name)!, architecture, given);

describe("registers from arguments by name", () => {
  test("integers, in the width of the C type", () => {
    expect(registers("openat", { dirfd: -100n, path: 0x1000n })).toEqual([0xffff_ff9cn, 0x1000n, 0n, 0n, 0n, 0n]);
    expect(registers("lseek", { fd: 3n, offset: -1n })).toEqual([3n, 0xffff_ffff_ffff_ffffn, 0n, 0n, 0n, 0n]);
    // An attacker can pass more than the argument's width.
    expect(registers("socket", { family: 0x1_0000_0002n })[0]).toBe(0x1_0000_0002n);
  });

  test("flags and choices by name", () => {
    expect(registers("openat", { flags: ["O_WRONLY", "O_CREAT"] })[2]).toBe(0o101n);
    expect(registers("socket", { family: "AF_INET", type: ["SOCK_STREAM", "SOCK_CLOEXEC"] })).toEqual([
      ...[2n, 0o2000001n],
      ...[0n, 0n, 0n, 0n],
    ]);
  });

  test("the registers of an architecture", () => {
    const clone = callByName("clone")!;
    const last = clone.parameters.at(-1)!.name;
    expect(registers("clone", { [last]: 7n }).indexOf(7n)).not.toBe(
      registers("clone", { [last]: 7n }, "aarch64").indexOf(7n),
    );
  });

  test("mistakes, with a remedy", () => {
    expect(() => registers("openat", { pathname: 1n })).toThrow(
      "openat has no argument `pathname`: it has dirfd, path",
    );
    expect(() => registers("openat", { pathname: 1n })).toThrow("did you mean `path`?");
    expect(() => registers("openat", { flags: ["O_CREATE"] })).toThrow("did you mean O_CREAT?");
    expect(() => registers("read", { fd: ["O_CREAT"] })).toThrow("is an integer");
    expect(() => registers("read", { fd: 1n << 64n })).toThrow(RangeError);
    expect(() => registers("read", { fd: 3 as unknown as bigint })).toThrow("write it as a bigint");
  });
});
