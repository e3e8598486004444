/**
 * One evaluation is atomic with respect to its policy's state: many threads run one program concurrently on the running
 * kernel, and a sequential order of the evaluations that respects their real-time order must explain the results
 * (linearisability).
 *
 * The policies report their position in that order, so no search is needed: the interpreter makes the same evaluations
 * in that order and must give the same verdicts, reports and state.
 */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { callByName } from "../../src/abi/calls.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { compileEbpf } from "../../src/backend/ebpf/compile.ts";
import type { EbpfTarget } from "../../src/backend/ebpf/lower/target.ts";
import { KernelTrial, type Outcome, readReports, writeContext } from "../../src/backend/ebpf/testing/trial.ts";
import { trialContextSize, trialTarget } from "../../src/backend/ebpf/testing/trial-target.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { Circumstances, EvaluationState, ScopeState, SystemCallEvent } from "../../src/ir/evaluation.ts";
import { evaluate, initialState } from "../../src/ir/interpreter.ts";
import type { Program } from "../../src/ir/program.ts";
import { SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { patience } from "../support/patience.ts";
import { compiled } from "../support/run.ts";

const threads = 4;
const runs = 3000;
/** Alternate threads belong to the second process. */
const processOf = (thread: number) => thread % 2;

interface Run {
  readonly event: SystemCallEvent;
  readonly circumstances: Circumstances;
  readonly thread: number;
}

interface Done extends Run {
  readonly began: bigint;
  readonly ended: bigint;
  readonly outcome: Outcome;
}

function load(text: string): Program {
  const { program, diagnostics, sources } = loadPolicy("/threads.ts", { architecture: "x86_64", readFile: () => text });
  if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
  return program;
}

function plan(choices: SeededChoices, calls: readonly string[]): Run[] {
  const numbers = calls.map((name) => callByName(name)!.number.x86_64!);
  return Array.from({ length: threads * runs }, (_, index) => {
    const thread = Math.floor(index / runs);
    const word = BigInt(choices.below(1 << 30));
    return {
      thread,
      event: {
        number: numbers[choices.below(numbers.length)]!,
        architecture: auditArchitecture.x86_64,
        instructionPointer: 0n,
        arguments: [word, word, word, word, word, word],
      },
      circumstances: { now: BigInt(index % runs) * 1000n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 2n },
    };
  });
}

function runAtOnce(program: Program, trial: KernelTrial, planned: readonly Run[]): Done[] {
  const size = trialContextSize(program);
  const input = new Uint8Array(12 + planned.length * size);
  new Uint32Array(input.buffer, 0, 3).set([threads, runs, size]);
  planned.forEach(({ event, circumstances, thread }, index) => {
    const context = input.subarray(12 + index * size, 12 + (index + 1) * size);
    writeContext(context, event, circumstances, { thread, process: processOf(thread) });
  });
  const command = compiled(resolve("test/ebpf/threads.c"));
  const { status, stdout, stderr } = spawnSync(command, {
    input,
    stdio: ["pipe", "pipe", "pipe", trial.descriptor],
    maxBuffer: 1 << 28,
    timeout: patience.command,
  });
  if (status !== 0) throw new Error(`threads: ${stderr.toString()}`);
  const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.length);
  return planned.map((run, index) => {
    const at = index * (24 + size);
    const context = stdout.subarray(at + 24, at + 24 + size);
    return {
      ...run,
      began: view.getBigUint64(at, true),
      ended: view.getBigUint64(at + 8, true),
      outcome: { result: view.getUint32(at + 16, true), entered: [], reports: readReports(program, context) },
    };
  });
}

/** The evaluation's position in the order: the first value of its first report. */
const placeOf = ({ outcome }: Done): bigint => outcome.reports[0]!.values[0]!;

