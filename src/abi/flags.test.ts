import { constants as fileConstants } from "node:fs";
import { constants as osConstants } from "node:os";
import { describe, expect, it } from "vitest";
import type { NameSet } from "./call.ts";
import { allCalls } from "./calls.ts";
import { nameSet, nameSetNames } from "./flags.ts";

function member(set: string, name: string): NameSet["members"][number] {
  const found = nameSet(set)?.members.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`${set} has no ${name}`);
  return found;
}

describe("names of flags and choices", () => {
  it.runIf(process.arch === "x64")("agree with the C library that Node was built with", () => {
    for (const { name, value } of nameSet("OpenFlag")?.members ?? []) {
      const known = (fileConstants as Record<string, number | undefined>)[name];
      if (known !== undefined) expect(`${name} ${value.x86_64}`).toBe(`${name} ${known}`);
    }
    for (const [name, number] of Object.entries(osConstants.signals)) {
      const aliases = ["SIGIOT", "SIGPOLL", "SIGUNUSED"];
      if (!aliases.includes(name)) expect(`${name} ${member("Signal", name).value.x86_64}`).toBe(`${name} ${number}`);
    }
  });

  it("differ between the architectures where the kernel does", () => {
    expect(member("OpenFlag", "O_DIRECTORY").value).toEqual({ x86_64: 0o200000n, aarch64: 0o40000n });
    expect(member("OpenFlag", "O_NOFOLLOW").value).toEqual({ x86_64: 0o400000n, aarch64: 0o100000n });
    expect(member("OpenFlag", "O_DIRECT").value).toEqual({ x86_64: 0o40000n, aarch64: 0o200000n });
    expect(member("OpenFlag", "O_TMPFILE").value).toEqual({ x86_64: 0o20200000n, aarch64: 0o20040000n });
    expect(member("Protection", "PROT_BTI").value).toEqual({ aarch64: 0x10n });
    expect(member("MapFlag", "MAP_32BIT").value).toEqual({ x86_64: 0x40n });
  });

  it("have the mask of each name", () => {
    const mask = (set: string, name: string) => member(set, name).mask.x86_64;
    expect(mask("OpenFlag", "O_RDONLY")).toBe(3n);
    expect(mask("OpenFlag", "O_CREAT")).toBe(0o100n);
    expect(mask("OpenFlag", "O_TMPFILE")).toBe(0o20200000n);
    expect(mask("SocketType", "SOCK_STREAM")).toBe(0xfn);
    expect(mask("SocketType", "SOCK_CLOEXEC")).toBe(0o2000000n);
    expect(mask("CloneFlag", "SIGCHLD")).toBe(0xffn);
    expect(mask("CloneFlag", "CLONE_VM")).toBe(0x100n);
    expect(mask("MapFlag", "MAP_PRIVATE")).toBe(0xfn);
    expect(mask("MapFlag", "MAP_SHARED")).toBe(1n); // MAP_SHARED_VALIDATE also has this bit
    expect(mask("Protection", "PROT_NONE")).toBe(7n);
    expect(mask("Signal", "SIGKILL")).toBe((1n << 64n) - 1n);
    expect(mask("FutexOperation", "FUTEX_WAIT")).toBe(0xffff_f87fn);
  });

  it("are well formed: a value is inside its mask, and names are unique in a set", () => {
    for (const name of nameSetNames()) {
      const members = nameSet(name)?.members ?? [];
      expect(members.length, name).toBeGreaterThan(0);
      expect(new Set(members.map((entry) => entry.name)).size).toBe(members.length);
      for (const entry of members) {
        const architectures = Object.keys(entry.value) as (keyof typeof entry.value)[];
        expect(architectures.length, entry.name).toBeGreaterThan(0);
        expect(Object.keys(entry.mask)).toEqual(architectures);
        for (const architecture of architectures) {
          const [value = 0n, mask = 0n] = [entry.value[architecture], entry.mask[architecture]];
          expect(mask, entry.name).toBeGreaterThan(0n);
          expect(value & ~mask, entry.name).toBe(0n);
        }
      }
    }
  });

  it("are all used by some call, except those behind a pointer", () => {
    const used = new Set(
      allCalls.flatMap((call) => call.parameters.flatMap(({ kind }) => ("set" in kind ? [kind.set] : []))),
    );
    expect(nameSetNames().filter((name) => !used.has(name))).toEqual(["Clone3Flag", "ResolveFlag"]);
  });
});
