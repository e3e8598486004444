import { describe, expect, it } from "vitest";
import { readEvent } from "./events.ts";
import type { Refusal } from "./refusal.ts";

const decision = (more: object) =>
  JSON.stringify({
    ...{ v: 1, kind: "decision", time: 5, pid: 7, tid: 7, command: "x", policy: "p", verdict: "deny", errno: "EPERM" },
    ...more,
  });

function refusals(more: object): readonly Refusal[] {
  const reading = readEvent(decision(more), "x86_64");
  return reading.is === "refusal" ? reading.refusals : [];
}

describe("readEvent", () => {
  it("reads registers of decoded arguments, also the bits that the kernel ignores", () => {
    const args = [
      { name: "family", text: "AF_INET /* register 0x100000002 */" },
      { name: "type", text: "SOCK_STREAM|SOCK_CLOEXEC" },
      { name: "protocol", text: "6" },
    ];
    const [found] = refusals({ call: "socket", number: 41, arguments: args, phases: { role: "main" }, count: 3 });
    expect(found!.registers.map(({ value }) => value)).toEqual([0x1_0000_0002n, 0x8_0001n, 6n, 0n, 0n, 0n]);
    expect(found).toMatchObject({ call: "socket", verdict: "deny EPERM", phases: { role: "main" }, count: 3, time: 5 });
  });

  it("reads memory, and each path of a search", () => {
    const args = [
      { name: "path", text: '"/bin/a"' },
      { name: "argv", text: "0x7000" },
      { name: "envp", text: "0x7100" },
    ];
    const found = refusals({
      ...{ call: "execve", number: 59, arguments: args, memory: { path: "/bin/a" } },
      ...{ count: 2, paths: ["/bin/a", { hex: "2f78" }] },
    });
    expect(found.map(({ text, count }) => [text, count])).toEqual([
      ['execve("/bin/a", 0x7000, 0x7100)', 1],
      ['execve("/x", 0x7000, 0x7100)', 1],
    ]);
    expect(found[1]!.memory.get("path")).toMatchObject({ is: "text", bytes: Buffer.from("/x") });
  });

  it("reads the digest of the policy, which events of earlier versions lack", () => {
    const digest = `sha256:${"0f".repeat(32)}`;
    const call = { call: "getpid", number: 39, arguments: [] };
    expect(refusals({ ...call, digest })).toMatchObject([{ policy: "p", digest }]);
    expect(refusals(call)[0]).not.toHaveProperty("digest");
  });

  it("does not judge calls of a foreign ABI or without a name", () => {
    expect(refusals({ call: "call_11@i386", number: 11, arguments: [] })).toMatchObject([{ call: undefined }]);
    expect(refusals({ call: "getpid", number: 40, arguments: [] })).toMatchObject([{ call: undefined }]);
  });

  it.each([
    ["", "it is not JSON"],
    ["7", "it is no object"],
    ['{"v":1,"kind":"host"}', "`host` is no text"],
    [decision({ call: 7 }), "`call` is no text"],
    [decision({ call: "getpid", number: 39, arguments: [], verdict: "constructor" }), "`verdict` is no verdict"],
    [decision({ call: "getpid", number: 39, arguments: [], errno: 1 }), "`errno` is no text"],
    [decision({ call: "getpid", number: "39", arguments: [] }), "`number` is no integer"],
    [decision({ call: "getpid", number: 39, arguments: [], count: 0 }), "`count` is no positive integer"],
    [decision({ call: "getpid", number: 39, arguments: [], phases: { a: 1 } }), "`phases` has no names"],
    [decision({ call: "getpid", number: 39, arguments: [7] }), "`arguments` is no list of names and texts"],
    [decision({ call: "getpid", number: 39, arguments: [], digest: "sha256:0" }), "`digest` is no SHA-256"],
    [decision({ call: "getpid", number: 39, arguments: [], object: { path: "/" } }), "`object` has no `blockers`"],
    [decision({ call: "close", number: 3, arguments: [{ name: "fd", text: "x" }] }), "its arguments cannot be read"],
  ])("rejects %s", (line, why) => {
    expect(readEvent(line, "x86_64")).toEqual({ is: "malformed", why });
  });

  it("reads no refusal in other kinds of events", () => {
    expect(readEvent('{"v":1,"kind":"notice","text":"x","dropped":4}', "x86_64")).toEqual({ is: "other", dropped: 4 });
    expect(readEvent(decision({ verdict: "log", call: "getpid", number: 39 }), "x86_64").is).toBe("other");
    const host = { v: 1, kind: "host", host: "::1", port: 443, rule: "p.ts:3:9" };
    expect(readEvent(JSON.stringify(host), "x86_64")).toMatchObject({ host: "[::1]:443 (p.ts:3:9)" });
  });
});
