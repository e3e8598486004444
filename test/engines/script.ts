/**
 * Generates random policies and the actions of a task tree under them together: the interpreter computes each call's
 * verdict while the script grows, so the script knows which tasks are killed. `replay.c` executes it.
 */

import { auditArchitecture } from "../../src/abi/architecture.ts";
import { admit } from "../../src/ir/admission.ts";
import type { ScopeState, SystemCallEvent } from "../../src/ir/evaluation.ts";
import { evaluate, inheritState, initialState } from "../../src/ir/interpreter.ts";
import type { Program } from "../../src/ir/program.ts";
import { generateProgram, programValues } from "../../src/ir/testing/arbitrary.ts";
import { type Choices, chance, pick, weighted } from "../../src/ir/testing/choices.ts";
import { arbitraryValue } from "../../src/ir/testing/values.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../src/ir/traverse.ts";

/** The mark of replay.c's internal calls. */
const mark = 0x5eed_5eed_000n;

/** Calls that are harmless with any registers: in a process without descriptors, and without valid pointers. */
const harmless = {
  /** Their results are known. */
  known: { getpid: 39, gettid: 186, geteuid: 107 },
  /** read, write, close, socket, openat, rseq, pidfd_send_signal, execve */
  others: [0, 1, 3, 41, 257, 334, 424, 59],
  /** x32 (getpid), an undefined number, a tracer's skip. */
  refused: [0x4000_0027, 500, -1],
} as const;

interface FailingFork {
  readonly flags: bigint;
  /** The third register of clone, where it stores a pidfd, and the fifth, the child's thread pointer. */
  readonly pidfd?: bigint;
  readonly tls?: bigint;
  readonly errno: number;
}

/**
 * Calls of clone that the kernel refuses, in the order of the checks in copy_process (kernel/fork.c): before it
 * allocates anything, when it copies the caller's registers, and when the child is almost complete. Each has SIGCHLD in
 * its flags.
 */
const failingForks: readonly FailingFork[] = [
  { flags: 0x811n /* CLONE_SIGHAND without CLONE_VM */, errno: 22 },
  { flags: 0x2_0211n /* CLONE_NEWNS, CLONE_FS */, errno: 22 },
  { flags: 0x8_0011n /* CLONE_SETTLS */, tls: 1n << 63n, errno: 1 },
  { flags: 0x1011n /* CLONE_PIDFD */, pidfd: 1n, errno: 14 },
];

/** clone, fork, vfork; all create a process with these flags, or fail with EAGAIN under RLIMIT_NPROC. */
const forkCalls = [56, 57, 58] as const;
const sigchld = 17n;

export interface Record {
  readonly kind: "verdict" | "report";
  /** An index, or "refused". */
  readonly which: number | "refused";
  readonly number: number;
  readonly values: readonly bigint[];
  readonly arguments: readonly bigint[];
}

/** The expected result of a step. */
export type Expected =
  | { readonly is: "result"; readonly value: number }
  | { readonly is: "identity"; readonly of: "process" | "thread"; readonly task: number }
  | { readonly is: "trapped" }
  /** The process's wait status: it ended by one of these signals. */
  | { readonly is: "signal"; readonly of: readonly number[] }
  | { readonly is: "anything" };

export interface Script {
  readonly program: Program;
  /** The argument of replay. */
  readonly text: string;
  readonly expected: readonly Expected[];
  readonly records: readonly Record[];
}

export interface ScriptOptions {
  readonly steps: number;
  /** Whether the engine kills only the thread for `kill-thread`; a supervisor kills the process. */
  readonly killsThread: (event: SystemCallEvent) => boolean;
  readonly uid: number;
  readonly gid: number;
  /** The possible signals of a kill. */
  readonly killSignals: readonly number[];
}

interface Task {
  readonly task: number;
  /** The leader of its thread group. */
  readonly process: number;
  readonly thread: ScopeState;
  readonly state: ScopeState;
}

