import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DecisionEvent, PolicyEvent } from "../../events/event.ts";
import { refusalsIn } from "./refusals.ts";

const granted = { folder: "/p/node_modules/a", read: ["/p/node_modules"], write: ["/c"], execute: ["/usr", "/bin"] };

function decision(call: string, path: string, more: Partial<DecisionEvent> = {}): DecisionEvent {
  const common = { v: 1, kind: "decision", time: 1, pid: 2, tid: 2, command: "sh", number: 0, policy: "p.ts" } as const;
  return { ...common, call, verdict: "log", rule: "p.ts:1:1", arguments: [], memory: { path }, ...more };
}

const entryOf = (...events: readonly PolicyEvent[]) => refusalsIn(events, granted, {}, 0).entry;

describe("refusalsIn", () => {
  it("takes a logged call for refused if its file exists and no list has it", () => {
    expect(entryOf(decision("execve", "/etc/hosts"))).toEqual({ execute: ["/etc/hosts"] });
    expect(entryOf(decision("execve", "/nonexistent"), decision("execve", "/bin/sh"))).toEqual({});
    expect(entryOf(decision("openat", "/etc/hosts"))).toEqual({ read: ["/etc/hosts"] });
  });

  it("proposes neither credentials, settings, nor files that the script would make", () => {
    const credential = decision("openat", "/home/me/.npmrc", {
      verdict: "deny",
      errno: "EACCES",
      reason: "a credential",
    });
    const made = decision("openat", "/etc/made", { arguments: [{ name: "flags", text: "O_WRONLY|O_CREAT" }] });
    const { lines, entry } = refusalsIn([credential, made], granted, { seconds: 5 }, 0);
    expect(lines).toEqual([
      "sh: openat /home/me/.npmrc: a credential (p.ts:1:1)",
      "sh: openat /etc/made: in no list `write` (p.ts:1:1)",
    ]);
    expect(entry).toEqual({ seconds: 5 });
  });

  it("first proposes a network without hosts, then the hosts that were asked for", () => {
    const reason = "this build has no network";
    const socket = decision("socket", "", { verdict: "deny", errno: "EACCES", reason, memory: {} });
    expect(entryOf(socket)).toEqual({ hosts: [] });
    const host = { v: 1, kind: "host", time: 1, verdict: "deny", reason: "in no list", policy: "p.ts" } as const;
    const events = [
      { ...host, host: "b.test", port: 443, route: "connect" },
      { ...host, host: "b.test", route: "names" },
      { ...host, host: "c.test", port: 8080, route: "connect" },
    ] as const;
    const { entry } = refusalsIn(events, granted, { hosts: ["a.test"] }, 0);
    expect(entry).toEqual({ hosts: ["a.test", "b.test", "c.test:8080"] });
  });

  it("proposes the directory of a program that the script has made, because only that exists when it starts", () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-made-"));
    mkdirSync(join(folder, "bin"));
    const born = (file: string) => statSync(join(folder, file)).birthtimeMs;
    // Files that are made within one tick of the kernel's clock have the same time.
    do {
      rmSync(join(folder, "bin/own"), { force: true });
      writeFileSync(join(folder, "bin/own"), "");
    } while (born("bin/own") === born("bin"));
    const refused = (file: string, begun: number) =>
      refusalsIn([decision("execve", join(folder, file))], { ...granted, folder }, {}, begun).entry;
    expect(refused("bin/own", born("bin/own") + 1)).toEqual({ execute: [join(folder, "bin/own")] });
    expect(refused("bin/own", born("bin/own"))).toEqual({ execute: [join(folder, "bin")] });
    expect(refused("bin/own", 0)).toEqual({ execute: [folder] });
    rmSync(folder, { recursive: true });
  });

  it("proposes no name that the file cannot hold, or that a person could read as another", () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-names-"));
    const names = ["a,b", "a\nb", "a\u202eb", "{a}"].map((name) => join(folder, name));
    for (const name of names) writeFileSync(name, "");
    const host = { v: 1, kind: "host", time: 1, verdict: "deny", reason: "in no list", policy: "p.ts" } as const;
    const hosts = ["a b", "*.test", "a\nb", ""].map((one) => ({ ...host, host: one, route: "connect" }) as const);
    const { entry, lines } = refusalsIn([...names.map((name) => decision("execve", name)), ...hosts], granted, {}, 0);
    rmSync(folder, { recursive: true });
    expect(entry).toEqual({});
    expect(lines).toHaveLength(8);
  });

  it("leaves out what every program does", () => {
    const nscd = { addr: { kind: "unix", path: "/var/run/nscd/socket" } } as const;
    const denied = { verdict: "deny", errno: "EACCES", reason: "a server outside" } as const;
    const question = decision("openat", "/proc/x", { ...denied, reason: "answers the script shell" });
    const uring = decision("io_uring_setup", "", { verdict: "deny", errno: "ENOSYS" });
    expect(
      refusalsIn([decision("connect", "", { ...denied, memory: nscd }), question, uring], granted, {}, 0).lines,
    ).toEqual([]);
  });
});
