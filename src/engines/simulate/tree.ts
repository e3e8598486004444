/**
 * Simulates the tree of tasks that a command starts, on any system: calls are judged, tasks fork, start threads, execute
 * and end, and the clock moves only when a test advances it. It is the reference for the engines; docs/language-reference.md
 * defines the terms.
 *
 * A verdict does not end a task: after "kill process" the task may make further calls, so that a test or a recording can
 * continue. `exitGroup()` ends the process.
 */

import { auditArchitecture } from "../../abi/architecture.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { nameCall } from "../../abi/decode.ts";
import { cloneFlag } from "../../abi/process-calls.ts";
import { maximumSigned } from "../../abi/word.ts";
import { admit } from "../../ir/admission.ts";
import type { ScopeState, SystemCallEvent } from "../../ir/evaluation.ts";
import { argumentInputs } from "../../ir/inputs.ts";
import type { Program, Scope } from "../../ir/program.ts";
import { birthCall, birthKind } from "./birth.ts";
import { rulingOf, rulingOfFailure, rulingOfGate } from "./decision.ts";
import type { Evaluator } from "./evaluator.ts";
import { type GivenMemories, SimulatedMemory, type SimulatedWords, structureField } from "./given-memory.ts";
import type {
  Birth,
  CallOptions,
  NeverEntered,
  PhaseNames,
  SimulatedCall,
  SimulatedDecision,
  SimulatedTask,
} from "./model.ts";
import { rulingOfObjects } from "./object-rulings.ts";
import { PhaseWatch } from "./phases.ts";
import { ProcessNumbers } from "./process-numbers.ts";
import { RepeatedDecisions } from "./repeated-decisions.ts";
import { describeReports } from "./reports.ts";
import { SimulatedRooms } from "./rooms.ts";
import { type Holder, StateKeeper, type UnknownBits } from "./state-keeper.ts";
import { type ProcessRecord, Task, type TaskOperations } from "./task.ts";
import { anything, type Bits, bits, bitsOfSpan } from "./unknown/known-bits.ts";

export interface TreeOptions {
  /** The command's first process and thread. Default 1000. */
  readonly pid?: number;
  /** New numbers ascend, and after this one start again from `pid`. Default 4,194,304 (the kernel's PID_MAX_LIMIT). */
  readonly highestPid?: number;
  /** Effective ids of the command. Default 1000. */
  readonly uid?: number;
  readonly gid?: number;
  /** Nanoseconds of the monotonic clock at the start, 0 … 2^63 − 1. Default 0. */
  readonly now?: bigint;
  /** Called with every decision, including those of `fork` and `thread`. */
  readonly onDecision?: (decision: SimulatedDecision, task: SimulatedTask) => void;
}

export class SimulatedTree {
  readonly program: Program;
  /** The command's first thread, after the launcher's own execve. */
  readonly command: SimulatedTask;
  private readonly keeper: StateKeeper<unknown>;
  private readonly memory: SimulatedMemory;
  private readonly phases: PhaseWatch;
  private readonly numbers: ProcessNumbers;
  private readonly processes = new Set<ProcessRecord>();
  private readonly tasks = new Map<number, Task>();
  /** New processes whose call passed, or may have passed, and that do not exist yet. */
  private readonly reservations = new Set<{ readonly certain: boolean }>();
  private readonly operations: TaskOperations;
  private readonly rooms: SimulatedRooms;
  private readonly repeated: RepeatedDecisions | undefined;
  private time: bigint;

  /** The evaluator must be new: its state belongs to this tree from now on. */
  constructor(evaluator: Evaluator, options: TreeOptions = {}) {
    const { pid = 1000, highestPid = 4_194_304, uid = 1000, gid = 1000, now = 0n } = options;
    this.program = evaluator.program;
    this.keeper = new StateKeeper(evaluator);
    this.memory = new SimulatedMemory(this.program);
    this.phases = new PhaseWatch(this.program);
    this.numbers = new ProcessNumbers(pid, highestPid);
    this.rooms = new SimulatedRooms(this.program);
    this.repeated = RepeatedDecisions.of(this.program);
    this.time = checkTime(now);
    this.operations = {
      judge: (task, call, callOptions) => {
        const decision = this.judge(task, call, callOptions);
        options.onDecision?.(decision, task);
        return decision;
      },
      begun: (task) => this.rooms.begun(task),
      leave: (task) => this.rooms.leave(task, this.time),
      make: (parent, kind, tid) => this.make(parent, kind, tid),
      birthCall: (call) => birthCall(this.program.architecture, call),
      execute: (task) => this.execute(task),
      end: (tasks) => this.end(tasks),
    };
    this.command = this.begin(this.keeper.create("process"), this.keeper.create("thread"), undefined, { uid, gid }, {});
  }

