/**
 * A history summarises recordings, process by process, in little memory. A segment lies between a birth, an execution
 * and an end of a process; it has the different calls, their counts, and the positions of the first and last of each.
 */
import type { ArchitectureName } from "../abi/architecture.ts";
import { auditArchitecture } from "../abi/architecture.ts";
import type { CallDescription } from "../abi/call.ts";
import { callByNumber } from "../abi/calls.ts";
import { nameCall } from "../abi/decode.ts";
import { errnoByName } from "../abi/errno.ts";
import { exemptCalls } from "../abi/exempt-calls.ts";
import { families } from "../abi/families.ts";
import { isExecutingCall } from "../abi/process-calls.ts";
import { Faults } from "../traces/faults.ts";
import {
  type CallContent,
  type CallEvent,
  signedValue,
  type TraceEvent,
  type TraceHead,
  type Word,
} from "../traces/trace.ts";
import { type Aspect, aspectsOf, type Detail, latin, type Value, valueIn } from "./aspects.ts";
import { isSensitive } from "./sensitive.ts";
import { type Evidence, evidenceOf } from "./situations.ts";

/** A call with the values of its aspects, in their order. */
export interface Signature {
  readonly id: number;
  readonly call: string;
  readonly aspects: readonly Aspect[];
  readonly values: readonly Value[];
}

/** Positions count the calls of the segment, from 0. */
export interface Occurrences {
  count: number;
  /** The first positions, at most `mostFirsts`, in order. */
  firsts: readonly number[];
  /** The first position is unknown: `firsts` has the earliest possible one. */
  readonly isVague: boolean;
  last: number;
  /** Seconds since the segment's first call. */
  readonly firstTime: number | undefined;
}

export const mostFirsts = 4;

/**
 * Calls that a recording has with a pointer to no memory. Where the policy reads such memory, the call fails without a
 * judgement, and neither a phase nor a role begins with it.
 */
export function callsWithoutMemory({ signatures }: Pick<History, "signatures">): ReadonlySet<string> {
  const lacking = signatures.filter(({ values }) => values.includes(null));
  return new Set(lacking.map(({ call }) => call));
}

export type Origin =
  | { readonly is: "command" }
  /** `at`: the position of the parent's call. */
  | { readonly is: "fork"; readonly parent: Segment; readonly at: number }
  /**
   * `program` is the last name of its path; undefined if the recording lacks the path, null for a pointer without
   * memory.
   */
  | {
      readonly is: "exec";
      readonly before: Segment;
      readonly at: number;
      readonly program: string | null | undefined;
    }
  /** The process continues after its first such call (branches.ts). */
  | { readonly is: "branch"; readonly before: Segment; readonly at: number; readonly call: string };

export interface Segment {
  /** The index of the recording. */
  readonly recording: number;
  /** Equal for all segments of a process, and for no others. */
  readonly process: number;
  /** The recorded id; unique among living processes. */
  readonly pid: number;
  readonly origin: Origin;
  /** The last name of its program's path. */
  readonly program: string | undefined;
  calls: number;
  /** The number of turns (`waitingCalls`), and of those with a call, by its name. */
  turns: number;
  readonly turnsWith: Map<string, { count: number; last: number }>;
  seconds: number | undefined;
  /** By the signature's id. */
  readonly occurrences: Map<number, Occurrences>;
  /** The files that it mapped executable, with the position of the last time. */
  readonly mapped: Map<string, number>;
}

export interface Recording {
  /** The file's displayed name. */
  readonly file: string;
  calls: number;
  processes: number;
  /** From its first call to its last. */
  seconds: number | undefined;
}

export interface History {
  readonly architecture: ArchitectureName;
  readonly detail: Detail;
  readonly recordings: readonly Recording[];
  readonly segments: readonly Segment[];
  readonly signatures: readonly Signature[];
  /** The arguments of the first call of each signature, by its id. */
  readonly examples: readonly (readonly Word[])[];
  /** Calls of execve and execveat that began no program, and whose known errors are ENOENT, by the id of their signature. */
  readonly vain: ReadonlyMap<number, "all results are known" | "some results are unknown">;
  /** Recorded calls that no policy permits, by name: foreign ABIs, numbers without a name, io_uring. */
  readonly refused: ReadonlyMap<string, number>;
  readonly calls: number;
  /** The last names of the programs that were executed; undefined if the recordings lack results. */
  readonly executed: ReadonlySet<string> | undefined;
  /** Events that at least one recording has. */
  readonly evidence: ReadonlySet<Evidence>;
  /** The last names of the commands, as far as the recordings have them. */
  readonly commands: ReadonlySet<string>;
}

