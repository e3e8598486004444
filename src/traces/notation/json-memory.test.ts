/** Memory in traces of JSON lines. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { GivenMemory } from "../../engines/simulate/given-memory.ts";
import { readSocketAddress } from "../../ir/observe.ts";
import { readJsonTrace } from "../formats/json.ts";
import type { CallEvent } from "../trace.ts";
import { jsonMemory, readJsonMemory } from "./json-memory.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const read = (call: string, line: object) => {
  const found = readJsonMemory(line as Record<string, unknown>, call, "x86_64");
  return "memory" in found ? Object.fromEntries(found.memory) : found;
};

test.each([
  ["openat", { memory: { path: "/etc" } }, { path: { is: "text", bytes: utf8("/etc"), isCut: false } }],
  [
    "openat",
    { memory: { path: { hex: "2fff" } } },
    { path: { is: "text", bytes: Uint8Array.of(47, 255), isCut: false } },
  ],
  ["openat", { memory: { path: "/e" }, cut: ["path"] }, { path: { is: "text", bytes: utf8("/e"), isCut: true } }],
  ["openat", { memory: { path: null } }, { path: { is: "absent" } }],
  ["openat", { memory: { path: { error: "EFAULT" } } }, { path: { is: "failed", errno: 14 } }],
  [
    "openat",
    { memory: { path: "a" }, resolved: { path: "/srv/a" } },
    { path: { is: "text", bytes: utf8("a"), isCut: false, resolved: "/srv/a" } },
  ],
  [
    "execve",
    { memory: { argv: ["a", { starts: "b" }] }, cut: ["argv"] },
    {
      argv: {
        is: "strings",
        entries: [
          { bytes: utf8("a"), isCut: false },
          { bytes: utf8("b"), isCut: true },
        ],
        isCut: true,
      },
    },
  ],
  [
    "connect",
    { memory: { addr: { kind: "ip", address: "10.0.0.1", port: 443 } } },
    { addr: { is: "address", bytes: Uint8Array.of(2, 0, 1, 187, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0) } },
  ],
  [
    "sendmsg",
    { memory: { msg: { kind: "none", controllen: 24 } } },
    { msg: { is: "address", bytes: Uint8Array.of(), controlLength: 24n } },
  ],
  [
    "sendmsg",
    { memory: { msg: { kind: "none", controllen: "18446744073709551615" } } },
    { msg: { is: "address", bytes: Uint8Array.of(), controlLength: 0xffff_ffff_ffff_ffffn } },
  ],
  ["sendmsg", { memory: { msg: { kind: "none", controllen: -1 } } }, { member: "memory.msg" }],
  ["read", { memory: { buf: "x" } }, { member: "memory.buf", given: "x" }],
  ["openat", { memory: { path: 1 } }, { member: "memory.path", given: 1 }],
  ["openat", { memory: { path: { error: "E1" } } }, { member: "memory.path" }],
  ["openat", { memory: [] }, { member: "memory" }],
  ["openat", { memory: { path: "a" }, cut: "path" }, { member: "cut" }],
  ["openat", { memory: { path: "a" }, resolved: { path: "srv" } }, { member: "resolved.path" }],
  ["openat", { resolved: { path: "/srv" } }, { member: "resolved.path" }],
  ["connect", { memory: { addr: { kind: "ip", address: "10.0.0.1", port: 65536 } } }, { member: "memory.addr" }],
  ["connect", { memory: { addr: { kind: "ipx" } } }, { member: "memory.addr" }],
  ["openat2", { memory: { how: { flag: "0" } } }, { member: "memory.how" }],
  ["openat2", { memory: { how: { flags: "O_CRAET" } } }, { member: "memory.how" }],
])("%s %j", (call, line, wanted) => {
  expect(read(call, line)).toMatchObject(wanted);
});

test("a fault is placed in its line", () => {
  const {
    runs: [trace],
    diagnostics,
  } = readJsonTrace('{"v":1,"kind":"call","tid":1,"call":"openat","memory":{"path":7}}', "t.jsonl", "x86_64");
  expect(trace).toBe(undefined);
  expect(diagnostics).toMatchObject([{ code: "P0802", message: '`memory.path` is "7"', span: { line: 1 } }]);
});

test("written memory reads as the same", () => {
  const text = fc.record({ bytes: fc.uint8Array({ maxLength: 8 }), isCut: fc.boolean() });
  const address = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 20 }).map((name) => Uint8Array.of(1, 0, ...name)),
    fc.uint8Array({ minLength: 14, maxLength: 14 }).map((rest) => Uint8Array.of(2, 0, ...rest)),
    fc.uint8Array({ minLength: 26, maxLength: 26 }).map((rest) => Uint8Array.of(10, 0, ...rest)),
    fc.constantFrom([], [1, 0], [0, 0], [16, 0], [17, 0]).map((bytes) => Uint8Array.from(bytes)),
  );
  const field = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 255 })), { minLength: 3, maxLength: 3 });
  const memory = fc.record({
    path: fc.oneof(
      text.map((one): GivenMemory => ({ is: "text", ...one })),
      text.map((one): GivenMemory => ({ is: "text", ...one, resolved: "/srv/a" })),
      fc.constantFrom<GivenMemory>({ is: "absent" }, { is: "failed", errno: 14 }),
    ),
    how: field.map((fields): GivenMemory => {
      const [bytes, unknown] = [new Uint8Array(24), new Uint8Array(24)];
      for (const [index, [isKnown, value]] of fields.entries()) {
        if (isKnown) bytes[8 * index] = value;
        else unknown.fill(255, 8 * index, 8 * index + 8);
      }
      return { is: "structure", bytes, unknown };
    }),
  });
  fc.assert(
    fc.property(memory, (given) => {
      const json = JSON.parse(JSON.stringify(jsonMemory("openat2", new Map(Object.entries(given)))));
      expect(read("openat2", json)).toEqual(given);
    }),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), fc.boolean(), (entries, isCut) => {
      const argv: GivenMemory = { is: "strings", entries, isCut };
      const json = JSON.parse(JSON.stringify(jsonMemory("execve", new Map([["argv", argv]]))));
      expect(read("execve", json)).toEqual({ argv });
    }),
  );
  // An address has bytes that no policy reads.
  fc.assert(
    fc.property(address, (bytes) => {
      const json = JSON.parse(JSON.stringify(jsonMemory("connect", new Map([["addr", { is: "address", bytes }]]))));
      const found = read("connect", json) as unknown as { addr: { bytes: Uint8Array } };
      expect(readSocketAddress(found.addr.bytes)).toEqual(readSocketAddress(bytes));
    }),
  );
});

test("an event's members are read", () => {
  const line = {
    v: 1,
    kind: "call",
    tid: 1,
    call: "execve",
    memory: { path: "/a", argv: ["x".repeat(512)] },
    cut: ["argv"],
  };
  const {
    runs: [trace],
  } = readJsonTrace(JSON.stringify(line), "t.jsonl", "x86_64");
  const { memory } = trace!.events[0] as CallEvent;
  expect(memory.get("argv")).toMatchObject({ isCut: true, entries: [{ isCut: true }] });
});