  /** The clock, in nanoseconds. */
  get now(): bigint {
    return this.time;
  }

  /** Moves the clock forward by so many nanoseconds. */
  advance(nanoseconds: bigint): void {
    if (nanoseconds < 0n) throw new RangeError(`the clock is monotonic: it cannot go back by ${-nanoseconds} ns`);
    this.time = checkTime(this.time + nanoseconds);
    this.rooms.advance(this.time);
  }

  /** Moves the clock to this time, which must not be before the present one. */
  advanceTo(now: bigint): void {
    this.advance(now - this.time);
  }

  /** The number of thread groups with a living thread, and of allowed forks that have not happened yet. */
  get alive(): bigint {
    return BigInt(this.processes.size + this.countReservations(true));
  }

  /** The living task with this number. */
  task(tid: number): SimulatedTask | undefined {
    return this.tasks.get(tid);
  }

  /** All living tasks, in the order of their creation. */
  get livingTasks(): readonly SimulatedTask[] {
    return [...this.tasks.values()];
  }

  /** The phases of a living task. */
  phasesOf(task: SimulatedTask): PhaseNames {
    const { record } = task as Task;
    return this.phases.look(this.keeper, record.state, record.process.state);
  }

  /** Phases that no process has entered. */
  get neverEntered(): readonly NeverEntered[] {
    return this.phases.neverEntered;
  }

  /**
   * The present state of a task, of its process or of the tree; undefined after unknown bits have made it uncertain.
   * Read-only, and valid until the next call.
   */
  state(scope: Scope, task: SimulatedTask = this.command): ScopeState | undefined {
    const { record } = task as Task;
    if (scope !== "tree" && !record.alive) throw new Error(`thread ${record.tid} has ended, and its state with it`);
    return this.keeper.state(scope, record.state, record.process.state);
  }

  // ── Judgement ─────────────────────────────────────────────────────────────────────────────────────────────────────

  private judge(task: Task, call: SimulatedCall, options: CallOptions): SimulatedDecision {
    const { keeper, repeated } = this;
    if (repeated === undefined) return this.judgeAnew(task, call, options);
    const { state, process } = task.record;
    const before = repeated.look(task.seenState, keeper, state, process.state);
    task.seenState = before;
    const content = repeated.contentOf(call);
    const known = content === undefined ? undefined : repeated.get(before, content);
    if (known !== undefined) {
      if (known.admission === "judged" && known.passes !== false) this.rooms.begin(task, [], this.time);
      return known;
    }
    const decision = this.judgeAnew(task, call, options);
    repeated.made(decision, content, before, keeper, state, process.state);
    return decision;
  }

  private judgeAnew(task: Task, call: SimulatedCall, options: CallOptions): SimulatedDecision {
    const { program, keeper } = this;
    const { state: thread, process } = task.record;
    const { event, unknown } = this.eventOf(call, options);
    const admission = admit(program, event);
    const before = this.phases.look(keeper, thread, process.state);
    const untouched = {
      lacking: [],
      entered: [],
      waits: undefined,
      reports: [],
      effectsKnown: true,
      phases: { before, after: before },
      birth: undefined,
    };
    if (admission !== "judged") {
      const { name } = nameCall(program.architecture, event.architecture, event.number);
      return { admission, ...rulingOfGate(admission, name), ...untouched };
    }
    const observed = this.observe(event, unknown, call, options);
    if ("errno" in observed) {
      return { admission, ...rulingOfFailure(observed.errno, observed.argument), ...untouched };
    }
    const circumstances = {
      now: this.time,
      pid: process.pid,
      tid: task.tid,
      uid: task.uid,
      gid: task.gid,
      alive: this.alive,
      observed: observed.words,
    };
    const uncertain = { inputs: unknown ?? {}, observed: observed.unknown };
    const judgement = keeper.judge(event, circumstances, uncertain, thread, process.state, options.allowed);
    const step = rulingOf(program, judgement.verdicts, options.allowed);
    const denial =
      step.passes === true ? rulingOfObjects(program, event, call.memory ?? nothingGiven, unknown) : undefined;
    const ruling = denial === undefined || denial === "unknown" ? step : { ...step, ...denial };
    const waits = ruling.passes === false ? undefined : this.rooms.begin(task, judgement.entered, this.time);
    return {
      admission,
      ...ruling,
      waits,
      lacking: ruling.action !== "unknown" && judgement.effectsKnown ? [] : observed.lacking,
      entered: judgement.entered.map(({ room, side }) => {
        const { name, sides } = program.rooms[room]!;
        return { room: name, side: sides[side]! };
      }),
      reports: describeReports(program, judgement.reports),
      effectsKnown: judgement.effectsKnown,
      phases: { before, after: this.phases.look(keeper, thread, process.state) },
      birth:
        ruling.passes === false
          ? undefined
          : this.birthBy(task, event, this.cloneFlags(event, unknown, call), ruling.passes === true),
    };
  }

