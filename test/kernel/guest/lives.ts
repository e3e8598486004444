/**
 * Runs random policies on the kernel's program type, in the machine: processes and threads replay a random trace under
 * each (`lives.c`), and verdicts, reports and records are those of the interpreter. Bundled and run as
 *
 *     node lives.cjs LIVES FIRST-SEED POLICIES STEPS seccomp|unprivileged
 *
 * Each program judges only getpid, so that calls have no effect: its arguments carry the number, the clock and the
 * instruction pointer that the program reads, and verdicts that would end a task become denials.
 *
 * Prints a line for each policy, in TAP.
 */

import { spawnSync } from "node:child_process";
import { getgid, getuid } from "node:process";
import { auditArchitecture } from "../../../src/abi/architecture.ts";
import { callByName } from "../../../src/abi/calls.ts";
import { loadBundle } from "../../../src/backend/bundle/load.ts";
import { verdictWord } from "../../../src/backend/classic/verdict-word.ts";
import { compileArtifact } from "../../../src/backend/ebpf/artifact.ts";
import { decodeRecord, type ProgramRecord } from "../../../src/backend/ebpf/targets/records.ts";
import { makeBundle } from "../../../src/engines/bundle/make-bundle.ts";
import type { EvaluationState } from "../../../src/ir/evaluation.ts";
import { evaluate, inheritState, initialState } from "../../../src/ir/interpreter.ts";
import { printProgram } from "../../../src/ir/print.ts";
import type { IntegerExpression, Program, Statement } from "../../../src/ir/program.ts";
import {
  arbitraryWords,
  generateProgram,
  generateTrace,
  SeededChoices,
  type TraceStep,
} from "../../../src/ir/testing/arbitrary.ts";
import { type ExpressionMap, mapBoolean, mapInteger, mapStatement, mapVerdict } from "../../../src/ir/traverse.ts";
import { RingBufferReader } from "../../../src/machine/bpf/ring-buffer.ts";
import { patience } from "../../support/patience.ts";

const [lives = "", first = "0", policies = "1", stepCount = "100", target = "seccomp"] = process.argv.slice(2);

// ── Programs ────────────────────────────────────────────────────────────────────────────────────────────────────────

const getpid = BigInt(callByName("getpid")!.number.x86_64!);
const forks = (["clone", "fork", "vfork"] as const).map((name) => BigInt(callByName(name)!.number.x86_64!));

const argument = (index: 3 | 4 | 5): IntegerExpression => ({ kind: "input", input: `argument${index}` });

function givenInArguments(expression: IntegerExpression): IntegerExpression {
  if (expression.kind !== "input") return mapInteger(expression, map);
  switch (expression.input) {
    case "number":
      return { kind: "extend", width: 32, signed: false, value: argument(5) };
    case "now":
      return {
        kind: "binary",
        operator: "shift-right-unsigned",
        left: argument(4),
        right: { kind: "constant", value: 1n },
      };
    case "instructionPointer":
      return argument(3);
    default:
      return expression;
  }
}

const map: ExpressionMap = {
  integer: givenInArguments,
  boolean: (expression) => mapBoolean(expression, map),
  verdict: (expression) => mapVerdict(expression, map),
};

const mapStatements = (statements: readonly Statement[]): readonly Statement[] =>
  statements.map((statement) => mapStatement(statement, map, mapStatements));

