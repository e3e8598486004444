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
  it("have every name that a user of systemd would look for", () => {
    expect(systemdNames.filter((name) => !groups.has(name))).toEqual([]);
  });

  it("name calls and groups that exist, once each", () => {
    expect(new Set(callGroups.map((group) => group.name)).size).toBe(callGroups.length);
    for (const { name, members, about } of callGroups) {
      expect(name).toMatch(/^@[a-z]+(-[a-z]+)*$/);
      expect(about, name).toMatch(/^[A-Z].*[^.]$/);
      expect(new Set(members).size, name).toBe(members.length);
      for (const member of members) {
        expect(member.startsWith("@") ? groups.has(member) : callByName(member), `${name}: ${member}`).toBeTruthy();
      }
    }
  });

  it("together have every call, but for those that are left out on purpose", () => {
    const grouped = new Set([...groups.values()].flat());
    const left = allCallNames().filter((name) => !grouped.has(name));
    expect(left).toEqual([...ungroupedCalls].sort());
  });

  it("never name what is not judged, nor io_uring", () => {
    for (const [name, calls] of groups) {
      expect(
        calls.filter((call) => /^(exit|exit_group|rt_sigreturn|restart_syscall|io_uring_.*)$/.test(call)),
        name,
      ).toEqual([]);
    }
  });

  it("keep what is dangerous out of what a service is given", () => {
    const service = new Set(groups.get("@system-service"));
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
        groups.get(name)?.filter((call) => service.has(call)),
        name,
      ).toEqual([]);
    }
    for (const call of ["bpf", "unshare", "setns", "userfaultfd", "ptrace"]) expect(service.has(call)).toBe(false);
  });

  it("let @default open nothing and start nothing", () => {
    const harmless = new Set(groups.get("@default"));
    for (const family of ["open", "exec", "fork", "connect", "accept", "signal", "write"]) {
      expect(
        families.get(family)?.members.filter((call) => harmless.has(call)),
        family,
      ).toEqual([]);
    }
  });
});

describe("families", () => {
  it("name calls that exist, at least two and sorted", () => {
    expect(families.size).toBe(callFamilies.length);
    for (const { name, does, members } of callFamilies) {
      // A property of the function `calls`, so none of a function's own.
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
  const text = readFileSync("src/language/types/groups.d.ts", "utf8");
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
    expect(table("GroupTable")).toEqual(groups);
    expect(table("FamilyTable")).toEqual(new Map(callFamilies.map(({ name, members }) => [name, members])));
  });
});
