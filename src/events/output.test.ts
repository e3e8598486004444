/** Events as lines and as JSON, with limits, drops and write errors. */
import { expect, test, vi } from "vitest";
import { eventOutput } from "./output.ts";
import type { EventRecord, PolicyDescription } from "./record.ts";
import type { Channel } from "./sink.ts";
import { judgement } from "./testing/judgement.ts";

const policy: PolicyDescription = {
  architecture: "x86_64",
  name: "nginx",
  files: ["policies/nginx.ts"],
  verdicts: [
    { action: "allow", errno: 0, reason: undefined, at: undefined },
    { action: "deny", errno: 13, reason: "nginx starts no program", at: { file: 0, line: 37, column: 36, length: 6 } },
    { action: "kill-process", errno: 0, reason: undefined, at: { file: 0, line: 31, column: 44, length: 6 } },
  ],
  reports: [
    {
      text: "many",
      values: [
        { name: "count", print: "unsigned" },
        { name: "odd", print: "boolean" },
      ],
      at: { file: 0, line: 3, column: 1, length: 1 },
    },
  ],
  phases: [{ cell: 0, name: "phase", names: ["starting", "serving"] }],
};

const record = judgement({
  time: 1_700_000_000_123.456,
  pid: 42,
  tid: 43,
  command: "nginx\x1b[31m",
  number: 50,
  arguments: [9n, 511n, 0n, 0n, 0n, 0n],
  verdict: 2,
  phases: [1],
  reports: [{ report: 0, values: [7n, 1n] }],
});

/** A channel that collects all bytes. */
function collecting(): Channel & { readonly text: () => string } {
  let text = "";
  return {
    write(bytes) {
      text += Buffer.from(bytes).toString();
      return bytes.length;
    },
    retract() {},
    close() {},
    text: () => text,
  };
}

function collect(
  form: "lines" | "json",
  records: readonly EventRecord[],
  limit?: { burst: number; perSecond: number; keys: number },
) {
  const channel = collecting();
  const output = eventOutput(channel, { policy, form, ...(limit === undefined ? {} : { limit }) });
  for (const one of records) output.record(one);
  return output.finish().then(() => channel.text().trimEnd().split("\n"));
}

test("an event for programs", async () => {
  const [first, second] = (await collect("json", [record])).map((line) => JSON.parse(line));
  expect(first).toEqual({
    v: 1,
    kind: "decision",
    time: 1_700_000_000.123456,
    pid: 42,
    tid: 43,
    command: "nginx\x1b[31m",
    call: "listen",
    number: 50,
    arguments: [
      { name: "fd", text: "9" },
      { name: "backlog", text: "511" },
    ],
    verdict: "kill-process",
    phases: { phase: "serving" },
    rule: "policies/nginx.ts:31:44",
    policy: "nginx",
  });
  expect(second).toMatchObject({
    kind: "report",
    text: "many",
    values: { count: "7", odd: true },
    rule: "policies/nginx.ts:3:1",
  });
});

