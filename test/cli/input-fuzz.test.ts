/**
 * Random bytes, and mutated traces, case files and command lines: each ends with diagnostics or with a result, and
 * never with an internal error. A thousand inputs each.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { allCalls } from "../../src/abi/calls.ts";
import { readCall, readCases } from "../../src/cases/cases.ts";
import { type VerbName, verbs } from "../../src/cli/entry/verbs.ts";
import { campaignSeconds } from "../../src/ir/testing/seeds.ts";
import { sourceOf } from "../../src/traces/blocks.ts";
import { readTrace } from "../../src/traces/formats/read.ts";
import { folderOf, portcullis } from "./harness.ts";

const limits =
  campaignSeconds > 0
    ? {
        interruptAfterTimeLimit: campaignSeconds * 1000,
        numRuns: Number.MAX_SAFE_INTEGER,
        markInterruptAsFailure: false,
      }
    : { numRuns: 1000 };

const seeds = {
  strace: `10  1.1 [  59] execve(0x1, 0x2, 0x3) = 0
10  1.2 [  56] clone(0x1200011, 0, 0, 0, 0 <unfinished ...>
11  1.3 [ 257] openat(0xffffff9c, 0x7f00, 0x80000, 0) = 0x3
10  1.4 [  56] <... clone resumed>) = 0xb
11  1.5 [ 231] exit_group(0) = ?
11  1.6 [ 231] +++ exited with 0 +++
10  1.7 [  61] --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=11, si_uid=0} ---
10  1.8 [  41] socket(0x2, 0x1, 0) = 0x3
`,
  json: `{"v":1,"kind":"start","tid":10,"uid":0,"gid":0,"architecture":"x86_64"}
{"v":1,"kind":"call","tid":10,"call":"clone","arguments":["0x11","0","0","0","0"],"time":"5"}
{"v":1,"kind":"fork","tid":10,"child":11,"time":6}
{"v":1,"kind":"call","tid":11,"call":"openat","arguments":["-100",null,"0x????????00080000"],"time":7}
{"v":1,"kind":"exec","tid":11}
{"v":1,"kind":"exit","tid":11}
{"v":1,"kind":"clock","time":"100"}
`,
  cases: readFileSync("policies/nginx.cases", "utf8"),
  policy: readFileSync("policies/nginx.ts", "utf8"),
};

/** A text with pieces removed, duplicated, moved, and replaced by other parts or by random bytes. */
function mutated(text: string): fc.Arbitrary<string> {
  const piece = fc.tuple(fc.nat(text.length), fc.nat(40));
  const change = fc.oneof(
    piece.map(
      ([at, length]) =>
        (before: string) =>
          before.slice(0, at) + before.slice(at + length),
    ),
    piece.map(
      ([at, length]) =>
        (before: string) =>
          before.slice(0, at + length) + before.slice(at),
    ),
    fc.tuple(piece, fc.nat(text.length)).map(
      ([[at, length], from]) =>
        (before: string) =>
          before.slice(0, at) + before.slice(from, from + length) + before.slice(at + length),
    ),
    fc
      .tuple(
        fc.nat(text.length),
        fc.constantFrom(
          "(",
          ")",
          '"',
          "{",
          "<",
          "0",
          "-",
          "=",
          "×",
          "\n",
          "\0",
          "é",
          "99999999999999999999",
          "<unfinished ...>",
          "[pid 7] ",
          "+++",
        ),
      )
      .map(
        ([at, rubbish]) =>
          (before: string) =>
            before.slice(0, at) + rubbish + before.slice(at),
      ),
  );
  return fc
    .array(change, { minLength: 1, maxLength: 6 })
    .map((changes) => changes.reduce((before, one) => one(before), text));
}

