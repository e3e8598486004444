/** Replays a trace in a simulated tree: the verdict of the policy on each call. */
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Evaluator } from "../engines/simulate/evaluator.ts";
import type { Birth, CallOptions, SimulatedCall, SimulatedDecision, SimulatedTask } from "../engines/simulate/model.ts";
import { SimulatedTree } from "../engines/simulate/tree.ts";
import type { Program } from "../ir/program.ts";
import { inputsOf } from "../ir/traverse.ts";
import { Faults } from "./faults.ts";
import type { BirthEvent, CallContent, CallEvent, ExecEvent, Trace, TraceEvent, TraceHead, Word } from "./trace.ts";

export interface ReplayedCall {
  readonly event: CallEvent;
  readonly pid: number;
  readonly decision: SimulatedDecision;
}

export interface Replay {
  readonly tree: SimulatedTree;
  /** Evaluates the calls in order. The recorded actions happen regardless of the verdicts. */
  calls(): Generator<ReplayedCall>;
  /**
   * The same, event by event, for a trace of any size: undefined if the event is not a call. Without `goingOn` no call is
   * known to go on while others are made.
   */
  take(event: TraceEvent): ReplayedCall | undefined;
  /** The contradictions in the recording; complete when `calls` has ended. */
  diagnostics(): readonly Diagnostic[];
}

export interface ReplayOptions {
  /** The displayed name of the trace. */
  readonly file: string;
  /** Effective ids of the command, if the recording lacks them. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** The calls of the trace that do not return at once. */
  readonly goingOn?: CallsThatGoOn;
}

/** Inputs of the policy that the recording lacks; empty if the replay can begin. */
export function missingForReplay(program: Program, trace: TraceHead, options: ReplayOptions): readonly Diagnostic[] {
  const faults = new Faults(options.file);
  const asked = inputsOf(program.body);
  if (asked.has("now") && !trace.timed) {
    faults.add(
      "P0804",
      undefined,
      "the policy reads the clock, and the trace has no times",
      "record with strace -ttt, or write `time` in each line",
    );
  }
  for (const id of ["uid", "gid"] as const) {
    if (asked.has(id) && (trace[id] ?? options[id]) === undefined) {
      faults.add("P0822", undefined, `the policy reads the caller's ${id}, and the trace lacks it`, `--${id} N`);
    }
  }
  return faults.list();
}

export function replay(
  evaluator: Evaluator,
  trace: TraceHead & Partial<Pick<Trace, "events">>,
  options: ReplayOptions,
): Replay {
  const tree = new SimulatedTree(evaluator, {
    ...(trace.command === undefined ? {} : { pid: trace.command }),
    uid: trace.uid ?? options.uid ?? 0,
    gid: trace.gid ?? options.gid ?? 0,
  });
  const faults = new Faults(options.file);
  const replayer = new Replayer(tree, faults, options.goingOn);
  return {
    tree,
    calls: () => replayer.run(trace.events ?? []),
    take: (event) => replayer.take(event),
    diagnostics: () => faults.list(),
  };
}

class Replayer {
  readonly #tree: SimulatedTree;
  readonly #faults: Faults;
  /** Calls that may create a task, before the recording has shown whether they did. */
  readonly #births = new Map<number, Birth>();

  readonly #known = new WeakMap<CallContent, JudgedCall>();

  #goingOn: CallsThatGoOn | undefined;
  #calls = 0;

  constructor(tree: SimulatedTree, faults: Faults, goingOn: CallsThatGoOn | undefined) {
    this.#tree = tree;
    this.#faults = faults;
    this.#goingOn = goingOn;
  }

  *run(events: readonly TraceEvent[]): Generator<ReplayedCall> {
    this.#goingOn = new CallsThatGoOn();
    for (const event of events) this.#goingOn.add(event);
    for (const event of events) {
      const call = this.take(event);
      if (call !== undefined) yield call;
    }
  }

