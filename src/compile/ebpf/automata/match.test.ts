import { describe, expect, it } from "vitest";
import { seeds } from "../../../ir/testing/seeds.ts";
import { capabilities, withoutCapabilities } from "../../../linux/capabilities.ts";
import { compileMatcher, run } from "../../../patterns/automaton.ts";
import { describePattern, type Pattern } from "../../../patterns/pattern.ts";
import { PatternChoices } from "../../../patterns/testing/arbitrary.ts";
import { matches } from "../../../patterns/testing/reference.ts";
import { interpretedMatcher, KernelMatcher, type Matcher, tablesPlace } from "../testing/match.ts";
import { chooseMatch, type MatchForm, matchForms, matchIn } from "./form.ts";
import { undecided } from "./match.ts";

const needsRoot = "loading a program of type BPF_PROG_TYPE_SYSCALL needs root";
const isRoot = process.getuid?.() === 0;
const place = (room: number) => ({ room, tables: tablesPlace });
const automatonOf = (...patterns: Pattern[]) => compileMatcher(patterns).automaton!;
const text = (of: string) => Buffer.from(of);

function check(matcher: Matcher, patterns: readonly Pattern[], subjects: readonly Uint8Array[], where: string): void {
  const automaton = automatonOf(...patterns);
  for (const subject of subjects) {
    const set = matcher.match(subject);
    const what = `${where}: ${patterns.map(describePattern)} on ${Buffer.from(subject).toString("latin1")}`;
    expect(set, what).toBe(run(automaton, subject));
    for (const [index, pattern] of patterns.entries())
      expect(((automaton.acceptSets[set]! >> BigInt(index)) & 1n) === 1n, what).toBe(matches(pattern, subject));
  }
}

const asEnding = ({ text: ending }: Pattern): Pattern => ({ kind: "endsWith", text: ending });

/** Random patterns in each form that they have. */
function* randomMatches(count: number, form: MatchForm, room: number) {
  for (const seed of seeds(count)) {
    const choices = new PatternChoices(seed);
    const some = choices.patterns(form === "tree" ? 2 : 4);
    const patterns = form === "endings" ? some.map(asEnding) : some;
    const match = matchIn(form, automatonOf(...patterns), patterns, place(room));
    if (match === undefined) continue;
    const subjects = Array.from({ length: 12 }, () => choices.subject(patterns)).filter(({ length }) => length <= room);
    yield { patterns, match, subjects, where: `${form}, seed ${seed}` };
  }
}

describe("random patterns", () => {
  for (const form of matchForms) {
    it(`as ${form} say what the reference says`, () => {
      let tried = 0;
      for (const { patterns, match, subjects, where } of randomMatches(120, form, 48)) {
        check(interpretedMatcher(match, 48), patterns, subjects, where);
        tried += 1;
      }
      expect(tried).toBeGreaterThan(20);
    });

    it(`as ${form} say so on the running kernel`, (context) => {
      if (!isRoot) context.skip(needsRoot);
      for (const { patterns, match, subjects, where } of randomMatches(60, form, 48)) {
        const matcher = new KernelMatcher(match, 48);
        try {
          check(matcher, patterns, subjects, where);
        } finally {
          matcher.close();
        }
      }
    });
  }
});

const lists: Readonly<Record<string, readonly Pattern[]>> = {
  "one path": [{ kind: "is", text: "/run/user/1000/keyring/ssh" }],
  directories: ["/usr", "/lib", "/lib64", "/etc/ssl", "/proc/self", "/tmp/é"].map((each) => ({
    kind: "under",
    text: each,
  })),
  "a glob": [{ kind: "matches", text: "/home/*/.ssh/{id_*,known_hosts}" }],
  endings: [".so", ".so.6", ".conf"].map((each) => ({ kind: "endsWith", text: each })),
  "sixty files": Array.from({ length: 60 }, (_, index) => ({
    kind: "is",
    text: `/etc/${(index * 7919) % 991}/file${index}`,
  })),
};

describe("longer texts", () => {
  const room = 4096;
  const subjects = [
    ...Object.values(lists).flatMap((list) => list.map((pattern) => pattern.text)),
    "/home/a/.ssh/id_rsa",
    "/home/a/b/.ssh/id_rsa",
    "/usr/".padEnd(4096, "x"),
    "/lib/x.so".padStart(4096, "x"),
    "/".repeat(4095),
    "/etc/ssl2",
    "/tmp/é/x",
    "",
  ].map(text);

  for (const [name, list] of Object.entries(lists))
    it(`${name}, on the running kernel`, (context) => {
      if (!isRoot) context.skip(needsRoot);
      for (const form of matchForms) {
        const match = matchIn(form, automatonOf(...list), list, place(room));
        if (match === undefined) continue;
        const matcher = new KernelMatcher(match, room);
        try {
          check(matcher, list, subjects, form);
          expect(matcher.match(new Uint8Array(room + 1))).toBe(undecided);
          expect(matcher.match(new Uint8Array(2 ** 20))).toBe(undecided);
        } finally {
          matcher.close();
        }
      }
    });

  it("longer than the room are not decided", () => {
    for (const form of matchForms) {
      const list: Pattern[] = [{ kind: form === "endings" ? "endsWith" : "is", text: "abcde" }];
      const matcher = interpretedMatcher(matchIn(form, automatonOf(...list), list, place(5))!, 5);
      const results = ["abcde", "abcd1", "abcdef", "1abcde", "a"].map((each) => matcher.match(text(each)));
      expect(results, form).toEqual([1, 0, undecided, undecided, 0]);
    }
  });

  it("as long as the room are compared to their end", () => {
    for (const form of matchForms)
      for (const pattern of ["abcde", "abcdef", "abcd", "{abcde,abx}", "abcd?"]) {
        const kind = form === "endings" ? "endsWith" : "matches";
        const list: Pattern[] = [{ kind, text: pattern }];
        const matcher = interpretedMatcher(matchIn(form, automatonOf(...list), list, place(5))!, 5);
        check(matcher, list, ["abcde", "abcd", "abcd1", "", "abx"].map(text), form);
      }
  });

  it("are matched where the kernel guards against speculation, in all forms but the loop", (context) => {
    if (!isRoot) context.skip(needsRoot);
    for (const [name, list] of Object.entries(lists))
      for (const form of matchForms) {
        const match = matchIn(form, automatonOf(...list), list, place(form === "unrolled" ? 256 : room));
        if (match === undefined || form === "loop") continue;
        const matcher = withoutCapabilities([capabilities.perfmon, capabilities.systemAdministration], () => {
          return new KernelMatcher(match, form === "unrolled" ? 256 : room);
        });
        try {
          check(
            matcher,
            list,
            subjects.filter(({ length }) => length <= 256),
            form,
          );
          // What the kernel's seccomp programs may take.
          expect(matcher.verified, `${name}, ${form}`).toBeLessThan(32_768);
        } finally {
          matcher.close();
        }
      }
  });
});