/** A policy that depends only on repeatable inputs; undefined if the seed gives none. */
export function replayableProgram(choices: Choices): Program | undefined {
  const program = generateProgram(choices, { statements: 25 });
  let repeatable = true;
  forEachStatement(program.body, (statement) => {
    for (const root of expressionsOf(statement)) {
      forEachExpression(root, (expression) => {
        if (expression.kind !== "input") return;
        repeatable &&= !["now", "pid", "tid", "instructionPointer"].includes(expression.input);
      });
    }
  });
  if (!repeatable) return undefined;
  const always = [15n, 60n, 219n, 231n].map((number) => ({ from: number, to: number }));
  const judged = [
    { from: 0n, to: 14n },
    { from: 16n, to: 59n },
    { from: 61n, to: 218n },
    { from: 220n, to: 230n },
    { from: 232n, to: 334n },
    { from: 424n, to: 424n },
    { from: 436n, to: 462n },
  ];
  const marked = {
    kind: "compare",
    operator: "equal",
    left: { kind: "input", input: "argument5" },
    right: { kind: "constant", value: mark },
  } as const;
  const pass = { kind: "return", verdict: { kind: "verdict", verdict: 0 } } as const;
  const body = [{ kind: "if", condition: marked, then: [pass], otherwise: [] } as const, ...program.body];
  return { ...program, architecture: "x86_64", admission: { always, judged }, body };
}

export function makeScript(program: Program, choices: Choices, options: ScriptOptions): Script {
  return new ScriptMaker(program, choices, options).make();
}

const stepNumber = {
  call: 1,
  fork: 2,
  thread: 3,
  endProcess: 4,
  endThread: 5,
  killedProcess: 7,
  killedThread: 8,
  callWithoutProcesses: 9,
} as const;
const mostTasks = 24;

class ScriptMaker {
  readonly #program: Program;
  readonly #choices: Choices;
  readonly #options: ScriptOptions;
  readonly #tree: ScopeState;
  #living: Task[];
  #born = 1;
  readonly #words: string[] = [];
  readonly #expected: Expected[] = [];
  readonly #records: Record[] = [];

