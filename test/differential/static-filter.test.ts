/**
 * The classic filter that disasm, explain and why show is the one that an engine installs (run, bundles): for each
 * ready policy, for one with thread state, and for random programs.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { returnWord } from "../../src/abi/return-word.ts";
import { explainPolicy } from "../../src/analysis/explain/explain.ts";
import type { Case } from "../../src/analysis/explain/explanation.ts";
import { callName } from "../../src/analysis/explain/names.ts";
import { why } from "../../src/analysis/explain/why.ts";
import { assemble } from "../../src/backend/classic/assemble.ts";
import { type ClassicInstruction, decodeInstructions, opcode } from "../../src/backend/classic/instruction.ts";
import { runClassic } from "../../src/backend/classic/interpreter.ts";
import { entryOf } from "../../src/backend/classic/provenance.ts";
import { verdictWord } from "../../src/backend/classic/verdict-word.ts";
import { compileArtifact } from "../../src/backend/ebpf/artifact.ts";
import { seccompEbpfProfile } from "../../src/engines/bundle/filter.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import type { Mode } from "../../src/engines/engine/engine.ts";
import { explainOptions, type FilterProfile } from "../../src/engines/engine/static-filter.ts";
import { compileForNotify } from "../../src/engines/notify/compile.ts";
import { notifyFilter, notifyProfile } from "../../src/engines/notify/filter.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { SystemCallEvent } from "../../src/ir/evaluation.ts";
import type { Program } from "../../src/ir/program.ts";
import { generateEvent, generateProgram, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { folderOf, portcullis } from "../cli/harness.ts";

const ready = readdirSync("policies")
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".flow.ts"))
  .map((file) => `policies/${file}`);

const threads = `import { allow, deny, perThread, policy } from "portcullis";
const opened = perThread.flag();
export default policy((call) => {
  if (call.name === "openat") opened.set(true);
  if (call.name === "socket" && opened.get()) return deny("EACCES");
  return allow;
});
`;

const ask = returnWord("USER_NOTIF");
const modes = (["quiet", "reported", "audit"] as const).flatMap((mode) =>
  [false, true].map((killEvents) => ({ mode, killEvents })),
);

/** Inserts a token like the launcher, with words that no generated event has. */
function rearmed(instructions: readonly ClassicInstruction[], positions: readonly number[]): ClassicInstruction[] {
  return instructions.map((one, index) => (positions.includes(index) ? { ...one, k: 0x7c5a_93e1 } : one));
}

function installed(program: Program, mode: Mode, killEvents = false): readonly ClassicInstruction[] {
  const { filter } = compileForNotify(program, mode, { killEvents }).policy!;
  return rearmed(decodeInstructions(filter.instructions), filter.tokenPositions);
}

/** Computes the kernel's bitmap: whether a call is allowed before any argument is read. */
function inBitmap(filters: readonly (readonly ClassicInstruction[])[], architecture: number, number: number): boolean {
  return filters.every((instructions) => {
    const { code, k } = instructions[entryOf(instructions, architecture, number)]!;
    return code === opcode.return && k === returnWord("ALLOW");
  });
}

function judgedNumbers({ admission }: Program): number[] {
  return admission.judged.flatMap(({ from, to }) =>
    Array.from({ length: Number(to - from) + 1 }, (_, index) => Number(from) + index),
  );
}

function eventsOf(program: Program, seed: number, count: number): SystemCallEvent[] {
  const choices = new SeededChoices(seed);
  const generated = Array.from({ length: count }, () => generateEvent(choices, program));
  const architecture = auditArchitecture[program.architecture];
  const each = judgedNumbers(program).map((number): SystemCallEvent => {
    const { arguments: registers } = generateEvent(choices, program);
    return { number, architecture, instructionPointer: 0n, arguments: registers };
  });
  return [...generated, ...each];
}

const wordOf = (instructions: readonly ClassicInstruction[], event: SystemCallEvent) =>
  runClassic(instructions, event).word;

