import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ArchitectureName } from "./architecture.ts";
import { allCallNames, allCalls, callByName, callByNumber, highestNumber, registerOf } from "./calls.ts";
import { nameSet } from "./flags.ts";

const architectures: readonly ArchitectureName[] = ["x86_64", "aarch64"];

describe("the table of calls", () => {
  it("has calls by name and by number", () => {
    expect(callByName("openat")?.number).toEqual({ x86_64: 257, aarch64: 56 });
    expect(callByName("open")?.number).toEqual({ x86_64: 2 });
    expect(callByName("openatt")).toBeUndefined();
    expect(callByNumber("x86_64", 59)?.name).toBe("execve");
    expect(callByNumber("aarch64", 221)?.name).toBe("execve");
    expect(callByNumber("aarch64", 2)?.name).toBe("io_submit");
  });

  it("has no numbers above the highest, in the gaps, or of x32", () => {
    for (const architecture of architectures) {
      const highest = highestNumber(architecture);
      expect(callByNumber(architecture, highest)).toBeDefined();
      for (const number of [-1, highest + 1, 0x4000_0000, 0x4000_0000 + 59]) {
        expect(callByNumber(architecture, number)).toBeUndefined();
      }
    }
    // 512 … 547 are x32's own numbers, 337 … 423 and aarch64's 244 … 259 are unused.
    for (const number of [337, 423, 512, 547]) expect(callByNumber("x86_64", number)).toBeUndefined();
    for (const number of [244, 259]) expect(callByNumber("aarch64", number)).toBeUndefined();
  });

  it("has calls that are newer than its kernel source", () => {
    const number = (name: string) => callByName(name)?.number;
    expect(number("setxattrat")).toEqual({ x86_64: 463, aarch64: 463 });
    expect(number("fchroot")).toEqual({ x86_64: 472, aarch64: 472 });
    expect(number("uprobe")).toEqual({ x86_64: 336 });
    expect(callByName("file_getattr")?.prototype).toBe(
      "file_getattr(int dfd, const char *filename, struct file_attr *ufattr, size_t usize, unsigned int at_flags)",
    );
  });

  it("finds every call by its number", () => {
    for (const call of allCalls) {
      expect(callByName(call.name)).toBe(call);
      for (const architecture of architectures) {
        const number = call.number[architecture];
        if (number !== undefined) expect(callByNumber(architecture, number)).toBe(call);
      }
    }
    expect(allCalls.length).toBeGreaterThan(370);
    expect(allCallNames()).toEqual([...allCallNames()].sort());
  });

  it("reads arguments at the kernel's width", () => {
    const reading = (call: string, name: string) => {
      const parameter = callByName(call)?.parameters.find((candidate) => candidate.name === name);
      return parameter && `${parameter.signed ? "i" : "u"}${parameter.width} ${parameter.kind.is}`;
    };
    expect(reading("openat", "dirfd")).toBe("i32 integer");
    expect(reading("openat", "path")).toBe("u64 pointer");
    expect(reading("openat", "flags")).toBe("i32 flags");
    expect(reading("openat", "mode")).toBe("u16 integer");
    expect(reading("socket", "family")).toBe("i32 choice");
    expect(reading("read", "fd")).toBe("u32 integer");
    expect(reading("lseek", "offset")).toBe("i64 integer");
    expect(reading("read", "count")).toBe("u64 integer");
    // `const clockid_t` is the same type as clockid_t.
    expect(reading("clock_gettime", "which_clock")).toBe("i32 choice");
    // A pointer behind a typedef.
    expect(reading("capset", "data")).toBe("u64 pointer");
  });

  it("has the width to which the kernel narrows later", () => {
    const width = (call: string, name: string) =>
      callByName(call)?.parameters.find((candidate) => candidate.name === name)?.width;
    expect(width("clone", "flags")).toBe(32);
    expect(width("unshare", "flags")).toBe(64);
    expect(width("mmap", "fd")).toBe(32);
    expect(width("writev", "fd")).toBe(32);
    expect(width("writev", "vlen")).toBe(32);
    expect(width("ptrace", "pid")).toBe(32);
    expect(width("ptrace", "request")).toBe(64);
  });

  it("has the register of each argument: clone's last two are swapped on arm64", () => {
    const clone = callByName("clone");
    const order = (architecture: ArchitectureName) =>
      clone?.parameters.map((_, i) => clone && registerOf(clone, i, architecture));
    expect(clone?.parameters.map((parameter) => parameter.name).slice(3)).toEqual(["child_tidptr", "tls"]);
    expect(order("x86_64")).toEqual([0, 1, 2, 3, 4]);
    expect(order("aarch64")).toEqual([0, 1, 2, 4, 3]);
    const others = allCalls.filter((call) => call.parameters.some((parameter) => parameter.register));
    expect(others.map((call) => call.name)).toEqual(["clone"]);
  });

  it("is well formed throughout", () => {
    for (const call of allCalls) {
      expect(call.parameters.length).toBeLessThanOrEqual(6);
      const names = call.parameters.map((parameter) => parameter.name);
      expect(new Set(names).size).toBe(names.length);
      for (const parameter of call.parameters) {
        expect(parameter.name).toMatch(/^[a-z]\w*$/);
        expect(parameter.aliases).not.toContain(parameter.name);
        if ("set" in parameter.kind) expect(nameSet(parameter.kind.set), parameter.kind.set).toBeDefined();
      }
      expect(call.prototype).toMatch(/^\w+\(.+\)$/);
    }
  });

  it("has the kernel's and the manual's names of an argument", () => {
    const path = callByName("openat")?.parameters[1];
    expect(path?.name).toBe("path");
    expect(path?.aliases).toEqual(["filename", "pathname"]);
    expect(callByName("openat")?.prototype).toBe("openat(int dfd, const char *filename, int flags, umode_t mode)");
  });
});

/** The C library's headers come from other tools and possibly another kernel release. */
describe("against the C library's headers", () => {
  const header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";

  it.runIf(existsSync(header))("x86-64's numbers agree", () => {
    const defined = [...readFileSync(header, "utf8").matchAll(/^#define __NR_(\w+) (\d+)$/gm)];
    expect(defined.length).toBeGreaterThan(300);
    for (const [, name = "", number] of defined) {
      const ours = callByName(name)?.number.x86_64;
      if (ours !== undefined) expect(`${name} ${ours}`).toBe(`${name} ${number}`);
    }
  });
});
