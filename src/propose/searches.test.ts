import { describe, expect, it } from "vitest";
import { type Choices, pick, SeededChoices } from "../ir/testing/choices.ts";
import { casesOf, seeds } from "../ir/testing/seeds.ts";
import type { History, Segment } from "./history.ts";
import { withoutSearches } from "./searches.ts";
import { historyOf, type Line } from "./testing/lines.ts";
import { policyOf, refusedBy } from "./testing/policies.ts";

const noEntry = -2;
const noAccess = -13;
const files = {
  isProtected: (directory: string) => !directory.startsWith("/home/"),
  isMissing: (path: string) => path !== "/usr/bin/git",
};
const missing = (tid: number, path: string): Line => [tid, "execve", { path, result: noEntry }];
const found = (tid: number, path: string): Line[] => [[tid, "execve", path], { exec: tid }];

/** A shell's child searches git in PATH. */
const searching: readonly Line[] = [
  [1, "getpid"],
  { fork: [1, 2] },
  [2, "setsid"],
  missing(2, "/usr/local/bin/git"),
  missing(2, "/home/u/bin/git"),
  ...found(2, "/usr/bin/git"),
  [2, "sync"],
  [2, "umask", 18],
];

describe("a program that was searched in vain", () => {
  it("does not exist in a directory that the user can write", () => {
    const policy = policyOf([searching], { files });
    expect(policy).toContain('  if (name === "execve" && args.path.text.under("/home/u/bin")) return deny("ENOENT");');
    expect(refusedBy(policy, searching)).toEqual([expect.stringContaining('execve("/home/u/bin/git"')]);
    const before = searching.slice(0, 3);
    for (const path of ["/home/u/bin/git", "/home/u/bin/sh", "/home/u/bin/../bin/git"])
      expect(refusedBy(policy, [...before, [2, "execve", path]]), path).toHaveLength(1);
  });

  it("begins no role", () => {
    const policy = policyOf([searching], { files });
    const before = searching.slice(0, 4);
    expect(refusedBy(policy, [...before, missing(2, "/home/u/bin/git"), [2, "sync"]])).toHaveLength(2);
    const git = [...before, ...found(2, "/usr/bin/git")];
    expect(refusedBy(policy, [...git, [2, "sync"], [2, "execve", "/usr/bin/git"]])).toEqual([
      expect.stringContaining("execve"),
    ]);
  });

  it("is allowed where root alone can put it, and by a proposal without a machine", () => {
    for (const options of [{ files: { ...files, isProtected: () => true } }, {}]) {
      const policy = policyOf([searching], options);
      expect(policy).not.toContain("ENOENT");
      expect(refusedBy(policy, searching)).toEqual([]);
    }
  });

  it("is allowed if it was there once, or if the recording does not say ENOENT", () => {
    const first = searching.slice(0, 4);
    for (const line of [
      missing(2, "/home/u/bin/git"),
      [2, "execve", { path: "/home/u/bin/git", result: noAccess }],
      [2, "execve", "/home/u/bin/git"],
    ] as const) {
      const lines: Line[] = [...first, line, ...found(2, "/home/u/bin/git")];
      const policy = policyOf([lines], { files });
      expect(policy).not.toContain("ENOENT");
      expect(refusedBy(policy, lines)).toEqual([]);
    }
  });

  it("is not there now, if the recording lacks results", () => {
    const lines = [
      ...searching.slice(0, 3),
      ...["/usr/local/bin/git", "/home/u/bin/git"].map((path): Line => [2, "execve", path]),
      ...searching.slice(5),
    ];
    const policy = policyOf([lines], { files });
    expect(policy).toContain('return deny("ENOENT")');
    const isThere = policyOf([lines], { files: { ...files, isMissing: () => false } });
    expect(isThere).not.toContain("ENOENT");
    expect(refusedBy(isThere, lines)).toEqual([]);
    // A recording without executions says nothing about them.
    const without = policyOf([lines.filter((line) => !("exec" in line))], { files });
    expect(without).not.toContain("ENOENT");
  });

  it("leaves the other programs of the directory", () => {
    const lines: Line[] = [...searching.slice(0, 5), ...found(2, "/home/u/bin/hub"), [2, "sync"]];
    const policy = policyOf([lines], { files });
    expect(refusedBy(policy, lines)).toEqual([expect.stringContaining('execve("/home/u/bin/git"')]);
  });

  it("has its former verdict if the directories are too many to read", () => {
    const paths = Array.from({ length: 20 }, (_, index) => `/home/u/${String.fromCharCode(97 + index)}/git`);
    const lines: Line[] = [...searching.slice(0, 3), ...paths.map((path) => missing(2, path)), [2, "sync"]];
    const policy = policyOf([lines], { files });
    expect(policy).not.toContain("ENOENT");
    expect(refusedBy(policy, lines)).toEqual([]);
  });
});

/** Lines in which some calls of a process are a search in vain, or `getpid` in its place. */
function randomLines(choices: Choices): { readonly lines: Line[]; readonly plain: Line[] } {
  const [lines, plain]: [Line[], Line[]] = [[], []];
  const add = (...more: readonly Line[]) => {
    lines.push(...more);
    plain.push(...more);
  };
  const tasks = [1];
  add([1, "getpid"]);
  for (let rest = 30 + choices.below(60); rest > 0; rest--) {
    const tid = pick(choices, tasks);
    const program = pick(choices, ["a", "b", "c"]);
    const kind = choices.below(12);
    if (kind < 3) {
      lines.push(missing(tid, `/home/u/bin/${program}`));
      plain.push([tid, "getpid"]);
    } else if (kind === 3) add(...found(tid, `/usr/bin/${program}`));
    else if (kind === 4) {
      const child = tasks.length + 1;
      tasks.push(child);
      add([tid, "clone", 17], { fork: [tid, child] });
    } else add([tid, pick(choices, ["sync", "umask", "read", "poll", "getppid"]), choices.below(3)]);
  }
  return { lines, plain };
}

/** A history in a form that can be compared, without `getpid`. */
function formOf({ segments, signatures }: History): object[] {
  const keys = signatures.map(({ call, values }) => `${call} ${values.join()}`);
  const index = (segment: Segment) => segments.indexOf(segment);
  return segments.map(({ origin, program, calls, occurrences }) => ({
    ...{ program, calls },
    origin:
      origin.is === "fork"
        ? { ...origin, parent: index(origin.parent) }
        : origin.is === "command"
          ? origin
          : { ...origin, before: index(origin.before) },
    occurrences: [...occurrences]
      .map(([id, { count, firsts, last }]) => ({ key: keys[id]!, count, firsts, last }))
      .filter(({ key }) => !key.startsWith("getpid"))
      .sort((a, b) => (a.key < b.key ? -1 : 1)),
  }));
}

it("on random recordings: without its searches, a history is that of a process that made other calls instead", () => {
  let joined = 0;
  for (const seed of seeds(casesOf(100))) {
    const { lines, plain } = randomLines(new SeededChoices(seed));
    const { history, searched } = withoutSearches(historyOf([lines]), files);
    if (searched.size > 0) joined++;
    expect(formOf(history), `seed ${seed}`).toEqual(formOf(historyOf([plain])));
  }
  expect(joined).toBeGreaterThan(0);
});
