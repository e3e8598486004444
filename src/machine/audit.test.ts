import { expect, test } from "vitest";
import { parseSeccompRecord } from "./audit.ts";

function message(type: number, text: string): Uint8Array {
  const bytes = Buffer.alloc(16 + text.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.write(text, 16, "latin1");
  return bytes;
}

const record = (comm: string, rest = "sig=31 arch=c000003e syscall=110 compat=0 ip=0x7f code=0x80000000") =>
  `audit(1795634710.292:516): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=1150 comm=${comm} exe="/usr/bin/dash" ${rest}`;

test("a kill by seccomp: process and call", () => {
  const kill = { pid: 1150, architecture: 0xc000_003e, number: 110 };
  expect(parseSeccompRecord(message(1326, record('"sh"')))).toEqual(kill);
  // The kernel writes a name with a space in hexadecimal.
  expect(parseSeccompRecord(message(1326, record("7368207069643D39")))).toEqual(kill);
});

test.each([
  ["another type", message(1300, record('"sh"'))],
  ["a logged call", message(1326, record('"sh"', "sig=0 arch=c000003e syscall=110 compat=0"))],
  ["too short", new Uint8Array(7)],
  ["cut", message(1326, record('"sh"').slice(0, 90))],
])("ignores %s", (_, bytes) => {
  expect(parseSeccompRecord(bytes)).toBeUndefined();
});