describe("the form", () => {
  it("costs what it says", () => {
    const rows = Object.entries(lists).flatMap(([name, list]) =>
      [108, 4096].flatMap((room) =>
        matchForms.map((form) => {
          const cost = matchIn(form, automatonOf(...list), list, place(room))?.cost;
          return `${name}, ${room}, ${form}: ${cost === undefined ? "none" : `${cost.instructions} instructions, run ${cost.longestRun}, tables ${cost.tableBytes}`}`;
        }),
      ),
    );
    expect(rows).toMatchInlineSnapshot(`
      [
        "one path, 108, tree: 24 instructions, run 20, tables 0",
        "one path, 108, endings: none",
        "one path, 108, unrolled: 1113 instructions, run 1103, tables 1528",
        "one path, 108, loop: 28 instructions, run 1633, tables 1528",
        "one path, 4096, tree: 24 instructions, run 20, tables 0",
        "one path, 4096, endings: none",
        "one path, 4096, unrolled: none",
        "one path, 4096, loop: 28 instructions, run 61453, tables 1528",
        "directories, 108, tree: 87 instructions, run 24, tables 0",
        "directories, 108, endings: none",
        "directories, 108, unrolled: 1113 instructions, run 1103, tables 2216",
        "directories, 108, loop: 28 instructions, run 1633, tables 2216",
        "directories, 4096, tree: 87 instructions, run 24, tables 0",
        "directories, 4096, endings: none",
        "directories, 4096, unrolled: none",
        "directories, 4096, loop: 28 instructions, run 61453, tables 2216",
        "a glob, 108, tree: none",
        "a glob, 108, endings: none",
        "a glob, 108, unrolled: 1113 instructions, run 1103, tables 1584",
        "a glob, 108, loop: 28 instructions, run 1633, tables 1584",
        "a glob, 4096, tree: none",
        "a glob, 4096, endings: none",
        "a glob, 4096, unrolled: none",
        "a glob, 4096, loop: 28 instructions, run 61453, tables 1584",
        "endings, 108, tree: none",
        "endings, 108, endings: 41 instructions, run 33, tables 0",
        "endings, 108, unrolled: 1113 instructions, run 1103, tables 928",
        "endings, 108, loop: 28 instructions, run 1633, tables 928",
        "endings, 4096, tree: none",
        "endings, 4096, endings: 41 instructions, run 33, tables 0",
        "endings, 4096, unrolled: none",
        "endings, 4096, loop: 28 instructions, run 61453, tables 928",
        "sixty files, 108, tree: 847 instructions, run 35, tables 0",
        "sixty files, 108, endings: none",
        "sixty files, 108, unrolled: 1113 instructions, run 1103, tables 20624",
        "sixty files, 108, loop: 28 instructions, run 1633, tables 20624",
        "sixty files, 4096, tree: 847 instructions, run 35, tables 0",
        "sixty files, 4096, endings: none",
        "sixty files, 4096, unrolled: none",
        "sixty files, 4096, loop: 28 instructions, run 61453, tables 20624",
      ]
    `);
  });

  it("runs no longer than it says", () => {
    const head = 6;
    for (const form of matchForms)
      for (const { match, subjects } of randomMatches(60, form, 48)) {
        const matcher = interpretedMatcher(match, 48);
        for (const subject of subjects) {
          matcher.match(subject);
          expect(matcher.executed()).toBeLessThanOrEqual(match.cost.longestRun + head);
        }
      }
  });

  it("is the tree, then the loop where there may be one, then rounds written out", () => {
    const choose = (name: string, room: number, loops: boolean) =>
      chooseMatch(automatonOf(...lists[name]!), lists[name]!, place(room), { loops, mostInstructions: 4096 })?.cost
        .form;
    expect(choose("directories", 4096, false)).toBe("tree");
    expect(choose("a glob", 108, false)).toBe("unrolled");
    expect(choose("a glob", 4096, false)).toBeUndefined();
    expect(choose("a glob", 4096, true)).toBe("loop");
    expect(choose("endings", 4096, false)).toBe("endings");
  });
});