  private observe(
    event: SystemCallEvent,
    unknown: UnknownBits["inputs"] | undefined,
    call: SimulatedCall,
    options: CallOptions,
  ): SimulatedWords {
    const { words } = this.program;
    if (call.observed !== undefined) {
      const masks = words.map((_, index) => options.unknownObserved?.[index] ?? 0n);
      return { words: call.observed.map((word, index) => word & ~masks[index]!), unknown: masks, lacking: [] };
    }
    const masks = argumentInputs.map((input) => unknown?.[input] ?? 0n);
    return this.memory.words(event.number, call.memory ?? nothingGiven, (register) => ({
      value: event.arguments[register]!,
      unknown: masks[register]!,
    }));
  }

  private eventOf(
    call: SimulatedCall,
    options: CallOptions,
  ): { event: SystemCallEvent; unknown?: UnknownBits["inputs"] } {
    const mask = (index: number) => BigInt.asUintN(64, options.unknown?.[index] ?? 0n);
    const word = (index: number) => BigInt.asUintN(64, call.arguments?.[index] ?? 0n) & ~mask(index);
    const pointerMask = BigInt.asUintN(64, options.unknownInstructionPointer ?? 0n);
    const event: SystemCallEvent = {
      number: call.number,
      architecture: call.architecture ?? auditArchitecture[this.program.architecture],
      instructionPointer: BigInt.asUintN(64, call.instructionPointer ?? 0n) & ~pointerMask,
      arguments: [word(0), word(1), word(2), word(3), word(4), word(5)],
    };
    // The number of forks in flight may be uncertain, too.
    const alive = this.alive;
    const aliveMask = bitsOfSpan(alive, alive + BigInt(this.countReservations(false))).unknown;
    const unknown: UnknownBits["inputs"] = {
      argument0: mask(0),
      argument1: mask(1),
      argument2: mask(2),
      argument3: mask(3),
      argument4: mask(4),
      argument5: mask(5),
      instructionPointer: pointerMask,
      alive: aliveMask,
    };
    return Object.values(unknown).some((bits) => bits !== 0n) ? { event, unknown } : { event };
  }

  // ── Births ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** clone's flags are in its register, clone3's in its structure, if that is given. */
  private cloneFlags(event: SystemCallEvent, unknown: UnknownBits["inputs"] | undefined, call: SimulatedCall): Bits {
    if (event.number !== callNumber("clone3", this.program.architecture)) {
      return bits(event.arguments[0], unknown?.argument0 ?? 0n);
    }
    const given = call.memory?.get("uargs");
    return given?.is === "structure" ? structureField(given, { offset: 0, bytes: 8 }) : anything;
  }

