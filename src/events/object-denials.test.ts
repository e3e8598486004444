/** Denials by the policy's declarations about objects. */
import { expect, describe as group, it, test } from "vitest";
import type { Program } from "../ir/program.ts";
import { describe } from "./describe.ts";
import type { DecisionEvent } from "./event.ts";
import { printLine } from "./line.ts";
import { type DeniedObject, describePolicy, type ObjectRecord } from "./record.ts";

const at = (line: number) => ({ file: 0, line, column: 5, length: 1 });
const rule = (path: string, line: number) => ({ path, optional: false, at: at(line) });
const policy = describePolicy({
  ...{ architecture: "x86_64", name: "p", files: ["p.ts"], verdicts: [], reports: [], cells: [] },
  objects: [
    {
      files: { lists: { read: [rule("/usr", 4)], write: [] }, except: [], names: false, streams: false },
      ...{ tcp: { bind: [], connect: undefined }, udp: { bind: [0], connect: [53] } },
      ...{ unix: { connect: [] }, scopes: ["signal", "abstract-socket"], at: at(3) },
      places: { files: at(3), tcp: at(6), udp: at(7), unix: at(8), scope: at(9) },
    },
    { ...{ files: undefined, tcp: undefined, udp: undefined, unix: undefined, scopes: ["signal"] }, at: at(20) },
  ],
} as unknown as Program);

const record = (blockers: readonly string[], object: DeniedObject, layer = 0): ObjectRecord => ({
  ...{ kind: "object", time: 5000, pid: 7, command: "cat", architecture: 0xc000_003e, number: 257 },
  ...{ arguments: [0xffff_ff9cn, 0x1000n, 0n, 0n], errno: 13, layer, blockers, object },
});
const eventOf = (one: ObjectRecord) => describe(policy, one)[0] as DecisionEvent;

test("the rights that a layer restricts, each with its setting and place", () => {
  const [first, second] = policy.objects!.map((rights) =>
    rights.map((one) => `${one.right} ${one.setting} ${one.at.line}`),
  );
  expect(first).toEqual([
    ...["fs.read_file files.read 4", "fs.read_dir files.read 4", "fs.write_file files.write 3"],
    ...["char", "dir", "reg", "sock", "fifo", "block", "sym"].map((kind) => `fs.make_${kind} files.write 3`),
    ...["fs.remove_dir files.write 3", "fs.remove_file files.write 3", "fs.refer files.write 3"],
    ...["fs.truncate files.write 3", "fs.change_topology files 3", "fs.resolve_unix unix.connect 8"],
    ...["net.bind_tcp tcp.bind 6", "net.bind_udp udp.bind 7", "net.connect_send_udp udp.connect 7"],
    ...["scope.signal scope 9", "scope.abstract_unix_socket scope 9"],
  ]);
  expect(second).toEqual(["scope.signal scope 20"]);
});

test("an event has the call, the object and the declaration", () => {
  const event = eventOf(record(["fs.read_file"], { path: Buffer.from("/etc/a b") }));
  expect(event).toEqual({
    ...{ v: 1, kind: "decision", time: 5, pid: 7, tid: 7, command: "cat", call: "openat", number: 257 },
    arguments: [
      { name: "dirfd", text: "AT_FDCWD" },
      { name: "path", text: "0x1000" },
      { name: "flags", text: "O_RDONLY" },
      { name: "mode", text: "0" },
    ],
    ...{ verdict: "deny", errno: "EACCES", rule: "p.ts:4:5", policy: "p" },
    reason: 'files.read does not have "/etc/a b": Landlock, fs.read_file',
    object: { blockers: ["fs.read_file"], path: "/etc/a b" },
  });
  expect(printLine(event)).toContain(
    'cat[7]: openat(AT_FDCWD, 0x1000, O_RDONLY, 0): denied with EACCES (files.read does not have "/etc/a b": Landlock, fs.read_file), by p.ts:4:5',
  );
});