/** The first result that the reported order does not explain, or undefined. */
function unexplained(program: Program, trial: KernelTrial, done: readonly Done[]): string | undefined {
  const order = [...done].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  const tree = initialState(program, "tree");
  const processes = [0, 1].map(() => initialState(program, "process"));
  const threadStates = Array.from({ length: threads }, () => initialState(program, "thread"));
  for (const [index, one] of order.entries()) {
    const state: EvaluationState = {
      tree,
      process: processes[processOf(one.thread)]!,
      thread: threadStates[one.thread]!,
    };
    const wanted = evaluate(program, one.event, one.circumstances, state);
    const [found, expected] = [one.outcome, { result: wanted.verdict, entered: [], reports: wanted.reports }].map(
      (outcome) => JSON.stringify(outcome, text),
    );
    if (found !== expected) return `evaluation ${index}: ${found}, and in turn ${expected}`;
  }
  let soonestEnd = 1n << 62n;
  for (const one of order.reverse()) {
    if (soonestEnd < one.began) return `evaluation ${placeOf(one)} stands before one that had ended before it began`;
    if (one.ended < soonestEnd) soonestEnd = one.ended;
  }
  const places: [string, ScopeState, { thread: number; process: number }][] = [
    ["tree", tree, { thread: 0, process: 0 }],
    ...processes.map((state, process): [string, ScopeState, { thread: number; process: number }] => [
      "process",
      state,
      { thread: 0, process },
    ]),
    ...threadStates.map((state, thread): [string, ScopeState, { thread: number; process: number }] => [
      "thread",
      state,
      { thread, process: 0 },
    ]),
  ];
  for (const [scope, state, slots] of places) {
    for (const [index, cell] of program.cells.entries())
      if (cell.scope === scope && trial.cell(index, slots) !== state.cells[index]) return `the end: ${cell.name}`;
    for (const [index, table] of program.tables.entries()) {
      const found = trial.table(index, slots);
      const wanted = state.tables[index]!;
      const same = found.size === wanted.size && [...found].every(([key, value]) => wanted.get(key) === value);
      if (table.scope === scope && !same) return `the end: ${table.name}`;
    }
  }
  return undefined;
}

const text = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

function trialOf(program: Program, target: EbpfTarget): { trial: KernelTrial; locked: boolean } {
  const object = compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), target);
  return { trial: new KernelTrial(program, object.instructions, threads), locked: object.locked };
}

const head = 'import { allow, deny, perProcess, perThread, perTree, policy, report } from "portcullis";\n';

const counter = load(`${head}const c = perTree.counter();
export default policy((call) => {
  if (call.name !== "getpid") return allow;
  report("counted", { place: c.add() });
  return allow;
});
`);

const everything = load(`${head}const order = perTree.counter();
const own = perProcess.counter();
const mine = perThread.counter();
const largest = perTree.value(0n);
const few = perTree.table({ capacity: 6n, full: deny("ENOSPC") });
const many = perTree.table({ capacity: 40n, full: deny("ENOMEM") });
const ours = perProcess.set({ capacity: 5n, full: deny("EMFILE") });
const all = perTree.rate({ limit: 900n, per: "1ms", burst: 30n });
export default policy((call) => {
  if (call.name !== "getpid" && call.name !== "gettid" && call.name !== "getuid") return allow;
  const place = order.add();
  const x = call.raw.arg0;
  own.add(2n);
  mine.add();
  if (x > largest.get()) largest.set(x);
  if (call.name === "getpid") { few.set(x % 9n, place); many.delete(x % 60n); ours.add(x % 7n); }
  if (call.name === "gettid") { few.delete(x % 9n); many.set(x % 60n, x); ours.delete(x % 7n); }
  const within = all.take();
  report("evaluated", { place, own: own.get(), mine: mine.get(), few: few.get(x % 9n, 0n), many: many.get(x % 60n, 1n) });
  return !within ? deny("EAGAIN") : ours.has(3n) ? deny("EPERM") : allow;
});
`);