  take(event: TraceEvent): ReplayedCall | undefined {
    if (event.kind === "call") this.#calls++;
    if (event.time !== undefined && event.time > this.#tree.now) this.#tree.advanceTo(event.time);
    if (event.kind === "clock") return undefined;
    if (event.kind === "exec") {
      this.#execute(event);
      return undefined;
    }
    const task = this.#tree.task(event.tid);
    if (task === undefined) {
      this.#faults.add("P0803", event.place, `no line has created task ${event.tid}, or it has ended`);
      return undefined;
    }
    if (event.kind === "fork" || event.kind === "thread") {
      this.#birth(task, event);
      return undefined;
    }
    if (event.kind === "return") {
      if (task.begun?.is === "runs") task.end();
      return undefined;
    }
    this.#settle(event.tid);
    if (event.kind === "call") return this.#call(task, event);
    task.exit();
    return undefined;
  }

  #call(task: SimulatedTask, event: CallEvent): ReplayedCall {
    const { pid } = task;
    const [call, options] = this.#callOf(event);
    const decision = task[this.#goingOn?.has(this.#calls - 1) ? "begin" : "call"](call, options);
    // The recording's order is fixed: the call goes on without the room.
    if (task.begun?.is === "waits") task.interrupt();
    if (decision.birth !== undefined) this.#births.set(event.tid, decision.birth);
    return { event, pid, decision };
  }

  #callOf(event: CallEvent): JudgedCall {
    const { content } = event;
    const known = content === undefined ? undefined : this.#known.get(content);
    if (known !== undefined) return known;
    const made = judgedCall(event);
    if (content !== undefined) this.#known.set(content, made);
    return made;
  }

  /** The next action of a task shows that its call created no task. */
  #settle(tid: number): void {
    this.#births.get(tid)?.fail();
    this.#births.delete(tid);
  }

  #birth(parent: SimulatedTask, event: BirthEvent): void {
    if (this.#tree.task(event.child) !== undefined) {
      this.#faults.add("P0803", event.place, `task ${event.child} is alive already`);
      return;
    }
    const kind = event.kind === "fork" ? "process" : "thread";
    const birth = this.#births.get(event.tid);
    this.#births.delete(event.tid);
    try {
      if (birth !== undefined && (birth.kind === "either" || birth.kind === kind)) birth[kind](event.child);
      else {
        birth?.fail();
        parent.make(kind, event.child);
      }
    } catch (error) {
      // A process with several threads still holds the number, although its leader has ended.
      this.#faults.add(
        "P0803",
        event.place,
        `task ${event.child} cannot be created: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  #execute(event: ExecEvent): void {
    const task = this.#tree.task(event.former ?? event.tid);
    if (task === undefined) {
      this.#faults.add("P0803", event.place, `no line has created task ${event.former ?? event.tid}, or it has ended`);
      return;
    }
    this.#settle(task.tid);
    task.execute();
  }
}

/** The calls of a trace whose returns have lines of their own: they go on until then, and others are made meanwhile. */
export class CallsThatGoOn {
  /** The ordinal of the last call of each task. */
  readonly #last = new Map<number, number>();
  /** A bit for each call, by its ordinal from 0. */
  #bits = new Uint8Array(1024);
  #calls = 0;

  add(event: TraceEvent): void {
    if (event.kind === "call") this.#last.set(event.tid, this.#calls++);
    else if (event.kind === "exit") this.#last.delete(event.tid);
    else if (event.kind === "return") {
      const call = this.#last.get(event.tid);
      if (call !== undefined) this.#set(call);
      this.#last.delete(event.tid);
    }
  }

  has(call: number): boolean {
    return ((this.#bits[call >> 3] ?? 0) & (1 << (call & 7))) !== 0;
  }

  #set(call: number): void {
    if (call >> 3 >= this.#bits.length) {
      const larger = new Uint8Array(Math.max((call >> 3) + 1, 2 * this.#bits.length));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[call >> 3]! |= 1 << (call & 7);
  }
}

type JudgedCall = readonly [call: SimulatedCall, options: CallOptions];

function judgedCall(event: CallEvent): JudgedCall {
  const { number, architecture, instructionPointer, memory, content } = event;
  const words = event.arguments.map(({ value }) => value);
  return [
    { number, architecture, arguments: words, instructionPointer: instructionPointer.value, memory, content },
    { unknown: event.arguments.map(unknownBits), unknownInstructionPointer: unknownBits(instructionPointer) },
  ];
}

function unknownBits(word: Word): bigint {
  return BigInt.asUintN(64, ~word.known);
}