group("the reason names the object", () => {
  it.each<readonly [blockers: readonly string[], object: DeniedObject, reason: string, rule: string]>([
    [["fs.write_file", "fs.truncate"], { path: Buffer.from("/x") }, 'files.write does not have "/x"', "p.ts:3:5"],
    [["net.bind_tcp"], { port: 80 }, "tcp.bind does not have port 80", "p.ts:6:5"],
    [["net.bind_udp"], { port: 0 }, "udp.bind does not have port 0, for which the kernel chooses one", "p.ts:7:5"],
    [["scope.signal"], { pid: 1 }, "process 1 is outside of the tree", "p.ts:9:5"],
    [
      ["scope.abstract_unix_socket"],
      { path: Buffer.from("\0bus") },
      'the socket @"bus" is outside of the tree',
      "p.ts:9:5",
    ],
    [["fs.change_topology"], {}, "a tree with rules about files cannot change mounts", "p.ts:3:5"],
  ])("%j %j", (blockers, object, reason, place) => {
    const event = eventOf(record(blockers, object));
    expect(event.reason).toBe(`${reason}: Landlock, ${blockers.join(", ")}`);
    expect(event.rule).toBe(place);
  });

  it("and the option, if one parameter's path would have all missing rights", () => {
    const files = {
      lists: { read: [rule("/usr", 4)], write: [] },
      settings: { read: ["read", "write"], write: ["write"] },
      ...{ except: [], protect: [], private: [], names: false, streams: false },
    };
    const settings = ["read", "write"].map((name) => ({ name, kind: "paths", value: "", mayBeEmpty: true }));
    const given = {
      ...{ architecture: "x86_64", name: "p", files: ["p.ts"], verdicts: [], reports: [], cells: [] },
      settings,
    };
    const one = { files, tcp: undefined, udp: undefined, unix: undefined, scopes: ["signal"], at: at(3) };
    const permits = describePolicy({ ...given, objects: [one] } as unknown as Program);
    const permitOf = (blockers: readonly string[], object: DeniedObject) =>
      (describe(permits, record(blockers, object))[0] as DecisionEvent).permit;
    const path = Buffer.from("/srv/x");
    expect(permitOf(["fs.read_file"], { path })).toEqual(["--set", "read=/srv/x"]);
    expect(permitOf(["fs.make_reg"], { path })).toEqual(["--set", "write=/srv/x"]);
    expect(permitOf(["fs.read_file", "fs.write_file"], { path })).toEqual(["--set", "write=/srv/x"]);
    expect(permitOf(["fs.execute"], { path })).toBeUndefined();
    expect(permitOf(["scope.signal"], { pid: 1 })).toBeUndefined();
    for (const hostile of ["/srv/\n--set write=/", "/srv/\x1b]0;x\x07", "/srv/a,/etc"]) {
      const event = describe(permits, record(["fs.write_file"], { path: Buffer.from(hostile) }))[0] as DecisionEvent;
      expect(event).not.toHaveProperty("permit");
      expect([..."\n\x07\x1b"].filter((one) => printLine(event).includes(one))).toEqual([]);
    }
    const [quoted] = describe(permits, record(["fs.write_file"], { path: Buffer.from("/srv/it's --set") }));
    expect(printLine(quoted!)).toContain("; to permit it: --set 'write=/srv/it'\\''s --set'");
  });

  it("without a declaration", () => {
    const event = eventOf(record(["ptrace"], { pid: 1 }));
    expect(event.reason).toBe("process 1 is outside of the tree: Landlock, ptrace");
    expect(event).not.toHaveProperty("rule");
    expect(eventOf(record(["scope.abstract_unix_socket"], { path: Buffer.from("\0bus") })).object).toEqual({
      blockers: ["scope.abstract_unix_socket"],
      name: "bus",
    });
  });
});
