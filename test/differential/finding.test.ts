/**
 * A failure of a random test becomes a small policy with a few calls. Tested with an evaluator that miscounts. The
 * former findings in findings/ no longer fail.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { evaluate } from "../../src/ir/interpreter.ts";
import type { BinaryOperator, IntegerExpression, Program, Statement } from "../../src/ir/program.ts";
import { generateProgram, generateTrace, runTrace, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import type { Run } from "../../src/ir/testing/shrink.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../src/ir/traverse.ts";
import { expectAgreement } from "./agreement.ts";
import { type Finding, readFinding, readFindingPolicy, writeFinding } from "./finding.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-finding-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Miscounted extends Error {}

/** An evaluator that forgets every third change of a counter. */
function miscounts({ program, trace }: Run): Error | undefined {
  const counters = program.cells.flatMap(({ kind }, index) => (kind.is === "counter" ? [index] : []));
  let changes = 0;
  const right = runTrace(program, trace);
  const wrong = runTrace(program, trace, (one, event, circumstances, state) => {
    const before = counters.map((cell) => state[one.cells[cell]!.scope].cells[cell]!);
    const outcome = evaluate(one, event, circumstances, state);
    for (const [index, cell] of counters.entries()) {
      const { cells } = state[one.cells[cell]!.scope];
      if (cells[cell] !== before[index] && ++changes % 3 === 0) cells[cell] = before[index]!;
    }
    return outcome;
  });
  for (const [index, outcome] of right.calls.entries()) {
    const other = wrong.calls[index]!;
    if (outcome.admission !== "judged" || other.admission !== "judged") continue;
    const [wanted, found] = [outcome.evaluation, other.evaluation];
    if (found.verdict !== wanted.verdict) return new Miscounted(`call ${index}: another verdict`);
    const values = (one: typeof found) => one.reports.map(({ values }) => values.join()).join(";");
    if (values(found) !== values(wanted)) return new Miscounted(`call ${index}: a report says ${values(found)}`);
  }
  for (const [task, state] of right.final)
    for (const cell of counters) {
      const { scope } = program.cells[cell]!;
      const [wanted, found] = [state[scope].cells[cell], wrong.final.get(task)![scope].cells[cell]];
      if (found !== wanted) return new Miscounted(`task ${task}: a counter is ${found}, not ${wanted}`);
    }
  return undefined;
}

/** Another: a signed division that rounds down. */
function roundsDown({ program, trace }: Run): Error | undefined {
  const other: Program = { ...program, body: withOperator(program.body, "divide-signed", "shift-right-signed") };
  const [right, wrong] = [runTrace(program, trace), runTrace(other, trace)];
  return JSON.stringify(right.calls, plain) === JSON.stringify(wrong.calls, plain)
    ? undefined
    : new Miscounted("rounds");
}

const plain = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);

function withOperator(body: readonly Statement[], from: BinaryOperator, to: BinaryOperator): readonly Statement[] {
  const change = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(change);
    if (typeof value !== "object" || value === null) return value;
    const members = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, change(member)]));
    return members["operator"] === from ? { ...members, operator: to } : members;
  };
  return change(body) as readonly Statement[];
}

function firstThatFails(faultOf: (run: Run) => Error | undefined): { readonly seed: number; readonly run: Run } {
  for (let seed = 0; ; seed += 1) {
    const choices = new SeededChoices(seed);
    const program = generateProgram(choices);
    const run = { program, trace: generateTrace(choices, program, 60) };
    if (faultOf(run) !== undefined) return { seed, run };
  }
}

function found(faultOf: (run: Run) => Error | undefined): Finding {
  const { seed, run } = firstThatFails(faultOf);
  return writeFinding(run, { by: "an evaluator with a fault", seed, faultOf, folder });
}

function operators(program: Program): string[] {
  const seen: string[] = [];
  forEachStatement(program.body, (statement) => {
    for (const expression of expressionsOf(statement))
      forEachExpression(expression, (one) => {
        if (one.kind === "binary") seen.push((one as IntegerExpression & { kind: "binary" }).operator);
      });
  });
  return seen;
}

describe("a finding of a random test", { timeout: 120_000 }, () => {
  it("becomes a small policy that compiles and still fails", () => {
    const finding = found(miscounts);
    expect(finding.shown).toBe(true);
    const text = readFileSync(finding.file, "utf8");
    expect(text).toContain("Seed ");
    expect(text).toMatch(/\.counter\(0n/);
    expect(text.split("\n").length).toBeLessThan(30);
    const run = readFindingPolicy(finding.file);
    expect(run.trace.length).toBeLessThan(10);
    expect(miscounts(run)).toBeInstanceOf(Miscounted);
    expect(miscounts(readFinding(finding.file))).toBeInstanceOf(Miscounted);
    // The true evaluators agree on it.
    expectAgreement(run.program, run.trace);
  });

  it("becomes a policy also for an operator", () => {
    const finding = found(roundsDown);
    expect(finding.shown).toBe(true);
    const run = readFindingPolicy(finding.file);
    expect(operators(run.program)).toContain("divide-signed");
    expect(roundsDown(run)).toBeInstanceOf(Miscounted);
  });

  it("includes the whole program if the language cannot express it", () => {
    const nameless = ({ program, trace }: Run) =>
      runTrace(program, trace).calls.some(
        (call) => call.admission === "judged" && program.verdicts[call.evaluation.verdict]!.errno === 4095,
      )
        ? new Miscounted("an errno without a name")
        : undefined;
    const finding = found(nameless);
    expect(finding.shown).toBe(false);
    expect(readFileSync(finding.file, "utf8")).toContain("the errno 4095, which has no name");
    expect(finding.program).toBeDefined();
    expect(nameless(readFinding(finding.file))).toBeInstanceOf(Miscounted);
  });
});

const findings = join(import.meta.dirname, "findings");

describe("a former finding", () => {
  it.each(readdirSync(findings).filter((name) => name.endsWith(".ts")))("%s no longer fails", (name) => {
    const { program, trace } = readFindingPolicy(join(findings, name));
    expect(trace.length).toBeGreaterThan(0);
    expectAgreement(program, trace);
  });
});