  constructor(program: Program, choices: Choices, options: ScriptOptions) {
    this.#program = program;
    this.#choices = choices;
    this.#options = options;
    this.#tree = initialState(program, "tree");
    const [thread, state] = [initialState(program, "thread"), initialState(program, "process")];
    // replay.c's first process has made no judged call when it makes this one.
    this.#living = [
      {
        task: 0,
        process: 0,
        thread: inheritState(program, "thread", thread),
        state: inheritState(program, "process", state),
      },
    ];
  }

  /** The supervisor may interrupt these tasks until their next supervised call. */
  readonly #hasFailedToFork = new Set<Task>();

  make(): Script {
    const choices = this.#choices;
    while (this.#expected.length < this.#options.steps && this.#living.length > 0) {
      weighted(choices, [
        [16, () => this.#call()],
        [3, () => this.#failToFork()],
        [2, () => this.#birth("fork")],
        [2, () => this.#birth("thread")],
        [1, () => this.#end()],
      ]);
    }
    const text = this.#words.join(" ");
    return { program: this.#program, text, expected: this.#expected, records: this.#records };
  }

  #step(expected: Expected, ...words: readonly (number | bigint)[]): void {
    this.#words.push(...words.map((word) => BigInt.asUintN(64, BigInt(word)).toString(16)));
    this.#expected.push(expected);
  }

  #call(): void {
    const choices = this.#choices;
    const caller = pick(choices, this.#living);
    const { known, others, refused } = harmless;
    const hasFailed = this.#hasFailedToFork.has(caller);
    const number = weighted<number>(choices, [
      [4, () => pick(choices, Object.values(known))],
      [3, () => pick(choices, others)],
      // docs/internals/signals.md, "EINTR": the call −1 after a failed fork may return ERESTARTSYS on notify.
      [1, () => pick(choices, hasFailed ? refused.filter((one) => one !== -1) : refused)],
    ]);
    this.#judged(caller, number, this.#registers(), this.#resultOf(number, caller));
  }

  #registers(): SystemCallEvent["arguments"] {
    const pool = programValues(this.#program);
    const value = () => arbitraryValue(this.#choices, pool);
    const last = value();
    return [value(), value(), value(), value(), value(), last === mark ? 0n : last];
  }

  /** A fork that the policy may allow and the kernel refuses: no process is created or counted. */
  #failToFork(): void {
    const choices = this.#choices;
    const caller = pick(choices, this.#living);
    this.#hasFailedToFork.add(caller);
    const [, stack, third, fourth, fifth, sixth] = this.#registers();
    // RLIMIT_NPROC does not apply to root.
    if (this.#options.uid !== 0 && chance(choices, 3)) {
      const registers = [sigchld, stack, third, fourth, fifth, sixth] as const;
      const result = { is: "result", value: -11 /* EAGAIN */ } as const;
      this.#judged(caller, pick(choices, forkCalls), registers, result, stepNumber.callWithoutProcesses);
      return;
    }
    const { flags, pidfd, tls, errno } = pick(choices, failingForks);
    const registers = [flags, stack, pidfd ?? third, fourth, tls ?? fifth, sixth] as const;
    this.#judged(caller, 56, registers, { is: "result", value: -errno });
  }

  /** A call that the policy judges; `passed` is its result if it is allowed. */
  #judged(
    caller: Task,
    number: number,
    registers: SystemCallEvent["arguments"],
    passed: Expected,
    what: number = stepNumber.call,
  ): void {
    const program = this.#program;
    const { uid, gid } = this.#options;
    const event = { number, architecture: auditArchitecture.x86_64, instructionPointer: 0n, arguments: registers };
    const words = [number, ...registers];
    const madeCall = { number, arguments: registers };
    if (admit(program, event) !== "judged") {
      this.#records.push({ kind: "verdict", which: "refused", values: [], ...madeCall });
      this.#step({ is: "result", value: -38 }, stepNumber.call, caller.task, ...words);
      return;
    }
    // replay.c's first process is also alive.
    const alive = BigInt(1 + new Set(this.#living.map(({ process }) => process)).size);
    const who = { now: 0n, pid: 0, tid: 0, uid, gid, alive };
    const states = { thread: caller.thread, process: caller.state, tree: this.#tree };
    const { verdict, reports } = evaluate(program, event, who, states);
    for (const { report, values } of reports)
      this.#records.push({ kind: "report", which: report, values: [...values], ...madeCall });
    const { action, errno } = program.verdicts[verdict]!;
    if (action !== "allow") this.#records.push({ kind: "verdict", which: verdict, values: [], ...madeCall });
    switch (action) {
      case "allow":
      case "log":
        this.#step(passed, what, caller.task, ...words);
        break;
      case "deny":
        this.#step({ is: "result", value: 0 - errno }, what, caller.task, ...words);
        break;
      case "trap":
        this.#step({ is: "trapped" }, what, caller.task, ...words);
        break;
      default:
        this.#kill(caller, action === "kill-thread" && this.#options.killsThread(event), words);
    }
  }

  #resultOf(number: number, { task, process }: Task): Expected {
    const { getpid, gettid, geteuid } = harmless.known;
    if (number === getpid) return { is: "identity", of: "process", task: process };
    if (number === gettid) return { is: "identity", of: "thread", task };
    return number === geteuid ? { is: "result", value: this.#options.uid } : { is: "anything" };
  }

  /** A process with one thread ends with it. */
  #kill(caller: Task, onlyThread: boolean, words: readonly (number | bigint)[]): void {
    const isAlone = this.#living.filter(({ process }) => process === caller.process).length === 1;
    if (onlyThread && !isAlone) {
      this.#living = this.#living.filter((one) => one !== caller);
      this.#step({ is: "anything" }, stepNumber.killedThread, caller.task, ...words);
      return;
    }
    this.#living = this.#living.filter(({ process }) => process !== caller.process);
    const expected = { is: "signal", of: this.#options.killSignals } as const;
    this.#step(expected, stepNumber.killedProcess, caller.task, ...words);
  }

  #birth(how: "fork" | "thread"): void {
    if (this.#born >= mostTasks) return this.#call();
    const program = this.#program;
    const parent = pick(this.#choices, this.#living);
    const task = this.#born++;
    this.#step({ is: "anything" }, stepNumber[how], parent.task, task);
    this.#living.push(
      how === "fork"
        ? {
            task,
            process: task,
            thread: inheritState(program, "thread", parent.thread),
            state: inheritState(program, "process", parent.state),
          }
        : { task, process: parent.process, thread: initialState(program, "thread"), state: parent.state },
    );
  }

  #end(): void {
    if (this.#living.length === 1 && !chance(this.#choices, 8)) return this.#birth("fork");
    const caller = pick(this.#choices, this.#living);
    const others = this.#living.filter(({ process }) => process === caller.process).length - 1;
    const onlyThread = others > 0 && caller.task !== caller.process && chance(this.#choices, 2);
    this.#living = this.#living.filter((one) => (onlyThread ? one !== caller : one.process !== caller.process));
    const expected = onlyThread ? ({ is: "anything" } as const) : ({ is: "result", value: 0 } as const);
    this.#step(expected, onlyThread ? stepNumber.endThread : stepNumber.endProcess, caller.task);
  }
}