  private birthBy(parent: Task, event: SystemCallEvent, flags: Bits, certain: boolean): Birth | undefined {
    const kind = birthKind(this.program.architecture, event.number, flags);
    if (kind === undefined) return undefined;
    if (kind === "thread") return this.threadBirth(parent);
    const reservation = { certain: certain && kind === "process" };
    this.reservations.add(reservation);
    const { births } = parent.record;
    const process = this.keeper.inherit(parent.record.process.state);
    const thread = this.keeper.inherit(parent.record.state);
    const settle = () => {
      if (!births.delete(birth)) throw new Error("the outcome of this call has already been given");
      this.reservations.delete(reservation);
    };
    const drop = () => {
      this.keeper.release(process);
      this.keeper.release(thread);
    };
    const birth: Birth = {
      kind,
      process: (tid) => {
        settle();
        const shares = sharesMemory(event.number === callNumber("vfork", this.program.architecture), flags);
        return this.begin(process, thread, tid, parent, shares ? parent.record.process.memory : {});
      },
      thread: (tid) => {
        if (kind === "process") throw new Error("this call makes a process: it has no CLONE_THREAD");
        settle();
        drop();
        return this.make(parent, "thread", tid);
      },
      fail: () => {
        settle();
        drop();
      },
    };
    births.add(birth);
    return birth;
  }

  private threadBirth(parent: Task): Birth {
    const { births } = parent.record;
    const settle = () => {
      if (!births.delete(birth)) throw new Error("the outcome of this call has already been given");
    };
    const birth: Birth = {
      kind: "thread",
      process: () => {
        throw new Error("this call makes a thread: it has CLONE_THREAD");
      },
      thread: (tid) => {
        settle();
        return this.make(parent, "thread", tid);
      },
      fail: settle,
    };
    births.add(birth);
    return birth;
  }

  private make(parent: Task, kind: "process" | "thread", tid: number | undefined): Task {
    const { process, state } = parent.record;
    if (kind === "process")
      return this.begin(this.keeper.inherit(process.state), this.keeper.inherit(state), tid, parent, {});
    return this.beginThread(process, this.keeper.create("thread"), this.number(tid), parent);
  }

  /** A new process with its first thread. */
  private begin(
    process: Holder<unknown>,
    thread: Holder<unknown>,
    tid: number | undefined,
    ids: { uid: number; gid: number },
    memory: object,
  ): Task {
    const number = this.number(tid);
    const record: ProcessRecord = { pid: number, tasks: [], state: process, memory };
    this.processes.add(record);
    return this.beginThread(record, thread, number, ids);
  }

  private beginThread(
    process: ProcessRecord,
    state: Holder<unknown>,
    tid: number,
    { uid, gid }: { uid: number; gid: number },
  ): Task {
    const record = { tid, process, state, alive: true, births: new Set<Birth>() };
    const task = new Task(this.operations, record, { uid, gid });
    process.tasks.push(task);
    this.tasks.set(tid, task);
    this.phases.look(this.keeper, state, process.state);
    return task;
  }

  private number(tid: number | undefined): number {
    return tid === undefined ? this.numbers.next() : this.numbers.take(tid);
  }

  private countReservations(certain: boolean): number {
    let count = 0;
    for (const reservation of this.reservations) if (reservation.certain === certain) count++;
    return count;
  }

  // ── Ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  private end(ending: readonly Task[]): void {
    for (const task of ending) {
      const { tid, process, state, births } = task.record;
      for (const birth of [...births]) birth.fail();
      this.rooms.leave(task, this.time);
      task.record.alive = false;
      process.tasks.splice(process.tasks.indexOf(task), 1);
      this.tasks.delete(tid);
      this.keeper.release(state);
      // The leader's number stays in use until its process ends.
      if (tid !== process.pid) this.numbers.giveBack(tid);
      if (process.tasks.length > 0) continue;
      this.processes.delete(process);
      this.keeper.release(process.state);
      this.numbers.giveBack(process.pid);
    }
  }

  /** Does what de_thread() does (fs/exec.c): the other threads end, and the caller becomes the leader with the leader's number. */
  private execute(task: Task): void {
    const { process, tid } = task.record;
    this.end(process.tasks.filter((other) => other !== task));
    process.memory = {};
    if (tid === process.pid) return;
    this.tasks.delete(tid);
    this.numbers.giveBack(tid);
    task.record.tid = process.pid;
    this.tasks.set(process.pid, task);
  }
}

/** A child of vfork, or of clone with CLONE_VM, has its parent's memory until it executes a program. */
function sharesMemory(isVfork: boolean, { value, unknown }: Bits): boolean {
  return isVfork || (value & ~unknown & cloneFlag.vm) !== 0n;
}
const nothingGiven: GivenMemories = new Map();

function checkTime(now: bigint): bigint {
  if (now < 0n || now > maximumSigned)
    throw new RangeError(`the clock counts 0 … ${maximumSigned} ns; ${now} is outside`);
  return now;
}
