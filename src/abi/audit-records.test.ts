import { describe, expect, it, test } from "vitest";
import { auditTypes, parseAuditRecord } from "./audit-records.ts";

const stamp = "audit(1796125073.007:7): ";
const common = { time: 1_796_125_073_007, serial: "7" };
const access = (text: string) => parseAuditRecord(auditTypes.landlockAccess, `${stamp}${text}`);
const domain = (text: string) => parseAuditRecord(auditTypes.landlockDomain, `${stamp}${text}`);
const none = { path: undefined, port: undefined, address: undefined, other: undefined };

test("requests: what is denied, and the object", () => {
  expect(access('domain=115cb9fc9 blockers=fs.read_file path="/etc/x" dev="overlay" ino=413')).toEqual({
    ...{ is: "access", ...common, ...none, domain: "115cb9fc9", blockers: ["fs.read_file"] },
    path: Buffer.from("/etc/x"),
  });
  expect(access('domain=1 blockers=fs.write_file,fs.truncate path=2F6574632F61202262 dev="x" ino=1')).toMatchObject({
    blockers: ["fs.write_file", "fs.truncate"],
    path: Buffer.from('/etc/a "b'),
  });
  expect(access("domain=1 blockers=net.connect_tcp daddr=127.0.0.1 dest=80")).toMatchObject({
    port: 80,
    address: "127.0.0.1",
  });
  expect(access("domain=1 blockers=net.connect_tcp lport=9 daddr=::1 dest=443")).toMatchObject({
    port: 443,
    address: "::1",
  });
  expect(access("domain=1 blockers=net.bind_udp src=5353")).toMatchObject({ port: 5353, address: undefined });
  // The kernel omits zeros.
  expect(access("domain=1 blockers=net.bind_udp")).toMatchObject({ port: 0 });
  expect(access('domain=1 blockers=scope.signal opid=12 ocomm="sh"')).toMatchObject({ other: 12 });
  expect(access("domain=1 blockers=scope.abstract_unix_socket path=0061")).toMatchObject({ path: Buffer.from("\0a") });
});

test("domains: their maker and their end", () => {
  expect(
    domain('domain=1a status=allocated mode=enforcing pid=144 uid=0 exe="/usr/bin/p" comm="pcl-12345678-0"'),
  ).toEqual({ is: "domain", ...common, domain: "1a", pid: 144, program: "/usr/bin/p", name: "pcl-12345678-0" });
  expect(domain("domain=1a status=deallocated denials=7")).toEqual({
    ...{ is: "domain-end", ...common, domain: "1a", denials: 7 },
  });
});

const call = (more: string, comm = '"python3"') =>
  `${stamp}arch=c000003e syscall=257 ${more}a0=ffffffffffffff9c a1=7f48 a2=80000 a3=0 items=0 ppid=101 pid=144 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm=${comm} exe="/usr/bin/python3.13" subj=docker-default (enforce) key=(null)`;

test("calls", () => {
  expect(parseAuditRecord(auditTypes.systemCall, call("success=no exit=-13 "))).toEqual({
    ...{ is: "call", ...common, architecture: 0xc000_003e, number: 257, result: -13, pid: 144, command: "python3" },
    arguments: [0xffff_ffff_ffff_ff9cn, 0x7f48n, 0x80000n, 0n],
  });
  expect(parseAuditRecord(auditTypes.systemCall, call("per=8 success=yes exit=0 "))).toMatchObject({ result: 0 });
  expect(parseAuditRecord(auditTypes.systemCall, call("", "612062"))).toMatchObject({
    result: undefined,
    command: "a b",
  });
});

describe("a text that the kernel does not write is no record", () => {
  it.each([
    ["a field twice", "domain=1 blockers=fs.execute domain=2"],
    ["text after a quotation mark", 'domain=1 blockers=fs.execute path="/a"b dev="x"'],
    ["an open quotation mark", 'domain=1 blockers=fs.execute path="/a'],
    ["blockers of other characters", "domain=1 blockers=fs.execute;x"],
    ["no blockers", "domain=1"],
    ["a domain that is no number", "domain=xyz blockers=fs.execute"],
    ["words", "domain=1 blockers=fs.execute and more"],
  ])("%s", (_, text) => {
    expect(access(text)).toBeUndefined();
  });

  it("has no record of a path without one of the kernel's two forms", () => {
    expect(access("domain=1 blockers=fs.execute path=/etc/x")).toMatchObject({ path: undefined });
  });

  it.each([
    ["another type", 1107, `${stamp}domain=1 blockers=fs.execute`],
    ["no stamp", auditTypes.landlockAccess, "domain=1 blockers=fs.execute"],
    ["text before the stamp", auditTypes.landlockAccess, `x ${stamp}domain=1 blockers=fs.execute`],
    ["a domain without a maker", auditTypes.landlockDomain, `${stamp}domain=1 status=allocated mode=enforcing pid=1`],
    ["another status", auditTypes.landlockDomain, `${stamp}domain=1 status=x pid=1 exe="/a" comm="b"`],
    ["a cut call", auditTypes.systemCall, call("success=no exit=-13 ").slice(0, 150)],
    ["a name without quotation marks", auditTypes.systemCall, call("", "python pid=1")],
  ])("%s", (_, type, text) => {
    expect(parseAuditRecord(type, text)).toBeUndefined();
  });
});
