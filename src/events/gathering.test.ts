import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { numberOf } from "../abi/calls.ts";
import { errno } from "../abi/errno-numbers.ts";
import { property } from "../ir/testing/property.ts";
import { Gathering } from "./gathering.ts";
import type { JudgementRecord, PolicyDescription, RecordedMemory } from "./record.ts";
import { judgement } from "./testing/judgement.ts";

const denial = (number: number) => ({ action: "deny", errno: number, reason: undefined, at: undefined }) as const;
const policy: PolicyDescription = {
  architecture: "x86_64",
  name: "p",
  files: ["p.ts"],
  verdicts: [denial(errno.EACCES), denial(errno.EPERM)],
  reports: [],
  phases: [],
};
const bytes = (text: string) => new TextEncoder().encode(text);
const pathOf = (path: string): RecordedMemory => ({
  name: "path",
  memory: { is: "text", bytes: bytes(path) },
  isCut: false,
});
const bind = (changes: Partial<JudgementRecord> = {}) =>
  judgement({ number: numberOf("bind", "x86_64")!, arguments: [3n, 0x7000n, 16n, 1n, 2n, 3n], ...changes });
const execve = (path: string, changes: Partial<JudgementRecord> = {}) =>
  judgement({ number: numberOf("execve", "x86_64")!, memory: [pathOf(path)], ...changes });

/** The records that pass, by the time at which they do. */
function gather(given: readonly (readonly [number, JudgementRecord])[]) {
  const gathering = new Gathering(policy);
  const passed: { at: number; count: number; paths?: string[]; tid: number }[] = [];
  const pass = (at: number, records: readonly JudgementRecord[]) => {
    for (const { tid, count = 1, paths } of records) {
      passed.push({ at, count, tid, ...(paths && { paths: paths.map((path) => new TextDecoder().decode(path)) }) });
    }
  };
  const dueUntil = (time: number) => {
    for (let { next } = gathering; next !== undefined && next <= time; { next } = gathering) {
      pass(next, gathering.due(next));
    }
  };
  for (const [time, record] of given) {
    dueUntil(time);
    pass(time, gathering.take(record, time));
  }
  const end = given.at(-1)?.[0] ?? 0;
  pass(end, gathering.drain(end));
  expect(gathering.next).toBeUndefined();
  return passed;
}
const counts = (given: Parameters<typeof gather>[0]) => gather(given).map(({ at, count }) => [at, count]);

describe("equal calls of a process", () => {
  it("are an event at once, and one with the number of the others", () => {
    expect(counts(Array.from({ length: 47 }, (_, index) => [index, bind()]))).toEqual([
      [0, 1],
      [46, 46],
    ]);
  });

  it("are an event for each second", () => {
    expect(counts([0, 10, 20, 1010, 1020, 5000].map((time) => [time, bind()]))).toEqual([
      [0, 1],
      [1000, 2],
      [2000, 2],
      [5000, 1],
    ]);
  });

  it.each<[string, JudgementRecord, number]>([
    ["differ in an argument", bind({ arguments: [4n, 0x7000n, 16n, 0n, 0n, 0n] }), 2],
    ["differ in a register that the call does not have", bind({ arguments: [3n, 0x7000n, 16n, 9n, 9n, 9n] }), 2],
    ["are of another process", bind({ pid: 2 }), 2],
    ["are of another thread", bind({ tid: 2 }), 2],
    ["have another verdict", bind({ verdict: 1 }), 2],
    ["are refused by portcullis", bind({ verdict: "no-state" }), 2],
  ])("%s", (_, other) => {
    const passed = gather([
      [0, bind()],
      [1, other],
      [2, other],
      [3, other],
    ]);
    const isEqual = ["register", "thread"].some((word) => _.includes(word));
    expect(passed.map(({ count }) => count)).toEqual(isEqual ? [1, 3] : [1, 1, 2]);
  });

  it("have no address in common that they need: the memory counts", () => {
    const at = (address: bigint, path: string) =>
      judgement({
        number: numberOf("unlink", "x86_64")!,
        arguments: [address, 0n, 0n, 0n, 0n, 0n],
        memory: [pathOf(path)],
      });
    expect(
      gather([
        [0, at(1n, "/a")],
        [1, at(2n, "/a")],
        [2, at(3n, "/a")],
      ]).map(({ count }) => count),
    ).toEqual([1, 2]);
    expect(
      gather([
        [0, at(1n, "/a")],
        [1, at(1n, "/b")],
      ]),
    ).toHaveLength(2);
  });

  it("with different answers are not equal", () => {
    const answered = (["allowed", "denied", "allowed"] as const).map((one) => bind({ answered: one }));
    expect(counts(answered.map((record, index) => [index, record]))).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
  });

  it("with reports are events each", () => {
    const record = bind({ reports: [{ report: 0, values: [] }] });
    expect(
      gather([
        [0, record],
        [1, record],
        [2, record],
      ]),
    ).toHaveLength(3);
  });
});