/** Process-creating calls are judged if a fork has an effect on state, and always allowed. */
function livable(program: Program): Program {
  const judged = [getpid, ...forks].sort((a, b) => (a < b ? -1 : 1)).map((number) => ({ from: number, to: number }));
  const always: { from: bigint; to: bigint }[] = [];
  let next = 0n;
  for (const { from } of judged) {
    if (from > next) always.push({ from: next, to: from - 1n });
    next = from + 1n;
  }
  always.push({ from: next, to: 600n });
  return {
    ...program,
    architecture: "x86_64",
    admission: { always, judged },
    verdicts: program.verdicts.map((verdict, index) =>
      verdict.action === "trap" || verdict.action === "kill-thread" || verdict.action === "kill-process"
        ? { ...verdict, action: "deny", errno: 200 + index }
        : verdict,
    ),
    body: [
      {
        kind: "if",
        condition: {
          kind: "within",
          value: { kind: "input", input: "number" },
          intervals: forks.length === 3 ? [{ from: forks[0]!, to: forks[2]! }] : [],
        },
        then: [{ kind: "return", verdict: { kind: "verdict", verdict: 0 } }],
        otherwise: [],
      },
      ...mapStatements(program.body),
    ],
  };
}

// ── Lives ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const kinds = { call: 0, fork: 1, thread: 2, exit: 3 } as const;
const stepSize = 64;

/** The registers carry the number, the clock and the instruction pointer for the program. */
function registers({ event, now }: TraceStep & { kind: "call" }): [bigint, bigint, bigint, bigint, bigint, bigint] {
  const [a, b, c] = event.arguments;
  return [a, b, c, event.instructionPointer, now << 1n, BigInt(event.number >>> 0)];
}

function encodePlan(
  locked: boolean,
  states: readonly { scope: "thread" | "process"; fork: "copy" | "fresh" | "share"; size: number }[],
  trace: readonly TraceStep[],
): Uint8Array {
  const bytes = new Uint8Array(16 + 16 * states.length + stepSize * trace.length);
  const view = new DataView(bytes.buffer);
  [locked ? 1 : 0, states.length, trace.length].forEach((word, index) => {
    view.setUint32(4 * index, word, true);
  });
  states.forEach(({ scope, fork, size }, index) => {
    const words = [scope === "thread" ? 0 : 1, { copy: 0, fresh: 1, share: 2 }[fork], size];
    words.forEach((word, place) => {
      view.setUint32(16 + 16 * index + 4 * place, word, true);
    });
  });
  trace.forEach((step, index) => {
    const at = 16 + 16 * states.length + stepSize * index;
    view.setUint32(at, kinds[step.kind], true);
    view.setUint32(at + 4, step.kind === "call" || step.kind === "exit" ? step.task : step.parent, true);
    view.setUint32(at + 8, step.kind === "fork" || step.kind === "thread" ? step.child : 0, true);
    if (step.kind !== "call") return;
    registers(step).forEach((word, register) => {
      view.setBigUint64(at + 16 + 8 * register, word, true);
    });
  });
  return bytes;
}

interface Task {
  readonly leader: number;
  readonly state: EvaluationState;
}

