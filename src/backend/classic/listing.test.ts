import { describe, expect, it } from "vitest";
import { returnWord } from "../../abi/return-word.ts";
import type { Decision, DecisionLeaf } from "../../analysis/decision.ts";
import type { Program } from "../../ir/program.ts";
import type { Verdict } from "../../ir/verdicts.ts";
import { assemble } from "./assemble.ts";
import { type ClassicTarget, compileClassic } from "./compile.ts";
import { listClassic } from "./listing.ts";
import { leafOf } from "./testing/decisions.ts";
import { intervalsOf, programOf } from "./testing/program.ts";
import { verdictWord } from "./verdict-word.ts";

const verdict = (action: Verdict["action"], errno: number, line: number): Verdict => ({
  action,
  errno,
  reason: undefined,
  at: line === 0 ? undefined : { file: 0, line, column: 7, length: 4 },
});

const byPhase: DecisionLeaf = {
  kind: "leaf",
  weakest: 1,
  possible: [1, 3],
  stateful: [{ because: "reads-state", cell: 0 }],
};

const family: Decision = {
  kind: "test",
  test: { word: "argument0", mask: 0xffff_ffffn, intervals: [{ from: 1n, to: 1n }] },
  then: leafOf(1),
  otherwise: leafOf(2),
};

const split = new Map<number, Decision>([
  [0, leafOf(1)],
  [1, leafOf(1)],
  [41, family],
  [49, byPhase],
  [59, leafOf(2)],
  [322, leafOf(2)],
]);

const program: Program = {
  ...programOf(split),
  files: ["nginx.ts"],
  admission: { always: intervalsOf([60, 231]), judged: intervalsOf([...split.keys()]) },
  verdicts: [verdict("allow", 0, 0), verdict("allow", 0, 20), verdict("deny", 13, 29), verdict("kill-process", 0, 31)],
};

const target: ClassicTarget = {
  leaf: (leaf) => (leaf.stateful.length > 0 ? returnWord("USER_NOTIF") : verdictWord(program.verdicts[leaf.weakest]!)),
  unknown: returnWord("ERRNO", 38),
  foreign: returnWord("ERRNO", 38),
  always: returnWord("ALLOW"),
  launcherToken: [1, 2, 3, 4],
};

describe("listClassic", () => {
  const classic = compileClassic(program, split, target);
  const text = listClassic(program, split, target, classic);

  it("names the verdict, line and calls of each return", () => {
    expect(text).toContain("; nginx.ts:29:7 socket, execve, execveat: deny EACCES\n");
    expect(text).toContain("; nginx.ts:20:7 read, write, socket: allow\n");
    expect(text).toContain("; nginx.ts:20:7 bind: by state: allow or kill process\n");
  });

  it("names the calls with conditions, the numbers, the errnos and the token", () => {
    expect(text).toMatch(/^; socket, by arguments\n +\d+: ld \[args\[0\]\.low\]$/m);
    expect(text).toMatch(/jeq #0x3b, \d+, \d+ +; execve$/m);
    expect(text).toMatch(/ret ERRNO\(13\) +; EACCES$/m);
    expect(text).toMatch(/jeq #0x1, \d+, \d+ +; word 1 of the launcher's token$/m);
  });

  it("shortens long lists on request", () => {
    expect(listClassic(program, split, target, classic, { names: 1 })).toContain("read and 2 more: allow");
  });

  it("assembles to the same filter", () => {
    expect(assemble(text)).toEqual({ instructions: classic.instructions, faults: [] });
  });
});
