import { expect, test } from "vitest";
import { loadPolicy } from "../frontend/load.ts";
import { runCases } from "./case-run.ts";
import { readCases } from "./cases.ts";
import { Coverage } from "./coverage.ts";
import { printLcov } from "./lcov.ts";

const base = `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name === "ptrace") return deny("EPERM", "no tracing");
  return allow;
});
`;
const main = `import { allow, deny, kill, parameter, perProcess, policy } from "portcullis";
import base from "./base.ts";
const strict = parameter.flag("strict", { default: false });
const phase = perProcess.phases(["starting", "serving", "ending"]);
const seen = perProcess.set({ capacity: 1n, full: deny("ENOSPC") });
export default policy({ extends: [base] }, (call) => {
  if (strict && call.name === "mount") return kill("process");
  switch (call.name) {
    case "listen":
      if (phase.is("starting")) phase.enter("serving");
      return allow;
    case "socket":
      return phase.is("serving") ? deny("EACCES", "too late") : allow;
    case "close":
      seen.add(call.args.fd);
      return allow;
    case "sync":
      phase.enter("ending");
      return allow;
  }
  return allow;
});
`;

function covered(...cases: readonly string[]): Coverage {
  const coverage = new Coverage();
  for (const text of cases) {
    const read = readCases(text, "p.cases", "x86_64");
    expect(read.diagnostics).toEqual([]);
    const { program, diagnostics } = loadPolicy("/p/p.ts", {
      architecture: "x86_64",
      set: read.cases!.parameters,
      readFile: (path) => (path === "/p/p.ts" ? main : base),
    });
    expect(diagnostics).toEqual([]);
    expect(runCases(program!, read.cases!, coverage).failures).toEqual([]);
  }
  return coverage;
}

const reached = (coverage: Coverage) =>
  coverage.files.flatMap(({ file, rules }) =>
    rules.map(({ line, verdict, count }) => `${file.split("/").at(-1)}:${line} ${verdict} ${count}`),
  );

test("counts the rules of a policy and of those that it extends, by their places", () => {
  const coverage = covered("m listen(3, 1) allow\nm socket(AF_INET, SOCK_STREAM) deny EACCES\n");
  expect(reached(coverage)).toEqual([
    "base.ts:3 deny EPERM 0",
    "base.ts:4 allow 2",
    "p.ts:5 deny ENOSPC 0",
    "p.ts:11 allow 1",
    "p.ts:13 deny EACCES 1",
    "p.ts:13 allow 0",
    "p.ts:16 allow 0",
    "p.ts:19 allow 0",
    "p.ts:21 allow 0",
  ]);
});

test("adds up case files, those that set parameters too", () => {
  const coverage = covered("m getpid() allow\n", "set strict = true\nm mount() kill process\nm getpid() allow\n");
  expect(reached(coverage)).toEqual(expect.arrayContaining(["p.ts:7 kill process 1", "p.ts:21 allow 2"]));
});

test("counts a full table's verdict", () => {
  const coverage = covered("m close(3) allow\nm close(4) deny ENOSPC\n");
  expect(reached(coverage)).toEqual(expect.arrayContaining(["p.ts:5 deny ENOSPC 1", "p.ts:16 allow 2"]));
});

test("counts effects, branches and phases; the conditions of library calls are not branches", () => {
  const coverage = covered("m listen(3, 1) allow\nw = m.fork()\nw listen(3, 1) allow\n");
  const [, file] = coverage.files;
  const effects = file!.statements.filter(({ hasEffect }) => hasEffect);
  expect(effects.map(({ line, count }) => [line, count])).toEqual([
    [10, 1],
    [15, 0],
    [18, 0],
  ]);
  expect(file!.arms.filter(({ line }) => line === 10).map(({ arm, count }) => [arm, count])).toEqual([
    [0, 1],
    [1, 1],
  ]);
  expect(file!.arms.filter(({ line }) => line === 18)).toEqual([]);
  expect(coverage.phases.map(({ phase, isEntered, calls }) => [phase, isEntered, [...calls]])).toEqual([
    ["starting", true, [["allow", 1]]],
    ["serving", true, [["allow", 2]]],
    ["ending", false, []],
  ]);
});

test("is known before any call", () => {
  const coverage = new Coverage();
  coverage.add(loadPolicy("/p/base.ts", { architecture: "x86_64", readFile: () => base }).program!);
  expect(coverage.files.map(({ lines }) => lines)).toEqual([
    [
      { line: 3, count: 0 },
      { line: 4, count: 0 },
    ],
  ]);
});

test("lcov: a record for each file, in which the figures agree", () => {
  const text = printLcov(covered("m listen(3, 1) allow\nm listen(3, 1) allow\n"));
  const records = text.split("end_of_record\n").filter((record) => record !== "");
  expect(records).toHaveLength(2);
  for (const record of records) {
    const of = (name: string) => [...record.matchAll(new RegExp(`^${name}:(.*)$`, "gm"))].map((match) => match[1]!);
    expect(of("SF")).toHaveLength(1);
    expect(of("LF")).toEqual([String(of("DA").length)]);
    expect(of("LH")).toEqual([String(of("DA").filter((line) => !line.endsWith(",0")).length)]);
    expect(of("BRF")).toEqual([String(of("BRDA").length)]);
    expect(of("BRH")).toEqual([String(of("BRDA").filter((line) => !/,(?:0|-)$/.test(line)).length)]);
  }
  expect(records[1]).toContain("DA:10,2\n");
  expect(records[1]).toContain("BRDA:13,0,0,-\n");
  expect(records[1]).toContain("BRDA:10,0,1,1\n");
});
