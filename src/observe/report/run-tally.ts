/**
 * Counts one run of a trace while it is read: its tasks, and the calls of each process in each phase. Memory is bounded:
 * beyond a number of processes, further ones are counted together.
 */

import { basename } from "node:path";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { nameCall } from "../../abi/decode.ts";
import { isExecutingCall } from "../../abi/process-calls.ts";
import type { SimulatedDecision } from "../../engines/simulate/model.ts";
import type { CallEvent, TraceEvent } from "../../traces/trace.ts";

/** Processes with figures of their own. */
const mostProcesses = 2_000;
/** Phases, executions and moments that are listed of one process or run. */
const mostListed = 200;

export interface CallCount {
  count: number;
  refused: number;
  /** Time of the first and of the last one. */
  first: number;
  last: number;
}

export interface ProcessTally {
  readonly pid: number;
  readonly parent: ProcessTally | undefined;
  name: string;
  readonly from: number;
  to: number | undefined;
  calls: number;
  threads: number;
  alive: number;
  readonly spans: { readonly phase: string; readonly from: number }[];
  readonly executions: { readonly at: number; readonly name: string }[];
  /** By phase, then by the name of the call. */
  readonly counts: Map<string, Map<string, CallCount>>;
}

export interface MomentTally {
  readonly at: number;
  readonly process: ProcessTally;
  readonly former: string;
  readonly phase: string;
  readonly call: string | undefined;
}

interface TaskTally {
  readonly process: ProcessTally;
  /** The path of the last execve, which may have succeeded. */
  executing: string | undefined;
}

export class RunTally {
  readonly name: string;
  readonly architecture: ArchitectureName;
  readonly processes: ProcessTally[] = [];
  /** Processes beyond those that have figures of their own. */
  uncounted = 0;
  readonly moments: MomentTally[] = [];
  calls = 0;
  isTimed = true;
  readonly #command: string;
  readonly #nameOf: (phases: Readonly<Record<string, string>>) => string;
  #start: bigint | undefined;
  #now = 0;
  readonly #tasks = new Map<number, TaskTally>();
  /** Stands for all processes beyond the bound. */
  #rest: ProcessTally | undefined;

  /**
   * @param command the name of the program that the first process executes
   * @param nameOf the name of the state of a process with these phases; not called without decisions
   */
  constructor(
    name: string,
    architecture: ArchitectureName,
    command: string,
    nameOf: (phases: Readonly<Record<string, string>>) => string = () => "",
  ) {
    this.name = name;
    this.architecture = architecture;
    this.#command = basename(command);
    this.#nameOf = nameOf;
  }

  /** Seconds, or calls if the run has no times. */
  get length(): number {
    return this.isTimed ? this.#now : this.calls;
  }

  /** @param decision the policy's, if there is one and the event is a call */
  add(event: TraceEvent, decision: SimulatedDecision | undefined): void {
    if (event.time === undefined) this.isTimed &&= event.kind !== "call";
    else {
      this.#start ??= event.time;
      this.#now = Number(event.time - this.#start) / 1e9;
    }
    if (event.kind === "clock") return;
    if (event.kind === "exec") {
      this.#execute(event.tid, event.former);
      return;
    }
    const task = this.#taskOf(event.tid);
    switch (event.kind) {
      case "call":
        this.#call(event, task, decision);
        return;
      case "fork":
        this.#tasks.set(event.child, { process: this.#begin(event.child, task.process), executing: undefined });
        return;
      case "thread":
        task.process.threads++;
        task.process.alive++;
        this.#tasks.set(event.child, { process: task.process, executing: undefined });
        return;
      case "exit":
        this.#tasks.delete(event.tid);
        this.#leave(task.process);
        return;
    }
  }

  /** The name of the program of a task's process, as far as the trace has shown it. */
  programOf(tid: number): string {
    return this.#tasks.get(tid)?.process.name ?? "";
  }

  get #time(): number {
    return this.isTimed ? this.#now : this.calls;
  }

  #taskOf(tid: number): TaskTally {
    let task = this.#tasks.get(tid);
    if (task === undefined) {
      task = { process: this.#begin(tid, undefined), executing: undefined };
      this.#tasks.set(tid, task);
    }
    return task;
  }

  #begin(pid: number, parent: ProcessTally | undefined): ProcessTally {
    if (this.processes.length >= mostProcesses) {
      this.uncounted++;
      this.#rest ??= this.#newProcess(0, undefined, "further processes");
      return this.#rest;
    }
    const made = this.#newProcess(pid, parent, parent?.name ?? this.#command);
    this.processes.push(made);
    return made;
  }

  #newProcess(pid: number, parent: ProcessTally | undefined, name: string): ProcessTally {
    return {
      ...{ pid, parent, name, from: this.#time, to: undefined, calls: 0, threads: 1, alive: 1 },
      ...{ spans: [], executions: [], counts: new Map() },
    };
  }

  #leave(process: ProcessTally): void {
    process.alive--;
    if (process.alive === 0) process.to = this.#time;
  }

  #execute(tid: number, former: number | undefined): void {
    const task = this.#taskOf(former ?? tid);
    if (former !== undefined) {
      // The caller takes the place of the leader, which has ended.
      if (this.#tasks.has(tid)) task.process.alive--;
      this.#tasks.delete(former);
      this.#tasks.set(tid, task);
    }
    const { process } = task;
    // The other threads have ended, and no lines say so of each.
    for (const [other, { process: of }] of this.#tasks) {
      if (process.alive <= 1) break;
      if (of !== process || other === tid) continue;
      this.#tasks.delete(other);
      process.alive--;
    }
    const name = task.executing === undefined ? undefined : basename(task.executing);
    task.executing = undefined;
    if (name === undefined || process === this.#rest) return;
    process.name = name;
    if (process.executions.length < mostListed) process.executions.push({ at: this.#time, name });
  }

  #call(event: CallEvent, task: TaskTally, decision: SimulatedDecision | undefined): void {
    this.calls++;
    const { process } = task;
    const { name } = nameCall(this.architecture, event.architecture, event.number);
    if (isExecutingCall(name)) task.executing = pathOf(event) ?? task.executing;
    const phase = decision === undefined ? "" : this.#nameOf(decision.phases.before);
    this.#phase(process, phase, undefined);
    process.calls++;
    const counts = once(process.counts, phase, () => new Map<string, CallCount>());
    const time = this.#time;
    const count = once(counts, name, () => ({ count: 0, refused: 0, first: time, last: time }));
    count.count++;
    count.last = time;
    if (decision?.passes === false) count.refused++;
    if (decision !== undefined) this.#phase(process, this.#nameOf(decision.phases.after), name);
  }

  #phase(process: ProcessTally, phase: string, call: string | undefined): void {
    const last = process.spans.at(-1)?.phase;
    if (last === phase || process === this.#rest) return;
    const at = last === undefined ? process.from : this.#time;
    if (process.spans.length < mostListed) process.spans.push({ phase, from: at });
    if (last !== undefined && this.moments.length < 50 * mostListed) {
      this.moments.push({ at, process, former: last, phase, call });
    }
  }
}

function pathOf(event: CallEvent): string | undefined {
  const path = event.memory.get("path") ?? event.memory.get("filename");
  return path?.is === "text" ? new TextDecoder().decode(path.bytes) : undefined;
}

function once<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