/** Always allowed, and not seen by a policy (docs/language-reference.md). */
export const unseenCalls: ReadonlySet<string> = new Set([
  ...["restart_syscall", "rt_sigreturn", "exit", "exit_group"],
  ...exemptCalls,
]);
/** A process waits for work with these. A turn of its loop begins with each. */
const waitingCalls: ReadonlySet<string> = new Set([
  ...["accept", "accept4", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6"],
  ...["recvfrom", "recvmsg", "recvmmsg"],
]);
/** The bound on different values of a call's texts; beyond it, the history distinguishes only their folders. */
const mostSignatures = 20_000;

interface Process {
  readonly pid: number;
  readonly number: number;
  segment: Segment;
  tasks: number;
  began: bigint | undefined;
  /** The paths of descriptors that it opened itself. */
  readonly opened: Map<bigint, string>;
  /** The signature of its last call that executes. */
  executing?: number;
}

/** What all calls of equal content share; `signature` is undefined for a call that no policy judges or permits. */
interface SeenCall {
  readonly name: string;
  readonly signature: Signature | undefined;
  /** The path behind its pointer. */
  readonly path: string | undefined;
  readonly opens: boolean;
  readonly maps: boolean;
  readonly executes: boolean;
}

interface Task {
  readonly process: Process;
  /** The position of its last call. */
  last: number;
  /** The path of a call that opens, until its result is known. */
  opening?: string | undefined;
  /** Whether its last call accepts a connection. */
  isAccepting?: boolean;
}

type Start = Pick<TraceHead, "command" | "words">;

const ownProgram = "/proc/self/exe";

export const enoent = -BigInt(errnoByName("ENOENT")!);

/** Calls that accept a connection. */
export const acceptingCalls: ReadonlySet<string> = new Set(["accept", "accept4"]);

const openingCalls: ReadonlySet<string> = new Set(families.get("open")!.members);

export class HistoryBuilder implements History {
  readonly architecture: ArchitectureName;
  readonly detail: Detail;
  readonly recordings: Recording[] = [];
  readonly segments: Segment[] = [];
  readonly signatures: Signature[] = [];
  readonly examples: (readonly Word[])[] = [];
  readonly refused = new Map<string, number>();
  readonly evidence = new Set<Evidence>();
  readonly commands = new Set<string>();
  executed: Set<string> | undefined;
  /** By the signature's id. */
  readonly #executions = new Map<number, { attempts: number; absent: number; unknown: number; began: number }>();
  #calls = 0;
  #processes = 0;
  readonly #ids = new Map<string, number>();
  readonly #perCall = new Map<string, number>();
  readonly #aspects = new Map<number, { call: CallDescription; aspects: readonly Aspect[] } | undefined>();
  readonly #seen = new WeakMap<CallContent, SeenCall>();
  #tasks = new Map<number, Task>();
  #file = "";
  #faults = new Faults("");
  #current: Recording | undefined;
  /** The time of the recording's first call. */
  #began: bigint | undefined;

  constructor(architecture: ArchitectureName, detail: Detail) {
    this.architecture = architecture;
    this.detail = detail;
  }

  get calls(): number {
    return this.#calls;
  }

  get vain(): History["vain"] {
    const found = new Map<number, "all results are known" | "some results are unknown">();
    for (const [id, { attempts, absent, unknown, began }] of this.#executions) {
      if (attempts === absent) found.set(id, "all results are known");
      // Without lines about executions, each of them can have begun a program.
      else if (attempts === absent + unknown && began === 0 && this.executed !== undefined)
        found.set(id, "some results are unknown");
    }
    return found;
  }

  /** The following events belong to this file. Contradictions in it are reported to `faults`. */
  open(file: string, faults: Faults): void {
    this.#file = file;
    this.#faults = faults;
    this.end();
  }

  /** Marks the end of a run. */
  end(): void {
    this.#current = undefined;
    this.#tasks = new Map();
  }

  event(event: TraceEvent, start: Start): void {
    this.#current ??= this.#begin(start);
    switch (event.kind) {
      case "clock":
        return;
      case "call": {
        const task = this.#task(event.tid, event);
        if (task !== undefined) this.#call(task, event);
        return;
      }
      case "return": {
        const task = this.#tasks.get(event.tid);
        if (task !== undefined) opened(task, event.result);
        return;
      }
      case "thread": {
        const task = this.#task(event.tid, event);
        if (task === undefined) return;
        task.process.tasks++;
        this.#tasks.set(event.child, { process: task.process, last: task.last });
        return;
      }
      case "fork": {
        const task = this.#task(event.tid, event);
        if (task !== undefined) this.#fork(task, event.child);
        return;
      }
      case "exec": {
        const task = this.#task(event.former ?? event.tid, event);
        if (task === undefined) return;
        this.#executed(task.process);
        for (const [tid, other] of this.#tasks) if (other.process === task.process) this.#tasks.delete(tid);
        task.process.tasks = 1;
        this.#tasks.set(event.tid, task);
        return;
      }
      case "exit": {
        const task = this.#task(event.tid, event);
        if (task !== undefined && --task.process.tasks === 0) this.#ended(task.process);
        this.#tasks.delete(event.tid);
        return;
      }
    }
  }

  #begin({ command = 1, words }: Start): Recording {
    const recording = { file: this.#file, calls: 0, processes: 1, seconds: undefined };
    this.#began = undefined;
    this.recordings.push(recording);
    const program = words?.[0] === undefined ? undefined : lastName(words[0]);
    if (program !== undefined) this.commands.add(program);
    this.#tasks.set(command, { process: this.#process(command, { is: "command" }, program), last: 0 });
    return recording;
  }

  #process(pid: number, origin: Origin, program: string | undefined): Process {
    const number = this.#processes++;
    const segment = this.#segment({ pid, number }, origin, program);
    return { pid, number, segment, tasks: 1, began: undefined, opened: new Map() };
  }

  #segment(
    { pid, number: process }: Pick<Process, "pid" | "number">,
    origin: Origin,
    program: string | undefined,
  ): Segment {
    const recording = this.recordings.length - 1;
    const segment: Segment = {
      ...{ recording, process, pid, origin, program, calls: 0, turns: 0, seconds: undefined },
      ...{ turnsWith: new Map(), occurrences: new Map(), mapped: new Map() },
    };
    this.segments.push(segment);
    return segment;
  }

  #task(tid: number, { place }: Exclude<TraceEvent, { kind: "clock" }>): Task | undefined {
    const task = this.#tasks.get(tid);
    if (task === undefined) this.#faults.add("P0803", place, `no line has created task ${tid}, or it has ended`);
    return task;
  }

  #ended({ segment }: Process): void {
    let { origin } = segment;
    while (origin.is === "exec" || origin.is === "branch") origin = origin.before.origin;
    if (origin.is === "command") this.evidence.add("ended");
  }

  #fork(task: Task, child: number): void {
    this.#current!.processes++;
    const origin = { is: "fork", parent: task.process.segment, at: task.last } as const;
    this.#tasks.set(child, { process: this.#process(child, origin, task.process.segment.program), last: 0 });
  }

  #call(task: Task, event: CallEvent): void {
    this.#current!.calls++;
    this.#calls++;
    const { name, signature, path, opens, maps, executes } = this.#look(event);
    if (signature === undefined) {
      if (!unseenCalls.has(name)) this.refused.set(name, (this.refused.get(name) ?? 0) + 1);
      return;
    }
    const { process } = task;
    const { segment } = process;
    // A thread that waits in accept until its end has shown none.
    if (task.isAccepting === true) this.evidence.add("connection");
    task.isAccepting = acceptingCalls.has(name);
    if (event.time !== undefined) {
      this.#began ??= event.time;
      this.#current!.seconds = Number(event.time - this.#began) / 1e9;
      if (segment.calls === 0) process.began = event.time;
      if (process.began !== undefined) segment.seconds = Number(event.time - process.began) / 1e9;
    }
    const position = segment.calls++;
    countTurn(segment, name);
    task.last = position;
    const found = segment.occurrences.get(signature.id);
    if (found === undefined) {
      const firstTime = event.time === undefined ? undefined : segment.seconds;
      const firsts = [position];
      segment.occurrences.set(signature.id, { count: 1, firsts, isVague: false, last: position, firstTime });
    } else {
      found.count++;
      found.last = position;
      // A recording can have very many: `push` would keep room for sixteen more positions.
      if (found.firsts.length < mostFirsts) found.firsts = [...found.firsts, position];
    }
    if (opens) {
      task.opening = path;
      opened(task, event.result);
    } else if (maps) {
      const file = mappedFile(process, event.arguments[4]!);
      if (file !== undefined) segment.mapped.set(file, position);
    }
    if (!executes) return;
    this.#execute(process, signature, position);
    const known = this.#executions.get(signature.id) ?? { attempts: 0, absent: 0, unknown: 0, began: 0 };
    this.#executions.set(signature.id, known);
    known.attempts++;
    const result = signedValue(event.result);
    if (result === undefined) known.unknown++;
    else if (result === enoent) known.absent++;
    process.executing = signature.id;
  }

  #look(event: CallEvent): SeenCall {
    const { content } = event;
    const before = content === undefined ? undefined : this.#seen.get(content);
    if (before !== undefined) return before;
    const seen = this.#examine(event);
    if (content !== undefined) this.#seen.set(content, seen);
    return seen;
  }

  #examine(event: CallEvent): SeenCall {
    const known = this.#known(event);
    const name = known?.call.name ?? nameCall(this.architecture, event.architecture, event.number).name;
    const memory = known === undefined ? undefined : event.memory.get("path");
    const path = memory?.is === "text" ? latin(memory.bytes) : undefined;
    const shown = evidenceOf(name, path);
    if (shown !== undefined) this.evidence.add(shown);
    const signature = known === undefined ? undefined : this.#sign(known.call, known.aspects, event);
    const maps = name === "mmap" && signature !== undefined && isSensitive(signature);
    return { name, signature, path, opens: openingCalls.has(name), maps, executes: isExecutingCall(name) };
  }

  #executed({ segment: { origin }, executing }: Process): void {
    if (executing !== undefined) this.#executions.get(executing)!.began++;
    this.executed ??= new Set();
    if (origin.is === "exec" && typeof origin.program === "string") this.executed.add(origin.program);
  }

  /** A policy sees the attempt, not its success. */
  #execute(process: Process, { aspects, values }: Signature, at: number): void {
    const path = values[aspects.findIndex(({ is }) => is === "text")];
    const { segment: before } = process;
    const known = path === ownProgram ? before.program : undefined;
    const program = typeof path === "string" ? (known ?? lastName(path)) : (path as null | undefined);
    process.segment = this.#segment(process, { is: "exec", before, at, program }, program ?? before.program);
  }

  /** Undefined for a call that no policy judges or permits. */
  #known(event: CallEvent): { call: CallDescription; aspects: readonly Aspect[] } | undefined {
    if (event.architecture >>> 0 !== auditArchitecture[this.architecture]) return undefined;
    if (this.#aspects.has(event.number)) return this.#aspects.get(event.number);
    const call = callByNumber(this.architecture, event.number);
    const isSeen = call !== undefined && !unseenCalls.has(call.name) && !call.name.startsWith("io_uring_");
    const known = isSeen ? { call, aspects: aspectsOf(call, this.detail, this.architecture) } : undefined;
    this.#aspects.set(event.number, known);
    return known;
  }

  #sign(call: CallDescription, aspects: readonly Aspect[], event: CallEvent): Signature {
    let values: Value[] = aspects.map((aspect) => valueIn(call, aspect, event, this.architecture));
    let key = keyOf(call.name, values);
    let id = this.#ids.get(key);
    if (id === undefined && (this.#perCall.get(call.name) ?? 0) >= mostSignatures) {
      values = values.map((value, index) => (aspects[index]!.is === "text" ? folderOf(value) : value));
      key = keyOf(call.name, values);
      id = this.#ids.get(key);
    }
    if (id !== undefined) return this.signatures[id]!;
    const signature = { id: this.signatures.length, call: call.name, aspects, values };
    this.signatures.push(signature);
    this.examples.push(event.arguments);
    this.#ids.set(key, signature.id);
    this.#perCall.set(call.name, (this.#perCall.get(call.name) ?? 0) + 1);
    return signature;
  }
}

