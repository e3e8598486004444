import { expect, test } from "vitest";
import { auditTypes } from "../../abi/audit-records.ts";
import type { EventRecord } from "../../events/record.ts";
import { type AuditMessages, DenialWatch } from "./denials.ts";

const program = "/usr/lib/launcher";
const label = 0x12345678;

function message(type: number, serial: number, text: string): Uint8Array {
  const body = `audit(1796125073.007:${serial}): ${text}`;
  const bytes = Buffer.alloc(16 + body.length);
  bytes.writeUInt16LE(type, 4);
  bytes.write(body, 16, "latin1");
  return bytes;
}
const access = (serial: number, domain: string, blockers = "fs.read_file", type: number = auditTypes.landlockAccess) =>
  message(type, serial, `domain=${domain} blockers=${blockers} path="/secret"`);
const made = (domain: string, { name = "pcl-12345678-1", pid = 10, exe = program } = {}) =>
  message(
    auditTypes.landlockDomain,
    1,
    `domain=${domain} status=allocated mode=enforcing pid=${pid} uid=0 exe="${exe}" comm="${name}"`,
  );
const ended = (domain: string, denials: number) =>
  message(auditTypes.landlockDomain, 9, `domain=${domain} status=deallocated denials=${denials}`);
const call = (serial: number, exit = -13) =>
  message(
    auditTypes.systemCall,
    serial,
    `arch=c000003e syscall=257 success=no exit=${exit} a0=1 a1=2 a2=3 a3=4 items=0 ppid=1 pid=11 auid=0 uid=0 tty=(none) ses=1 comm="cat" exe="/bin/cat"`,
  );

async function eventsOf(
  messages: readonly (Uint8Array | "lost")[],
  lost: () => number | undefined = () => undefined,
): Promise<EventRecord[]> {
  const left = [...messages];
  const source: AuditMessages = { receive: () => left.shift(), close: () => {} };
  const watch = new DenialWatch(source, { label, program }, lost);
  const events: EventRecord[] = [];
  watch.start(10, (event) => events.push(event));
  watch.read();
  await watch.finish();
  return events;
}

test("a denial is one event with its call, layer and object", async () => {
  expect(await eventsOf([access(1, "a"), made("a"), call(1), ended("a", 1)])).toEqual([
    {
      ...{ kind: "object", time: 1_796_125_073_007, pid: 11, command: "cat", architecture: 0xc000_003e, number: 257 },
      ...{ arguments: [1n, 2n, 3n, 4n], errno: 13, layer: 1, blockers: ["fs.read_file"] },
      object: { path: Buffer.from("/secret"), port: undefined, address: undefined, pid: undefined },
    },
  ]);
});

test("the records of several calls can come in any order", async () => {
  const events = await eventsOf([
    ...[access(1, "a"), access(2, "a"), made("a"), call(2, -18), access(3, "b"), call(3), call(1), ended("a", 2)],
  ]);
  expect(events.map((event) => event.kind === "object" && event.errno)).toEqual([18, 13]);
});

test.each([
  ["another label", { name: "pcl-12345679-1" }],
  ["a name without a label", { name: "launcher" }],
  ["a longer name", { name: "pcl-12345678-1x" }],
  ["another process", { pid: 12 }],
  ["another program", { exe: "/tmp/launcher" }],
])("a domain of %s is not of this run", async (_, maker) => {
  expect(await eventsOf([access(1, "a"), made("a", maker), call(1), ended("a", 1)])).toEqual([]);
});

test("a layer has one domain", async () => {
  const second = [access(2, "b"), made("b"), call(2), ended("b", 1)];
  expect(await eventsOf([access(1, "a"), made("a"), call(1), ...second, ended("a", 1)])).toHaveLength(1);
});

test("a program's record of another type is none", async () => {
  const forged = access(2, "a", "fs.execute", 1107);
  expect(await eventsOf([access(1, "a"), made("a"), call(1), forged, call(2), ended("a", 1)])).toHaveLength(1);
});

test("denials without an event are counted", async () => {
  const notice = (dropped: number) => [
    expect.objectContaining({ kind: "object" }),
    expect.objectContaining({ kind: "notice", dropped }),
  ];
  // The domain's end tells the number of denials; without an end, the events do.
  expect(await eventsOf([access(1, "a"), made("a"), call(1), access(2, "a"), ended("a", 5)])).toEqual(notice(4));
  expect(await eventsOf([access(1, "a"), made("a"), call(1), access(2, "a")])).toEqual(notice(1));
});

test("lost records are reported", async () => {
  let count = 3;
  const [kernels] = await eventsOf([], () => count++);
  expect(kernels).toMatchObject({ kind: "notice", dropped: 1 });
  const [buffers] = await eventsOf(["lost"]);
  expect(buffers).toMatchObject({ kind: "notice", text: expect.stringContaining("came too fast") });
});
