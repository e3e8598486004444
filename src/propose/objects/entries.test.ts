/** The generalisation of recorded uses of files to few entries, and what it never proposes. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { runtimeFiles } from "../../ir/runtime-files.ts";
import { property } from "../../ir/testing/property.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { type Entry, entriesOf, type FileEntries, proposedLists } from "./entries.ts";
import { interpreterIn } from "./machine.ts";
import { machineWith } from "./testing/machine.ts";
import type { Use } from "./uses.ts";

const present = [
  ...["/srv/data/", "/tmp/log", "/home/me/.history", "/home/me/.app/", "/var/log/app.log", "/etc/hosts", "/dev/null"],
];

function generalised(
  uses: Readonly<Record<string, string>>,
  { directories = [], moves = [] }: { directories?: string[]; moves?: [string, string][] } = {},
): FileEntries {
  const files = new Map(Object.entries(uses).map(([path, text]) => [path, new Set(text.split(" ") as Use[])]));
  return entriesOf({ files, directories: new Set(directories), moves }, machineWith(present));
}

const paths = (entries: readonly Entry[]) => entries.map(({ path }) => path);
const listsOf = ({ lists }: FileEntries) =>
  Object.fromEntries(proposedLists.filter((list) => lists[list].length > 0).map((list) => [list, paths(lists[list])]));

const many = (folder: string, count: number, use = "read") =>
  Object.fromEntries(Array.from({ length: count }, (_, number) => [`${folder}/${number}`, use]));

test.each<[string, Readonly<Record<string, string>>, Record<string, readonly string[]>]>([
  ["files stand for themselves", many("/etc/app", 3), { read: ["/etc/app/0", "/etc/app/1", "/etc/app/2"] }],
  ["more than three become their directory", many("/etc/app", 4), { read: ["/etc/app"] }],
  [
    "directories become the one above",
    { ...many("/srv/a/x", 4), ...many("/srv/a/y", 4), "/srv/a/f": "read", "/srv/a/g": "read" },
    { read: ["/srv/a"] },
  ],
  [
    "a top-level directory never gathers",
    many("/etc", 40),
    {
      read: paths(
        Object.keys(many("/etc", 40))
          .sort()
          .map((path) => ({ path, paths: 1, example: "", why: undefined })),
      ),
    },
  ],
  ["a shared directory gathers late", many("/var/lib", 24), { read: Object.keys(many("/var/lib", 24)).sort() }],
  ["a shared directory gathers", many("/var/lib", 25), { read: ["/var/lib"] }],
  ["`runtime` needs no entries", { "/usr/lib/a": "read", "/etc/passwd": "read", "/dev/null": "read write create" }, {}],
  ["a program outside of `runtime`", { "/usr/bin/app": "execute read" }, { execute: ["/usr/bin/app"] }],
  ["a file that may be made stands for its directory", { "/srv/data/log": "write create" }, { write: ["/srv/data"] }],
  [
    "what is made is read through its directory",
    { "/srv/data/t": "make write", "/srv/data/t/x": "read" },
    { read: ["/srv/data"], write: ["/srv/data"] },
  ],
  [
    "a removed directory is made in the next start",
    { "/srv/data/t": "make remove", "/srv/data/t/x": "make write read" },
    { read: ["/srv/data"], write: ["/srv/data"] },
  ],
  [
    "a file that remained in a wide directory",
    { "/tmp/log": "write create", "/var/log/app.log": "write create" },
    { write: ["/tmp/log", "/var/log/app.log"] },
  ],
  [
    "a file of a home directory",
    { "/home/me/.history": "write create read" },
    { read: ["/home/me/.history"], write: ["/home/me/.history"] },
  ],
  [
    "a directory that remained in a home directory",
    { "/home/me/.app": "make", "/home/me/.app/x": "write create" },
    { write: ["/home/me/.app"] },
  ],
])("%s", (_, uses, expected) => {
  expect(listsOf(generalised(uses))).toEqual(expected);
});

describe("wide directories", () => {
  it("are entries for names that are made in them, with the reason", () => {
    const { lists } = generalised({ "/tmp/cc1.s": "make write remove", "/srv/data/x": "write" });
    expect(lists.write).toEqual([
      { path: "/srv/data/x", paths: 1, example: "/srv/data/x", why: undefined },
      { path: "/tmp", paths: 1, example: "/tmp/cc1.s", why: "cc1.s is made, renamed or removed in it" },
    ]);
  });

  it("are entries if they are listed", () => {
    const { lists } = generalised({ "/etc": "read", "/etc/hosts": "read" }, { directories: ["/etc"] });
    expect(lists.read).toEqual([{ path: "/etc", paths: 1, example: "/etc", why: "it is opened itself" }]);
  });

  it("are left out if they are the root directory, a home directory, or that of processes", () => {
    const { lists, leftOut } = generalised(
      {
        "/": "read",
        "/home/me": "read",
        "/home/me/.a.tmp": "make remove write",
        "/home/you/b": "create write",
        "/proc": "write",
      },
      { directories: ["/", "/home/me", "/proc"] },
    );
    expect(lists).toEqual({ read: [], write: [], execute: [] });
    expect(paths(leftOut.read)).toEqual(["/", "/home/me"]);
    expect(leftOut.write.map(({ path, why }) => `${path}: ${why}`)).toEqual([
      "/home/me: .a.tmp is made, renamed or removed in it",
      "/home/you: b is made, renamed or removed in it",
      "/proc: the directory of a process has another number in each start",
    ]);
  });
});

describe("a move to another directory", () => {
  it("gives the former directory the rights of the new one", () => {
    const uses = { "/srv/a/x": "make write remove", "/srv/b/x": "make remove read" };
    const { lists } = generalised(uses, { moves: [["/srv/a/x", "/srv/b/x"]] });
    expect(lists.read).toEqual([
      { path: "/srv/a", paths: 1, example: "/srv/a/x", why: "files move from here to /srv/b" },
      { path: "/srv/b", paths: 1, example: "/srv/b/x", why: undefined },
    ]);
  });
});

it("names entries that are missing here", () => {
  expect(generalised({ "/srv/data": "read", "/srv/gone": "read" }).missing).toEqual(["/srv/gone"]);
});

it("finds the interpreter of a script and of an ELF file", () => {
  expect(interpreterIn(Buffer.from("#! /bin/sh -e\n"))).toBe("/bin/sh");
  expect(interpreterIn(Buffer.from("plain"))).toBeUndefined();
  const elf = Buffer.alloc(160);
  elf.writeUInt32BE(0x7f45_4c46);
  elf.set([2, 1], 4);
  elf.writeBigUInt64LE(64n, 32);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(3, 64);
  elf.writeBigUInt64LE(130n, 72);
  elf.writeBigUInt64LE(8n, 96);
  elf.write("/lib/ld\0", 130);
  expect(interpreterIn(elf)).toBe("/lib/ld");
});

const name = fc.constantFrom("a", "b", "c", "d", "e", ".x");
const top = fc.constantFrom(
  "/srv",
  "/tmp",
  "/etc",
  "/home/me",
  "/home/me/.config",
  "/var/lib",
  "/var/log/app",
  "/opt/x",
);
const path = fc
  .tuple(top, fc.array(name, { minLength: 1, maxLength: 3 }))
  .map(([folder, names]) => [folder, ...names].join("/"));
const uses = fc.uniqueArray(fc.constantFrom<Use>("read", "write", "execute", "create", "make", "remove"), {
  minLength: 1,
});
const recorded = fc.record({
  files: fc.uniqueArray(fc.tuple(path, uses), { selector: ([one]) => one, maxLength: 40 }),
  moves: fc.array(fc.tuple(path, path), { maxLength: 4 }),
  directories: fc.array(top, { maxLength: 3 }),
  present: fc.array(path, { maxLength: 10 }),
});

const isAtOrBelow = (one: string, entry: string) => one === entry || entry === "/" || one.startsWith(`${entry}/`);

property([recorded], { numRuns: casesOf(1000) })(
  "every use is permitted or left out, no entry is superfluous or a home directory, and moves gain no right",
  ({ files, moves, directories, present: here }) => {
    const all = new Map(files.map(([one, list]) => [one, new Set(list)] as const));
    for (const one of directories) all.set(one, new Set<Use>(["read"]));
    for (const [from, to] of moves) {
      all.set(from, new Set<Use>([...(all.get(from) ?? []), "remove"]));
      all.set(to, new Set<Use>([...(all.get(to) ?? []), "make", "remove"]));
    }
    const machine = machineWith(here);
    const { lists, leftOut } = entriesOf({ files: all, directories: new Set(directories), moves }, machine);
    const has = (entries: readonly Entry[], one: string) => entries.some((entry) => isAtOrBelow(one, entry.path));
    for (const [one, list] of all) {
      const needs = (of: "read" | "write" | "execute", at: string) =>
        expect(
          has([...lists[of], ...leftOut[of]], at) || (runtimeFiles[of] ?? []).some((entry) => isAtOrBelow(at, entry)),
          `${of} ${at}`,
        ).toBe(true);
      if (list.has("read")) needs("read", one);
      if (list.has("execute")) needs("execute", one);
      if (list.has("write")) needs("write", one);
      if (list.has("remove")) needs("write", one.slice(0, one.lastIndexOf("/")));
    }
    for (const list of proposedLists) {
      for (const { path: entry } of lists[list]) {
        expect(["/", "/home", "/home/me"]).not.toContain(entry);
        expect(lists[list].filter((other) => isAtOrBelow(entry, other.path))).toHaveLength(1);
      }
    }
    for (const [from, to] of moves) {
      for (const list of proposedLists)
        if (has(lists[list], to))
          expect(has([...lists[list], ...leftOut[list]], from), `${list} ${from} → ${to}`).toBe(true);
    }
  },
);