const phases = load(`${head}const phase = perTree.phases(["first", "second", "third", "fourth"]);
const last = perTree.phases(["before", "after"]);
export default policy((call) => {
  if (call.name === "getpid") { if (call.raw.arg0 % 1500n === 0n) phase.enter("second"); return allow; }
  if (call.name === "gettid") { if (call.raw.arg0 % 1500n === 1n) phase.enter("third"); return allow; }
  if (call.name === "getuid") { if (call.raw.arg0 % 1500n === 2n) phase.enter("fourth"); return allow; }
  if (call.name === "getgid") { if (call.raw.arg0 % 1500n === 3n) last.enter("after"); return allow; }
  if (call.name === "geteuid") return last.is("after") ? deny("EIO") : allow;
  if (call.name === "getegid")
    return phase.is("fourth") ? deny("EIO") : phase.is("third") ? deny("EPERM") : phase.is("second") ? deny("EAGAIN") : allow;
  return allow;
});
`);

describe("evaluations by many threads at once", () => {
  it.for([
    ["a counter that is only added to: without a lock", counter, ["getpid"], false],
    [
      "counters, values, tables and rates of threads, processes and the tree",
      everything,
      ["getpid", "gettid", "getuid"],
      true,
    ],
  ] as const)("%s", ([, program, calls, needsLock], context) => {
    if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
    const { trial, locked } = trialOf(program, trialTarget);
    try {
      expect(locked).toBe(needsLock);
      expect(unexplained(program, trial, runAtOnce(program, trial, plan(new SeededChoices(1), calls)))).toBeUndefined();
    } finally {
      trial.close();
    }
  });

  it("are not atomic without the lock, which the check detects", (context) => {
    if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
    const careless: EbpfTarget = { ...trialTarget, isShared: () => false };
    let fault: string | undefined;
    // Conflicts between threads are random, and rare on shared processors; their complete absence is improbable.
    const end = Date.now() + patience.command;
    for (let round = 0; fault === undefined && Date.now() < end; round += 1) {
      const { trial, locked } = trialOf(everything, careless);
      try {
        expect(locked).toBe(false);
        const planned = plan(new SeededChoices(round), ["getpid", "gettid", "getuid"]);
        fault = unexplained(everything, trial, runAtOnce(everything, trial, planned));
      } finally {
        trial.close();
      }
    }
    expect(fault).toBeDefined();
  });

  it("phases are seen in the order in which they are entered, by everybody", (context) => {
    if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
    const { trial } = trialOf(phases, trialTarget);
    try {
      const calls = ["getpid", "gettid", "getuid", "getgid", "geteuid", "getegid", "geteuid", "getegid"];
      const done = runAtOnce(phases, trial, plan(new SeededChoices(3), calls));
      for (const [call, order] of [
        ["geteuid", ["", "EIO"]],
        ["getegid", ["", "EAGAIN", "EPERM", "EIO"]],
      ] as const) {
        const errnos = { "": 0, EIO: 5, EPERM: 1, EAGAIN: 11 };
        const number = callByName(call)!.number.x86_64;
        const seen = done
          .filter(({ event }) => event.number === number)
          .map(({ began, ended, outcome }) => {
            const { errno } = phases.verdicts[outcome.result]!;
            return { began, ended, phase: order.findIndex((name) => errnos[name] === errno) };
          });
        expect(new Set(seen.map(({ phase }) => phase)).size).toBeGreaterThan(1);
        // An evaluation that ends before another begins has not seen a later phase.
        const byEnd = [...seen].sort((a, b) => (a.ended < b.ended ? -1 : 1));
        let [next, latest] = [0, 0];
        for (const one of [...seen].sort((a, b) => (a.began < b.began ? -1 : 1))) {
          for (; next < byEnd.length && byEnd[next]!.ended < one.began; next += 1)
            latest = Math.max(latest, byEnd[next]!.phase);
          if (one.phase < latest) expect(one.phase, call).toBeGreaterThanOrEqual(latest);
        }
      }
    } finally {
      trial.close();
    }
  });
});