const anything = fc.oneof(
  fc.string({ unit: "binary", maxLength: 400 }),
  fc
    .array(
      fc.constantFrom(
        "10  1.1 [ 110] getppid() = 1",
        "<...",
        "{",
        "}",
        '{"v":1,',
        "set a = 1",
        "m getppid() allow",
        "\n",
        "(",
        '"',
        " ",
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join("")),
);

/** Every diagnostic has a known code and a place in the text. */
function checkDiagnostics(
  text: string,
  found: readonly { code: string; span?: { line: number; column: number; length: number } }[],
): void {
  const lines = text.split("\n");
  for (const { code, span } of found) {
    expect(code).toMatch(/^P0[189]\d\d$/);
    if (span === undefined) continue;
    expect(span.line).toBeGreaterThanOrEqual(1);
    expect(span.line).toBeLessThanOrEqual(lines.length);
    expect(span.column).toBeGreaterThanOrEqual(1);
    expect(span.column).toBeLessThanOrEqual(lines[span.line - 1]!.length + 1);
    expect(span.length).toBeGreaterThanOrEqual(1);
  }
}

test("traces", () => {
  fc.assert(
    fc.property(fc.oneof(anything, mutated(seeds.strace), mutated(seeds.json)), (text) => {
      const {
        runs: [trace],
        diagnostics,
      } = readTrace(sourceOf(Buffer.from(text)), "t", "x86_64");
      checkDiagnostics(text, diagnostics);
      expect(trace === undefined).toBe(diagnostics.some((one) => one.severity === "error"));
      expect(diagnostics.length).toBeLessThanOrEqual(21);
    }),
    limits,
  );
});

test("case files", () => {
  fc.assert(
    fc.property(fc.oneof(anything, mutated(seeds.cases)), (text) => {
      const { cases, diagnostics } = readCases(text, "c", "x86_64");
      checkDiagnostics(text, diagnostics);
      expect(cases === undefined).toBe(diagnostics.some((one) => one.severity === "error"));
    }),
    limits,
  );
});

test("calls", () => {
  const word = fc.oneof(
    fc.constantFrom(...allCalls.slice(0, 60).map((one) => one.name)),
    fc.constantFrom("(", ")", ",", "|", "O_RDONLY", "AT_FDCWD", "-1", "0x", '"', "=", "flags="),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 12 }).map((words) => words.join("")),
      ),
      (text) => {
        const { call, diagnostics } = readCall(text, "x86_64");
        expect(call === undefined).toBe(diagnostics.length > 0);
        for (const register of call?.registers ?? []) {
          expect(register).toBeGreaterThanOrEqual(0n);
          expect(register).toBeLessThan(1n << 64n);
        }
      },
    ),
    limits,
  );
});

/** All verbs except `run` with a command, which would execute random commands, and `agent`, which does not end. */
const names = Object.keys(verbs).filter((name) => !["run", "doctor", "agent"].includes(name)) as VerbName[];

test("whole verbs", async () => {
  const folder = folderOf({
    "p.ts": seeds.policy,
    "t.strace": seeds.strace,
    "t.jsonl": seeds.json,
    "c.cases": seeds.cases,
  });
  const word = fc.oneof(
    fc.constantFrom("p.ts", "t.strace", "t.jsonl", "c.cases", "nothing").map((name) => join(folder, name)),
    fc.constantFrom(
      "--json",
      "-p",
      "--set",
      "a=b",
      "--architecture",
      "aarch64",
      "--all",
      "-q",
      "--",
      "-",
      "--strict",
      "--pure",
      "--ir",
      "listen(4, 511)",
      "bash",
      "-x",
      "--uid",
      "7",
      "nginx",
    ),
    fc.string({ maxLength: 10 }),
  );
  // Loading all modules takes longer than the test itself.
  for (const name of names) await portcullis(name, "policies/nginx.ts");
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), fc.array(word, { maxLength: 6 }), async (verb, words) => {
      // `-` reads standard input, and -o writes to any path.
      fc.pre(
        !words.some((one) => one === "-" || one.startsWith("-o") || one.startsWith("--o") || one.startsWith("--raw")),
      );
      const { status, err } = await portcullis(verb, ...words);
      expect([0, 1, 125]).toContain(status);
      expect(err).not.toContain("internal error");
      if (status === 125) expect(err + (words.includes("--json") ? "P0000" : "")).toMatch(/P\d{4}/);
    }),
    { ...limits, numRuns: campaignSeconds > 0 ? limits.numRuns : 150 },
  );
});

test("mutated traces through a policy with state", async () => {
  const folder = folderOf({ "p.ts": seeds.policy });
  const { loadPolicy } = await import("../../src/frontend/load.ts");
  const { program } = loadPolicy(join(folder, "p.ts"), { architecture: "x86_64" });
  const { replay } = await import("../../src/traces/replay.ts");
  const { InterpreterEvaluator } = await import("../../src/engines/simulate/interpreter-evaluator.ts");
  fc.assert(
    fc.property(fc.oneof(mutated(seeds.strace), mutated(seeds.json)), (text) => {
      const {
        runs: [trace],
      } = readTrace(sourceOf(Buffer.from(text)), "t", "x86_64");
      if (trace === undefined) return;
      const run = replay(new InterpreterEvaluator(program!), trace, { file: "t" });
      let calls = 0;
      for (const { decision } of run.calls()) {
        calls++;
        expect(decision.verdict).not.toBe("");
      }
      // A call is judged, or a diagnostic reports why not.
      const recorded = trace.events.filter((event) => event.kind === "call").length;
      if (run.diagnostics().length === 0) expect(calls).toBe(recorded);
    }),
    limits,
  );
});