test("a line for people: task, call, verdict, phase, line, remedy; safe for a terminal", async () => {
  const [line] = await collect("lines", [{ ...record, verdict: 1, reports: [] }]);
  expect(line).toMatch(
    /^portcullis: \d\d:\d\d:\d\d\.123 nginx\ufffd\[31m\[42\/43\]: listen\(9, 511\): denied with EACCES/,
  );
  expect(line).toContain(
    "(nginx starts no program), in phase serving, by policies/nginx.ts:37:36; to permit it, change that line",
  );
  expect(line).not.toContain("\x1b");
});

test("refusals of portcullis itself name no rule", async () => {
  const [foreign, unknown] = await collect("lines", [
    { ...record, architecture: 0x4000_0003, number: 11, verdict: "foreign-abi", reports: [] },
    { ...record, number: 425, verdict: "unknown-call", reports: [] },
  ]);
  expect(foreign).toContain("call_11@i386(9, ".replace("9, ", "0x9, "));
  expect(foreign).toContain("denied with ENOSYS (a call by a foreign ABI)");
  expect(foreign).toContain("run a 64-bit build");
  expect(unknown).toContain("io_uring_setup(9, ");
  expect(unknown).toContain('name "io_uring_setup" literally in the policy');
});

test("an unknown call is one line for people, with the number of the others at the end; programs get each", async () => {
  const records = [425, 426, 425, 425].map(
    (number, index): EventRecord => ({
      ...{ ...record, number, verdict: "unknown-call", reports: [] },
      ...{ time: record.time + index * 60_000, arguments: [BigInt(index), 0n, 0n, 0n, 0n, 0n] },
    }),
  );
  const lines = await collect("lines", records);
  expect(
    lines.map((line) => line.replace(/^portcullis: [0-9:.]+ /, "").replace(/.*: (io_uring_[a-z]+)\(.*/, "$1")),
  ).toEqual(["io_uring_setup", "io_uring_enter", "2 more like this: io_uring_setup (unknown-call)"]);
  expect(await collect("json", records)).toHaveLength(4);
});

test("an audited verdict is not carried out", async () => {
  const [line] = await collect("lines", [{ ...record, audit: true, reports: [] }]);
  expect(line).toContain("would kill the process");
  const [json] = await collect("json", [{ ...record, audit: true, reports: [] }]);
  expect(JSON.parse(json!).audit).toBe(true);
});

test("equal calls are one event at once, and one with the number of the others", async () => {
  const records = Array.from({ length: 47 }, () => ({ ...record, verdict: 1, reports: [] }));
  const [first, sum, ...more] = (await collect("json", records)).map((line) => JSON.parse(line));
  expect(first).not.toHaveProperty("count");
  expect(sum).toEqual({ ...first, count: 46 });
  expect(more).toEqual([]);
  const lines = await collect("lines", records);
  expect(lines.map((line) => line.replace(/^.*denied with EACCES/, ""))).toEqual([
    expect.stringMatching(/^ \(nginx starts/),
    expect.stringMatching(/^ 46 more times \(nginx starts/),
  ]);
});

test("a search for a file in several directories is one event with its paths", async () => {
  const searched = ["/a/tool", "/b/tool", Buffer.from("/\xff/tool", "latin1")].map((path) => ({
    ...{ ...record, number: 59, verdict: 1, reports: [] },
    memory: [{ name: "path", memory: { is: "text", bytes: Buffer.from(path) }, isCut: false } as const],
  }));
  const [event] = (await collect("json", searched)).map((line) => JSON.parse(line));
  expect(event).toMatchObject({ count: 3, paths: ["/a/tool", "/b/tool", { hex: "2fff2f746f6f6c" }] });
  const [line, ...more] = await collect("lines", searched);
  expect(line).toContain('execve("/a/tool", 0x1ff, NULL): denied with EACCES for 3 paths, also "/b/tool", ');
  expect(more).toEqual([]);
});

test("what is held is written when its time is over, without another event", async () => {
  vi.useFakeTimers();
  try {
    const channel = collecting();
    const output = eventOutput(channel, { policy, form: "json" });
    const one = { ...record, verdict: 1, reports: [] };
    for (let index = 0; index < 3; index++) output.record(one);
    const counts = () =>
      channel
        .text()
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).count ?? 1);
    expect(counts()).toEqual([1]);
    const path = { name: "path", memory: { is: "text", bytes: Buffer.from("/a/b") }, isCut: false } as const;
    output.record({ ...one, number: 59, tid: 44, memory: [path] });
    expect(counts()).toEqual([1]);
    vi.advanceTimersByTime(101);
    expect(counts()).toEqual([1, 1]);
    vi.advanceTimersByTime(900);
    expect(counts()).toEqual([1, 1, 2]);
  } finally {
    vi.useRealTimers();
  }
});

test("the calls of an event that the limit drops are counted", async () => {
  const records = Array.from({ length: 30 }, () => ({ ...record, reports: [] }));
  const lines = (await collect("json", records, { burst: 1, perSecond: 1, keys: 8 })).map((line) => JSON.parse(line));
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({ kind: "notice", dropped: 29 });
});

test("repetitions are counted, and the count is printed", async () => {
  const records = Array.from({ length: 100 }, (_, index) => ({
    ...record,
    arguments: [BigInt(index), 511n, 0n, 0n, 0n, 0n],
    reports: [],
    time: record.time + index,
  }));
  const lines = (await collect("json", records, { burst: 5, perSecond: 1, keys: 8 })).map((line) => JSON.parse(line));
  expect(lines).toHaveLength(6);
  expect(lines.at(-1)).toMatchObject({ kind: "notice", dropped: 95 });
});

test("drops of the engine are added up", async () => {
  const text = "events were dropped";
  const lines = await collect(
    "json",
    Array.from({ length: 10 }, () => ({ kind: "notice", time: record.time, text, dropped: 7 })),
    { burst: 1, perSecond: 1, keys: 8 },
  );
  const notices = lines.map((line) => JSON.parse(line) as { text: string; dropped: number });
  expect(notices.map((one) => one.text)).toEqual(["7 events were dropped", "63 events were dropped"]);
  expect(notices.map((one) => one.dropped)).toEqual([7, 63]);
});

test("a plain allow that reports is a report only", async () => {
  const lines = (await collect("json", [{ ...record, verdict: 0 }])).map((line) => JSON.parse(line));
  expect(lines.map((line) => line.kind)).toEqual(["report"]);
});

test("a write error is reported once, and the lost lines are counted at the end", async () => {
  const said: string[] = [];
  const channel: Channel = { write: () => ({ code: "ENOSPC", isFinal: false }), retract() {}, close() {} };
  const output = eventOutput(channel, {
    policy,
    form: "json",
    name: "/dev/full",
    patience: 30,
    onLoss: (sentence) => said.push(sentence),
  });
  for (let index = 0; index < 7; index++) output.record({ ...record, reports: [] });
  await output.finish();
  expect(said).toEqual([
    "events cannot be written to /dev/full (ENOSPC: no space is left on the device): 1 MiB is queued until they can be, and the rest is lost",
    "2 lines of events could not be written to /dev/full and are lost: ENOSPC: no space is left on the device",
  ]);
});

test("the remedy is never to change a file of the installed package", async () => {
  const file = "/usr/lib/node_modules/portcullis/policies/nginx.ts";
  const lineBy = async (path: string) => {
    const channel = collecting();
    const output = eventOutput(channel, { policy: { ...policy, files: [path] }, form: "lines" });
    output.record({ ...record, verdict: 1, reports: [] });
    await output.finish();
    return channel.text().trim();
  };
  expect(await lineBy(file)).toMatch(
    /by \S*nginx\.ts:37:36; to permit it, copy the ready policy \(cp \/usr\/lib\/node_modules\/portcullis\/policies\/nginx\.ts \.\), and change that line of the copy$/,
  );
  expect(await lineBy("/home/me/portcullis/policies.ts")).toMatch(/change that line$/);
  expect(await lineBy("/home/me/policies/nginx.ts")).toMatch(/change that line$/);
  // The folders of the agents' units.
  expect(await lineBy("/etc/portcullis/policies/nginx.ts")).toMatch(/change that line$/);
  expect(await lineBy("/home/me/.config/portcullis/policies/nginx.ts")).toMatch(/change that line$/);
});

test("a flood of one refused host is limited and counted, and hides no other", async () => {
  const host = (name: string): EventRecord => ({
    kind: "host",
    time: record.time,
    refusal: { host: name, port: 443, route: "socks", reason: "none", rule: "--hosts" },
  });
  const records = [...Array.from({ length: 20 }, () => host("a.org")), host("b.org")];
  const lines = (await collect("json", records, { burst: 2, perSecond: 1, keys: 8 })).map((line) => JSON.parse(line));
  expect(lines.filter(({ kind }) => kind === "host").map((one) => one.host)).toEqual(["a.org", "a.org", "b.org"]);
  expect(lines.at(-1)).toMatchObject({ kind: "notice", dropped: 18, text: expect.stringContaining("a.org:443") });
});