function expectSameWords(
  shown: readonly ClassicInstruction[],
  run: readonly ClassicInstruction[],
  events: readonly SystemCallEvent[],
): void {
  const different = events.filter((event) => wordOf(shown, event) !== wordOf(run, event));
  expect(different).toEqual([]);
}

/** The calls of a program, by the place of their decision in `explain`. */
function expectExplained(
  program: Program,
  profile: FilterProfile,
  filters: readonly (readonly ClassicInstruction[])[],
): void {
  const architecture = auditArchitecture[program.architecture];
  const numbers = new Map(judgedNumbers(program).map((number) => [callName(program.architecture, number), number]));
  const { rows } = explainPolicy(program, explainOptions(profile, program));
  for (const { calls, cases } of rows) {
    for (const call of calls) {
      const shown = cases.every(({ decided }) => decided === "bitmap");
      expect({ call, bitmap: shown }).toEqual({ call, bitmap: inBitmap(filters, architecture, numbers.get(call)!) });
    }
  }
}

/** The place of the decision, by the filter of a plain `run`, and by the one that asks only where it does not know. */
function placeOf(
  event: SystemCallEvent,
  reported: readonly ClassicInstruction[],
  quiet: readonly ClassicInstruction[],
) {
  if (wordOf(quiet, event) === ask) return "supervisor";
  if (wordOf(reported, event) === ask) return "event";
  return inBitmap([reported], event.architecture, event.number) ? "bitmap" : "filter";
}

/** The verdict of `why` for a call with known registers. */
function expectAnswered(
  program: Program,
  event: SystemCallEvent,
  reported: readonly ClassicInstruction[],
  quiet: readonly ClassicInstruction[],
): void {
  const { admission, cases } = why(
    program,
    { number: event.number, arguments: event.arguments },
    explainOptions(notifyProfile, program),
  );
  if (admission !== "judged" || event.architecture !== auditArchitecture[program.architecture]) return;
  // A condition on the instruction pointer remains unknown, so there can be several cases.
  expect(cases.map(({ decided }) => decided)).toContain(placeOf(event, reported, quiet));
}

function expectOneFilter(program: Program, seed: number): void {
  const events = eventsOf(program, seed, 300);
  const quiet = installed(program, "quiet");
  for (const { mode, killEvents } of modes) {
    if (compileForNotify(program, mode).policy === undefined) continue;
    const shown = notifyFilter(program, { mode, killEvents, armed: false }).classic.instructions;
    expectSameWords(shown, installed(program, mode, killEvents), events);
  }
  const reported = installed(program, "reported");
  expectExplained(program, notifyProfile, [reported]);
  const answered = events.filter((_, index) => index % Math.ceil(events.length / 25) === 0);
  for (const event of answered) expectAnswered(program, event, reported, quiet);
}

function expectBundled(program: Program): void {
  const { artifact } = compileArtifact(program, "seccomp", { reportsVerdicts: false });
  if (artifact === undefined) return;
  const bundle = makeBundle(artifact, { compiler: "test", fixed: [], sources: new Map() });
  const classic = rearmed(decodeInstructions(bundle.classic), bundle.classicToken);
  expect(classic.some(({ code, k }) => code === opcode.return && k === ask)).toBe(false);
  const words = new Set(program.verdicts.map((verdict) => verdictWord(verdict)));
  for (const event of eventsOf(program, 5, 50)) {
    const { admission, cases } = why(program, event, explainOptions(seccompEbpfProfile, program));
    if (admission !== "judged" || cases.length > 1 || event.architecture !== auditArchitecture[program.architecture])
      continue;
    expect(words).toContain(wordOf(classic, event));
    if (cases[0]!.decided === "bitmap") {
      expect(inBitmap([classic], event.architecture, event.number)).toBe(true);
    }
  }
}

