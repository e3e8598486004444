/** The records that become events, and the events' members. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { HostRefusal } from "../hosts/refusal.ts";
import { describe } from "./describe.ts";
import { printLine } from "./line.ts";
import type { JudgementRecord, PolicyDescription } from "./record.ts";
import { judgement } from "./testing/judgement.ts";

const policy: PolicyDescription = {
  architecture: "x86_64",
  name: "p",
  files: ["p.ts"],
  verdicts: [
    { action: "deny", errno: 38, reason: undefined, at: undefined },
    { action: "deny", errno: 1, reason: undefined, at: undefined },
    { action: "deny", errno: 0, reason: undefined, at: undefined },
  ],
  reports: [{ text: "seen", values: [], at: undefined }],
  phases: [],
};
const record = (number: number, verdict: JudgementRecord["verdict"]) => judgement({ number, verdict });
const [clone3, openat2] = [435, 437];

test("clone3 denied with ENOSYS is not an event, because C libraries fall back to clone", () => {
  expect(describe(policy, record(clone3, 0))).toEqual([]);
  expect(describe(policy, { ...record(clone3, 0), audit: true })).toEqual([]);
});

test("another errno, another call, a refusal by portcullis and a report are events", () => {
  expect(describe(policy, record(clone3, 1))).toMatchObject([{ call: "clone3", errno: "EPERM" }]);
  expect(describe(policy, record(openat2, 0))).toMatchObject([{ call: "openat2", errno: "ENOSYS" }]);
  expect(describe(policy, record(clone3, "supervisor-failed"))).toMatchObject([{ errno: "ENOSYS" }]);
  const reports = [{ report: 0, values: [] }];
  expect(describe(policy, { ...record(clone3, 0), reports })).toMatchObject([{ kind: "report" }]);
});

test("a refused call of io_uring has its own reason: the table has it", () => {
  const [ring, missing] = [425, 2000].map((number) => describe(policy, record(number, "unknown-call"))[0]!);
  expect(ring).toMatchObject({ call: "io_uring_setup", reason: "no filter sees the operations of io_uring" });
  expect(printLine(ring!)).toContain('name "io_uring_setup" literally');
  expect(missing).toMatchObject({ reason: "a call that the policy's table lacks" });
});

test("a denial with errno 0 says that the call is not made", () => {
  const lineOf = (audit: boolean) => {
    const [event] = describe(policy, { ...record(clone3, 2), audit });
    expect(event).toMatchObject({ verdict: "deny", errno: "0", returns: 0 });
    return printLine(event!);
  };
  expect(lineOf(false)).toMatch(/: returned 0 without being made$/);
  expect(lineOf(true)).toMatch(/: would have returned 0 without being made$/);
  expect(describe(policy, record(openat2, 0))[0]).not.toHaveProperty("returns");
});

test("an event has phases only if the record has their values", () => {
  const phased = { ...policy, phases: [{ cell: 0, name: "phase", names: ["starting", "serving"] }] };
  const [known] = describe(phased, { ...record(openat2, 1), phases: [1] });
  expect(known).toMatchObject({ phases: { phase: "serving" } });
  const [unknown] = describe(phased, record(openat2, "invisible-task"));
  expect(unknown).not.toHaveProperty("phases");
  expect(printLine(unknown!)).not.toContain("in phase");
});

test("a late call's event names the room and side that it waited for, beside the verdict's reason", () => {
  const late = { room: "mapping", side: "discard" };
  const [event] = describe(policy, { ...record(openat2, 1), late });
  expect(event).toMatchObject({ errno: "EPERM", reason: "it waited too long for the side discard of mapping" });
  const withReason = { ...policy, verdicts: [{ ...policy.verdicts[1]!, reason: "busy" }] };
  expect(describe(withReason, { ...record(openat2, 0), late })).toMatchObject([
    { reason: "busy; it waited too long for the side discard of mapping" },
  ]);
});

test("the event of a call for which no room could be held has the cause and a remedy", () => {
  const reason = "a room that the call enters could not be held for it";
  const refused = record(openat2, "unheld");
  expect(describe(policy, { ...refused, errno: 11, enter: "too-many" })).toMatchObject([
    { errno: "EAGAIN", reason: `${reason}: too many calls wait for rooms`, advice: expect.any(String) },
  ]);
  expect(describe(policy, { ...refused, errno: 1, enter: "creates" })).toMatchObject([{ errno: "EPERM" }]);
  const pin = { why: "untraceable", errno: 1 } as const;
  expect(describe(policy, { ...refused, errno: 1, pin, obstacle: { why: "not-dumpable" } })).toMatchObject([
    { reason: expect.stringContaining("not dumpable"), advice: expect.stringContaining("enters no room") },
  ]);
});

const told = (refusal: HostRefusal) => {
  const [event] = describe(policy, { kind: "host", time: 1_700_000_000_123, refusal });
  return { event, line: printLine(event!).replace(/^\S+ /, "") };
};

test("a refused host has the list that lacks it, and how to permit it", () => {
  const refusal = {
    host: "a.org",
    port: 443,
    route: "connect",
    reason: "no entry permits it",
    rule: "--hosts",
  } as const;
  const { event, line } = told(refusal);
  const common = { v: 1, kind: "host", time: 1_700_000_000.123, verdict: "deny", policy: "p" };
  expect(event).toEqual({ ...common, ...refusal, permit: ["--hosts", "a.org:443"] });
  expect(line).toBe(
    "host a.org:443, by the proxy (CONNECT): denied (no entry permits it), by --hosts; to permit it: --hosts a.org:443",
  );
  const left = { ...refusal, rule: "agent.ts:3:9, which leaves them to --hosts" };
  expect(told(left).line).toContain("; to permit it: --hosts a.org:443");
  expect(told({ ...refusal, host: "a.org --set write=/" }).event).not.toHaveProperty("permit");
});

test("a refused host can be an address, a name without a port, or bytes that control a terminal", () => {
  expect(told({ host: "::1", port: 80, route: "address", reason: "none", rule: "a.ts:3:9" }).line).toBe(
    "host [::1]:80, by its address: denied (none), by a.ts:3:9; to permit it, add [::1]:80 to that list",
  );
  expect(told({ host: "a.org", route: "names", reason: "none" }).line).toBe(
    "host a.org, the address of the name: denied (none)",
  );
  expect(told({ host: "a\x1b[31m\0", port: 1, route: "socks", reason: "none" }).line).not.toContain("\x1b");
});

test("each event that names the policy has the digest of its text, if that is known", () => {
  const digest = `sha256:${"a1".repeat(32)}`;
  const refusal: HostRefusal = { host: "a.org", port: 443, route: "connect", reason: "not listed" };
  const object = {
    ...({ kind: "object", time: 1, pid: 2, command: "x", architecture: 0xc000_003e, number: 257 } as const),
    ...{ arguments: [0n, 0n, 0n, 0n], errno: 13, layer: 0, blockers: ["fs.read_file"], object: {} },
  };
  const reports = [{ report: 0, values: [] }];
  const records = [
    { ...record(openat2, 1), reports },
    ...[object, { kind: "host", time: 1, refusal } as const],
    { kind: "end", time: 1, pid: 2, status: 159, isKilled: true, call: undefined, text: "ended" } as const,
  ];
  const events = records.flatMap((one) => describe({ ...policy, digest }, one));
  expect(events.map(({ kind }) => kind)).toEqual(["decision", "report", "decision", "host", "end"]);
  for (const event of events) expect(event).toMatchObject({ policy: "p", digest });
  for (const one of records) for (const event of describe(policy, one)) expect(event).not.toHaveProperty("digest");
});

// The reasons are the only sign of what such a verdict protects.
test("each reason of the policy of protected names that an option can permit is known", () => {
  const source = readFileSync("policies/shared/protected-paths.ts", "utf8");
  const reasons = [...source.matchAll(/"(files\.protect: [^"]*)"/g)].map(([, reason]) => reason!);
  const bytes = Buffer.from(".git/config");
  const memory = [{ name: "path", memory: { is: "text", bytes }, isCut: false }] as const;
  const permitted = reasons.filter((reason) => {
    const protecting: PolicyDescription = {
      ...policy,
      verdicts: [{ action: "deny", errno: 13, reason, at: undefined }],
      settings: [{ name: "protect", kind: "texts", value: ".git/config,.npmrc" }],
      protectedNames: [{ folder: ".git", name: "config", from: { setting: "protect", item: ".git/config" } }],
    };
    return "permit" in describe(protecting, { ...record(openat2, 0), memory })[0]!;
  });
  expect(permitted).toEqual([
    "files.protect: a name of a protected file or directory",
    "files.protect: the name of a directory with protected entries",
    "files.protect: nothing moves into or out of a directory with protected entries",
  ]);
});
