/** Runs the rules that protect the window in an interpreter of classic BPF: the calls that they refuse, at each boundary. */
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";
import { returns } from "./testing/rules.ts";
import { windowRange, windowRules } from "./window-rules.ts";

const { start, end } = windowRange;

const refuses = (call: string, ...registers: readonly (number | bigint)[]): boolean =>
  returns(windowRules("x86_64"), call, registers);

describe("the rules that protect the window", () => {
  const page = 0x1000;
  const ranges: readonly (readonly [bigint | number, bigint | number, boolean])[] = [
    [start, page, true],
    [end - page, page, true],
    [start - page, 2 * page, true],
    [start - page, page + 1, true],
    [0, start + 1, true],
    [0, 2n ** 64n - 1n, true],
    [page, 2n ** 63n, true],
    [page, 0x8000_0000, true],
    [page, 0xffff_f000, true],
    [start, 0, true],
    [start - page, page, false],
    [0, start, false],
    [end, page, false],
    [end, 2n ** 47n, false],
    [start - page, 0, false],
    [2n ** 32n + BigInt(start), page, false],
    // With a tag in the top byte.
    [2n ** 57n + BigInt(start), page, true],
    [2n ** 63n + BigInt(start), page, true],
  ];
  it.each(ranges)("a range at %d with %d bytes: refused %s", (from, length, isRefused) => {
    for (const call of ["munmap", "mprotect", "pkey_mprotect", "madvise", "remap_file_pages"]) {
      expect(refuses(call, from, length), call).toBe(isRefused);
    }
    const isBelow = BigInt.asUintN(56, BigInt(from)) < BigInt(end);
    expect(refuses("mmap", from, length, 3, 0x32), "mmap").toBe(isBelow);
    expect(refuses("mmap", from, length, 3, 0x10_0001), "mmap without MAP_FIXED").toBe(false);
    expect(refuses("mremap", from, length, page, 0), "mremap from").toBe(isRefused);
    expect(refuses("mremap", 0x4000_0000, page, length, 3, from), "mremap to").toBe(isBelow);
    expect(refuses("mremap", 0x4000_0000, page, length, 1, from), "mremap without MREMAP_FIXED").toBe(false);
  });

  it("refuses a huge page over the window", () => {
    const [anonymous, mapHugePages] = [0x32, 0x4_0000];
    expect(refuses("mmap", 0, 1, 3, anonymous | mapHugePages)).toBe(true);
    expect(refuses("mremap", 0x4000_0000, end, 1, 3, 0)).toBe(true);
  });

  it("allows MADV_DONTFORK, which the supervisor needs", () => {
    expect(refuses("madvise", start, page, 10)).toBe(false);
    expect(refuses("madvise", start, page, 11)).toBe(true);
  });

  it("refuses shmat and brk at addresses below the window's end", () => {
    for (const [call, registers] of [
      ["shmat", (address: number) => [1, address, 0o40000]],
      ["brk", (address: number) => [address]],
    ] as const) {
      expect(refuses(call, ...registers(0)), call).toBe(false);
      expect(refuses(call, ...registers(page)), call).toBe(true);
      expect(refuses(call, ...registers(end - page)), call).toBe(true);
      expect(refuses(call, ...registers(end)), call).toBe(false);
    }
  });

  it("refuses to move the heap, and no other prctl", () => {
    expect(refuses("prctl", 35, 14)).toBe(true);
    expect(refuses("prctl", 2n ** 32n + 35n, 14)).toBe(true);
    expect(refuses("prctl", 38, 1)).toBe(false);
  });

  it("refuses no other calls, and none of other architectures", () => {
    expect(refuses("read", start, page)).toBe(false);
    expect(returns(windowRules("x86_64"), "munmap", [start, page], auditArchitecture.aarch64)).toBe(false);
  });

  it("has arm64's numbers on arm64", () => {
    const numbers = windowRules("aarch64").map(({ k }) => k);
    expect(numbers).toContain(numberOf("munmap", "aarch64"));
  });
});