describe.each([...ready, "threads.ts"])("%s", (name) => {
  it.each(["x86_64", "aarch64"] as const)("is shown like the installed filter on %s", async (architecture) => {
    const file = name === "threads.ts" ? join(folderOf({ "threads.ts": threads }), name) : name;
    const program = loadPolicy(file, { architecture }).program!;
    expectOneFilter(program, 1);
    expectBundled(program);
    const events = eventsOf(program, 2, 200);
    for (const [mode, killEvents, options] of [
      ["reported", false, []],
      ["quiet", false, ["--pure"]],
      ["reported", true, ["--kill-events"]],
    ] as const) {
      const { out } = await portcullis("disasm", "--architecture", architecture, ...options, file);
      expectSameWords(assemble(out).instructions, installed(program, mode, killEvents), events);
    }
  });
});

describe("random programs", () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))("are shown like the installed filter, %i", (seed) => {
    const program = generateProgram(new SeededChoices(seed), { statements: 12 });
    if (compileForNotify(program, "quiet").policy === undefined) return; // a trap by state
    expectOneFilter(program, seed);
  });
});

it("execve of a policy with thread state is shown as USER_NOTIF", async () => {
  const file = join(folderOf({ "threads.ts": threads }), "threads.ts");
  const listed = await portcullis("disasm", "--pure", file);
  expect(listed.out).toMatch(/threads\.ts:\d+:\d+ [^\n]*\bexecve\b[^\n]*\n[^\n]*ret USER_NOTIF/);
  const explained = JSON.parse((await portcullis("explain", "--json", file)).out) as {
    rows: { calls: string[]; cases: Case[] }[];
    warnings: { kind: string; calls: string[] }[];
  };
  const row = explained.rows.find(({ calls }) => calls.includes("execve"));
  expect(row?.cases.map(({ decided }) => decided)).toEqual(["supervisor"]);
  expect(explained.warnings.find(({ kind }) => kind === "execution")?.calls).toEqual(["execve", "execveat"]);
  const answered = await portcullis("why", file, 'execve("/bin/sh")');
  expect(answered.out).toContain("decided by the engine, which knows the state");
  expect(answered.out).toContain("because: executions are supervised");
});

it("why names the filter if it tests arguments", async () => {
  const file = join(
    folderOf({
      "p.ts": `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "socket" && call.args.family.is("AF_INET") ? deny("EACCES") : allow));
`,
    }),
    "p.ts",
  );
  expect((await portcullis("why", file, "socket(AF_UNIX)")).out).toContain("decided in the kernel, by the filter");
  // The supervisor makes an event of the refusal; no engine but notify has one.
  const refused = await portcullis("why", file, "socket(AF_INET)");
  expect(refused.out).toContain(
    "decided by the supervisor, for the event; with `run --no-denial-events` in the kernel",
  );
  const inKernel = await portcullis("why", "--engine", "seccomp-ebpf", file, "socket(AF_INET)");
  expect(inKernel.out).toContain("decided in the kernel, by the filter");
  expect((await portcullis("why", file, "read(0)")).out).toContain("by its number alone");
  // The launcher's own execve is allowed by a token in its arguments.
  expect((await portcullis("why", file, "execve(0)")).out).toContain("decided in the kernel, by the filter");
});

it("disasm --raw warns of a filter that notifies without a supervisor", async () => {
  const folder = folderOf({
    "threads.ts": threads,
    "static.ts": `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "socket" ? deny("EACCES") : allow));
`,
  });
  const raw = join(folder, "filter");
  const asking = await portcullis("disasm", "--raw", raw, join(folder, "static.ts"));
  expect(asking).toMatchObject({
    status: 0,
    err: expect.stringMatching(/warning P0913: .*ENOSYS[\s\S]*help: with --pure /),
  });
  expect((await portcullis("disasm", "--raw", raw, "--pure", join(folder, "static.ts"))).err).toBe("");
  const stateful = await portcullis("disasm", "--raw", raw, "--pure", join(folder, "threads.ts"));
  expect(stateful.err).toMatch(/warning P0913: [\s\S]*help: a verdict that depends on state needs an engine/);
});