/** The first difference, or undefined. */
function difference(
  program: Program,
  words: readonly bigint[],
  trace: readonly TraceStep[],
  outcomes: DataView,
  records: readonly ProgramRecord[],
): string | undefined {
  const tree = initialState(program, "tree");
  const fresh = (scope: "thread" | "process") => initialState(program, scope);
  const tasks = new Map<number, Task>();
  tasks.set(0, { leader: 0, state: { thread: fresh("thread"), process: fresh("process"), tree } });
  let nextRecord = 0;
  for (const [index, step] of trace.entries()) {
    const [result, pid, tid] = [
      Number(outcomes.getBigInt64(16 * index, true)),
      outcomes.getInt32(16 * index + 8, true),
      outcomes.getInt32(16 * index + 12, true),
    ];
    const where = `step ${index}`;
    if (step.kind === "exit") tasks.delete(step.task);
    if (step.kind === "fork" || step.kind === "thread") {
      if (result <= 0) return `${where}: ${step.kind} gave ${result}`;
      const { leader, state } = tasks.get(step.parent)!;
      const own =
        step.kind === "fork"
          ? {
              thread: inheritState(program, "thread", state.thread),
              process: inheritState(program, "process", state.process),
            }
          : { thread: fresh("thread"), process: state.process };
      tasks.set(step.child, { leader: step.kind === "fork" ? step.child : leader, state: { ...own, tree } });
    }
    if (step.kind !== "call") continue;
    const alive = BigInt(new Set([...tasks.values()].map(({ leader }) => leader)).size);
    const event = {
      number: Number(getpid),
      architecture: auditArchitecture.x86_64,
      instructionPointer: 0n,
      arguments: registers(step),
    };
    const wanted = evaluate(
      program,
      event,
      { now: 0n, pid, tid, uid: getuid!(), gid: getgid!(), alive },
      tasks.get(step.task)!.state,
      words,
    );
    const verdict = program.verdicts[wanted.verdict]!;
    const gives = verdict.action === "deny" ? -verdict.errno : pid;
    if (result !== gives) return `${where}: the call gave ${result}, not ${gives}`;
    const expected = wanted.reports.map(({ report, values }) => `report ${report} (${values})`);
    if (verdict.action !== "allow") expected.push(`verdict ${wanted.verdict} (${verdictWord(verdict)})`);
    for (const text of expected) {
      const record = records[nextRecord];
      nextRecord += 1;
      const found =
        record === undefined
          ? "nothing"
          : `${record.kind} ${record.which} (${record.kind === "report" ? record.values : record.returned})`;
      if (found !== text) return `${where}: found ${found}, not ${text}`;
      if (record!.pid !== pid || record!.tid !== tid) return `${where}: recorded for ${record!.pid}, ${record!.tid}`;
    }
  }
  return nextRecord === records.length ? undefined : `${records.length - nextRecord} unexpected records`;
}

function run(seed: number): string | undefined {
  const choices = new SeededChoices(seed);
  // Every second policy has open parameters.
  const program = livable(generateProgram(choices, { parameters: seed % 2 === 1 }));
  const words = arbitraryWords(choices, program);
  const trace = generateTrace(choices, program, Number(stepCount));
  const { artifact, diagnostics } = compileArtifact(program, target as "seccomp", { reportsVerdicts: true });
  // Unrolled tables may exceed the target's size limit.
  if (artifact === undefined)
    return /it takes \d+ instructions/.test(diagnostics[0]!.message) ? "skip" : diagnostics[0]!.message;
  const bundle = makeBundle(artifact, { compiler: "test", fixed: [], sources: new Map() });
  const loaded = loadBundle(bundle, 0, words);
  try {
    const input = encodePlan(bundle.locked, bundle.states, trace);
    const ran = spawnSync(lives, { input, stdio: ["pipe", "pipe", "pipe", loaded.program], timeout: patience.command });
    if (ran.status !== 0) return `lives: status ${ran.status} ${ran.signal} ${ran.stderr}`;
    const reader = new RingBufferReader(loaded.maps[1]!);
    const records = [...reader.read()].map((bytes) => decodeRecord(bytes));
    const outcomes = new DataView(ran.stdout.buffer, ran.stdout.byteOffset, ran.stdout.length);
    const found = difference(program, words, trace, outcomes, records);
    return found === undefined ? undefined : `${found}\n${printProgram(program)}`;
  } finally {
    loaded.close();
  }
}

console.log("TAP version 13");
for (let index = 0; index < Number(policies); index += 1) {
  const seed = Number(first) + index;
  let fault: string | undefined;
  try {
    fault = run(seed);
  } catch (error) {
    fault = `${(error as Error).message}\n${(error as { log?: string }).log?.slice(-2000) ?? ""}`;
  }
  const name = `${index + 1} - seed ${seed}`;
  if (fault === undefined) console.log(`ok ${name}`);
  else if (fault === "skip") console.log(`ok ${name} # SKIP more instructions than the target has room for`);
  else
    console.log(
      `not ok ${name}\n${fault
        .split("\n")
        .map((line) => `# ${line}`)
        .join("\n")}`,
    );
}
console.log(`1..${policies}`);
