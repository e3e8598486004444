import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { allCallNames, callByName } from "./calls.ts";
import { callFamilies, families, familiesOf } from "./families.ts";
import { callGroups, groups, ungroupedCalls } from "./groups.ts";

const systemdNames = [
  ..."@default @basic-io @file-system @io-event @network-io @process @signal @timer @sync @aio @chown @setuid".split(
    " ",
  ),
  ..."@debug @mount @module @raw-io @reboot @swap @clock @keyring @sandbox @resources @ipc @memlock".split(" "),
  ..."@privileged @obsolete @cpu-emulation @pkey @system-service".split(" "),
];

describe("groups", () => {
  it("have systemd's names", () => {
    expect(systemdNames.filter((name) => !groups().has(name))).toEqual([]);
  });

  it("contain existing calls and groups, without duplicates", () => {
    expect(new Set(callGroups.map((group) => group.name)).size).toBe(callGroups.length);
    for (const { name, members, about } of callGroups) {
      expect(name).toMatch(/^@[a-z]+(-[a-z]+)*$/);
      expect(about, name).toMatch(/^[A-Z].*[^.]$/);
      expect(new Set(members).size, name).toBe(members.length);
      for (const member of members) {
        expect(member.startsWith("@") ? groups().has(member) : callByName(member), `${name}: ${member}`).toBeTruthy();
      }
    }
  });

  it("together have every call, except the listed ones", () => {
    const grouped = new Set([...groups().values()].flat());
    const left = allCallNames().filter((name) => !grouped.has(name));
    expect(left).toEqual([...ungroupedCalls].sort());
  });

  it("are sorted", () => {
    for (const [name, calls] of groups()) expect(calls, name).toEqual([...new Set(calls)].sort());
  });

  it("have neither the always allowed calls nor io_uring calls", () => {
    for (const [name, calls] of groups()) {
      expect(
        calls.filter((call) => /^(exit|exit_group|rt_sigreturn|restart_syscall|io_uring_.*)$/.test(call)),
        name,
      ).toEqual([]);
    }
  });

  it("have no dangerous calls in @system-service", () => {
    const service = new Set(groups().get("@system-service"));
    for (const name of [
      "@debug",
      "@mount",
      "@module",
      "@raw-io",
      "@reboot",
      "@swap",
      "@clock",
      "@keyring",
      "@obsolete",
    ]) {
      expect(
        groups()
          .get(name)
          ?.filter((call) => service.has(call)),
        name,
      ).toEqual([]);
    }
    for (const call of ["bpf", "unshare", "setns", "userfaultfd", "ptrace"]) expect(service.has(call)).toBe(false);
  });

  it("do not let @self reach anything outside of the process, or make memory executable", () => {
    const own = new Set(groups().get("@self"));
    const outside = ["@file-system", "@network-io", "@basic-io", "@io-event", "@zero-copy", "@ipc", "@resources"];
    const others = [...outside, "@privileged", "@debug", "@namespace"].flatMap((name) => groups().get(name)!);
    const more = [
      "mmap",
      "mprotect",
      "personality",
      "clone",
      "execve",
      "kill",
      "tgkill",
      "prctl",
      "prlimit64",
      "wait4",
    ];
    expect([...others, ...more].filter((call) => own.has(call))).toEqual([]);
    const harmless = [...groups().get("@default")!, ...groups().get("@signal")!];
    expect([...own].filter((call) => !harmless.includes(call)).filter((call) => call !== "times")).toEqual([]);
  });

  it("do not let @default open files or start programs", () => {
    const harmless = new Set(groups().get("@default"));
    for (const family of ["open", "exec", "fork", "connect", "accept", "signal", "write"]) {
      expect(
        families.get(family)?.members.filter((call) => harmless.has(call)),
        family,
      ).toEqual([]);
    }
  });
});

describe("families", () => {
  it("contain at least two existing calls, sorted", () => {
    expect(families.size).toBe(callFamilies.length);
    for (const { name, does, members } of callFamilies) {
      // Families are properties of the function `calls`, so they must not hide a function's own.
      expect(name).toMatch(/^[a-z][A-Za-z]*$/);
      expect(["name", "length", "call", "apply", "bind", "arguments", "caller", "prototype"]).not.toContain(name);
      expect(does).toMatch(/^[a-z].*[^.]$/);
      expect(members.length).toBeGreaterThan(1);
      expect(members).toEqual([...new Set(members)].sort());
      for (const member of members) expect(callByName(member), `${name}: ${member}`).toBeDefined();
    }
  });

  it("are found by a member", () => {
    expect(familiesOf("openat").map((family) => family.name)).toEqual(["open"]);
    expect(familiesOf("clone").map((family) => family.name)).toEqual(["fork", "namespace"]);
    expect(familiesOf("getpid")).toEqual([]);
  });
});

describe("the published types", () => {
  const text = readFileSync("src/frontend/types/groups.d.ts", "utf8");
  const table = (name: string) => {
    const body = text.match(new RegExp(`interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`))?.[1] ?? "";
    return new Map(
      [...body.matchAll(/readonly "?([@\w-]+)"?:([^;]*);/g)].map(([, key = "", members = ""]) => [
        key,
        [...members.matchAll(/"(\w+)"/g)].map(([, member]) => member),
      ]),
    );
  };

  it("have the groups and families of the data", () => {
    expect(table("GroupTable")).toEqual(groups());
    expect(table("FamilyTable")).toEqual(new Map(callFamilies.map(({ name, members }) => [name, members])));
  });
});