function countTurn(segment: Segment, call: string): void {
  if (waitingCalls.has(call)) segment.turns++;
  const turns = segment.turnsWith.get(call);
  if (turns === undefined) segment.turnsWith.set(call, { count: 1, last: segment.turns });
  else if (turns.last !== segment.turns) {
    turns.count++;
    turns.last = segment.turns;
  }
}

/** The call that opens has this result. */
function opened(task: Task, result: Word): void {
  const descriptor = signedValue(result);
  if (task.opening === undefined || descriptor === undefined) return;
  if (descriptor >= 0n) task.process.opened.set(descriptor, task.opening);
  task.opening = undefined;
}

/** Undefined for memory without a file; "" for a file of an unknown path. */
function mappedFile({ opened }: Process, { value, known }: Word): string | undefined {
  const descriptor = value & 0xffff_ffffn;
  const isKnown = (known & 0xffff_ffffn) === 0xffff_ffffn;
  return isKnown && descriptor === 0xffff_ffffn ? undefined : (isKnown && opened.get(descriptor)) || "";
}

function keyOf(call: string, values: readonly Value[]): string {
  let key = call;
  for (const value of values) {
    key +=
      value === undefined ? "\0?" : value === null ? "\0-" : typeof value === "bigint" ? `\0${value}` : `\0"${value}`;
  }
  return key;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The text of any name in the folder of this one: the folder with a slash. */
function folderOf(value: Value): Value {
  return typeof value === "string" ? value.slice(0, value.lastIndexOf("/") + 1) : value;
}