describe("a search along directories", () => {
  const directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
  const search = (changes: Partial<JudgementRecord> = {}, from = 0) =>
    directories.map((path, index): [number, JudgementRecord] => [from + index, execve(`${path}/tool`, changes)]);

  it("is one event with all paths", () => {
    expect(gather(search())).toEqual([{ at: 3, tid: 1, count: 4, paths: directories.map((path) => `${path}/tool`) }]);
  });

  it("passes a tenth of a second after its last call", () => {
    expect(counts([...search(), [2000, bind()]])).toEqual([
      [103, 4],
      [2000, 1],
    ]);
  });

  it("ends with another call of the thread, and not with one of another thread", () => {
    const [first, ...others] = search();
    expect(counts([first!, [1, bind({ tid: 2 })], ...others, [9, bind({ tid: 1, pid: 3 })]])).toEqual([
      [1, 1],
      [9, 4],
      [9, 1],
    ]);
  });

  it.each<[string, readonly (readonly [number, JudgementRecord])[], number]>([
    ["of two threads", [...search(), ...search({ tid: 2 })], 2],
    ["of two names", [...search(), [9, execve("/usr/bin/other")]], 2],
    ["of a thread that comes back", [...search(), ...search({}, 4)], 2],
    ["with an errno that ends a search", search({ verdict: 1 }), 4],
    ["that was only audited", search({ audit: true }), 4],
  ])("is one event each: %s", (_, given, events) => {
    expect(gather(given)).toHaveLength(events);
  });

  it("of one path in a loop is a repetition", () => {
    expect(
      gather(Array.from({ length: 9 }, (_, index) => [index, execve("/bin/a")])).map(({ count }) => count),
    ).toEqual([1, 8]);
  });
});

const records = fc.record({
  wait: fc.constantFrom(0, 1, 50, 99, 100, 500, 1000),
  path: fc.constantFrom("/a/x", "/b/x", "/c/x", "/a/y", "x", "/"),
  tid: fc.integer({ min: 1, max: 70 }),
  argument: fc.integer({ min: 0, max: 400 }),
  isBind: fc.boolean(),
});

property([fc.array(records, { maxLength: 600 })])("no call is lost", (given) => {
  let time = 0;
  const timed = given.map(({ wait, path, tid, argument, isBind }): [number, JudgementRecord] => {
    time += wait;
    const one = isBind ? bind({ tid, arguments: [BigInt(argument), 0n, 0n, 0n, 0n, 0n] }) : execve(path, { tid });
    return [time, one];
  });
  const passed = gather(timed);
  expect(passed.reduce((sum, { count }) => sum + count, 0)).toBe(given.length);
  for (const { count, paths } of passed) if (paths !== undefined) expect(new Set(paths).size).toBe(count);
});
