/**
 * Reads traces that `strace -f -n -ttt -e raw=all` writes. docs/traces.md says which bits such a recording has: all 64
 * of the registers of parameters (raw=all prints `u_arg` unchanged), not the other registers, the instruction pointer
 * (unless -i), uid and gid. Without raw=all the upper halves of 32-bit arguments and all values printed by name are unknown.
 *
 * Memory behind pointers is known only without raw=all.
 *
 * A child's first lines may precede the return of its parent's call: the file is read as a whole, then linked.
 */

import type { GivenMemories, GivenMemory } from "../engines/simulate/given-memory.ts";
import { type ArchitectureName, auditArchitecture, x32Bit } from "../linux/architecture.ts";
import { callByName, callByNumber, registerOf } from "../linux/calls.ts";
import { errno } from "../linux/errno-numbers.ts";
import { pointeeOf } from "../linux/pointees.ts";
import { cloneFlag, creatingCalls, executingCalls } from "../linux/process-calls.ts";
import { Faults, numberedLines, quote } from "./faults.ts";
import { parseStraceLine, type StraceLine } from "./strace-line.ts";
import {
  isTaskNumber,
  knownWord,
  lowWord,
  type Place,
  type Trace,
  type TraceEvent,
  type TraceReading,
  unknownWord,
  type Word,
} from "./trace.ts";
import { readMemory } from "./written-memory.ts";

const creations = new Set<string>(creatingCalls);
const executions = new Set<string>(executingCalls);

/** The lines of the file in order; calls get their results when they are resumed. */
type Item =
  | CallItem
  /** A call that was unfinished before lines of others. */
  | { readonly kind: "returned"; readonly tid: number; readonly time: bigint | undefined; readonly place: Place }
  | { readonly kind: "ended"; readonly tid: number; readonly time: bigint | undefined; readonly place: Place }
  | {
      readonly kind: "remade";
      readonly tid: number;
      readonly former: number;
      readonly time: bigint | undefined;
      readonly place: Place;
    };

interface CallItem {
  readonly kind: "call";
  tid: number;
  readonly time: bigint | undefined;
  readonly place: Place;
  readonly name: string;
  readonly number: number;
  readonly foreign: boolean;
  readonly arguments: readonly string[];
  readonly instructionPointer: bigint | undefined;
  result: string | undefined;
  finished: boolean;
}

export function readStrace(text: string, file: string, architecture: ArchitectureName): TraceReading {
  const reader = new Reader(file, architecture);
  for (const { line, number } of numberedLines(text)) reader.line(line, number);
  return reader.finish();
}

class Reader {
  readonly #faults: Faults;
  readonly #architecture: ArchitectureName;
  readonly #items: Item[] = [];
  /** The current call of each task. */
  readonly #inside = new Map<number, CallItem>();
  /** Tasks that were the sender of a SIGCHLD: processes, not threads. */
  readonly #processes = new Set<number>();
  /** Tasks that currently run as 32-bit or x32. */
  readonly #foreign = new Map<number, string>();
  #ended = false;
  #cut: { readonly start: string; readonly number: number } | undefined;
  #raw = true;
  readonly #lines: { readonly line: StraceLine; readonly place: Place }[] = [];
  /** Tasks that strace follows at this point of the file. */
  readonly #followed = new Set<number>();
  #command = 1;

  constructor(file: string, architecture: ArchitectureName) {
    this.#faults = new Faults(file);
    this.#architecture = architecture;
  }

  line(line: string, number: number): void {
    if (this.#ended || line.trim() === "") return;
    const cut = line.startsWith("strace: ") ? undefined : this.#cut;
    // strace continues the line that its message about a new task has interrupted.
    const parsed = parseStraceLine(cut === undefined ? line : `${cut.start}${line}`);
    if (cut !== undefined) this.#cut = undefined;
    if (parsed === undefined) {
      this.#malformed(line, number);
      return;
    }
    const place = { line: cut?.number ?? number, column: parsed.column, length: parsed.length };
    const { what } = parsed;
    if (what.kind === "cut") {
      this.#cut = { start: what.start, number: place.line };
      this.#lines.push({ line: { ...parsed, what: { kind: "remark", attached: what.attached } }, place });
    } else if (what.kind === "summary") {
      this.#ended = true;
    } else {
      this.#lines.push({ line: parsed, place });
    }
  }

  /**
   * -r prints the time since the line before, and 0 on the first line; with another time it is in parentheses. Both
   * add up to the time of one clock. The time of day (-t, -tt) alone is ignored.
   */
  #addUpTimes(): void {
    const first = this.#lines.find(({ line }) => line.time !== undefined);
    const relative = first?.line.time === 0n;
    let now = 0n;
    this.#lines.forEach((one, index) => {
      const since = relative ? one.line.time : one.line.time === undefined ? one.line.sinceLast : undefined;
      if (since === undefined) return;
      now += since;
      this.#lines[index] = { ...one, line: { ...one.line, time: now } };
    });
  }

  #malformed(line: string, number: number): void {
    this.#faults.add(
      "P0801",
      { line: number, column: 1, length: Math.min(line.length, 200) },
      `${quote(line.trim())} is not a line of strace`,
      "record with `strace -f -n -ttt -e raw=all -o FILE -- COMMAND`",
    );
  }

  #take(line: StraceLine, place: Place): void {
    const { what } = line;
    if (what.kind === "remark") {
      if (what.attached !== undefined) this.#followed.add(what.attached);
      return;
    }
    const tid = line.tid ?? this.#onlyTask();
    if (what.kind === "ended") this.#followed.delete(tid);
    else this.#followed.add(tid);
    if (!isTaskNumber(tid)) {
      this.#faults.add("P0802", place, `${tid} is not the id of a thread`);
      return;
    }
    switch (what.kind) {
      case "call":
        this.#call(tid, what, line, place);
        return;
      case "resumed": {
        const call = this.#inside.get(tid);
        if (call === undefined || call.name !== what.name) {
          this.#faults.add("P0801", place, `task ${tid} resumes ${what.name}, but was in ${call?.name ?? "no call"}`);
          return;
        }
        call.result = what.result;
        call.finished = true;
        this.#inside.delete(tid);
        this.#items.push({ kind: "returned", tid, time: line.time, place });
        return;
      }
      case "signal":
        if (what.name === "SIGCHLD" && what.sender !== undefined) this.#processes.add(what.sender);
        return;
      case "ended":
        this.#inside.delete(tid);
        this.#items.push({ kind: "ended", tid, time: line.time, place });
        return;
      case "superseded": {
        // The thread that executes becomes the leader; its call continues under the leader's number.
        const call = this.#inside.get(what.former);
        this.#inside.delete(what.former);
        if (call !== undefined) this.#inside.set(tid, call);
        this.#items.push({ kind: "remade", tid, former: what.former, time: line.time, place });
        return;
      }
      case "mode":
        if (what.bits === "64 bit") this.#foreign.delete(what.tid);
        else this.#foreign.set(what.tid, what.bits);
        return;
    }
  }

  #call(tid: number, what: Extract<StraceLine["what"], { kind: "call" }>, line: StraceLine, place: Place): void {
    const pending = this.#inside.get(tid);
    if (pending !== undefined) {
      this.#faults.add("P0801", place, `task ${tid} begins ${what.name}, but is still in ${pending.name}`, undefined, {
        place: pending.place,
        message: "begins here",
      });
      return;
    }
    const found = this.#number(tid, what.name, what.number, place);
    if (found === undefined) return;
    if (what.name !== "restart_syscall" && what.arguments.some((one) => !/^(?:0|0x[0-9a-f]{1,16})$/.test(one))) {
      this.#raw = false;
    }
    const unfinished = what.result === undefined;
    const call: CallItem = {
      kind: "call",
      tid,
      time: line.time,
      place,
      name: what.name,
      ...found,
      arguments: what.arguments,
      instructionPointer: line.instructionPointer,
      result: what.result,
      finished: !unfinished,
    };
    if (unfinished) this.#inside.set(tid, call);
    this.#items.push(call);
  }

  /**
   * strace names a call by the caller's ABI, so a name that differs from the table's for this number is a foreign call
   * (with -o strace does not report a change of mode otherwise).
   */
  #number(
    tid: number,
    name: string,
    printed: number | "none" | undefined,
    place: Place,
  ): { number: number; foreign: boolean } | undefined {
    if (printed === "none") return { number: -1, foreign: false };
    if (printed === undefined) {
      const unnamed = /^syscall_(0x[0-9a-f]{1,8})$/.exec(name)?.[1];
      const number = unnamed === undefined ? callByName(name)?.number[this.#architecture] : Number(unnamed) | 0;
      if (number === undefined) {
        this.#faults.add(
          "P0101",
          place,
          `no system call of ${this.#architecture} is named ${quote(name)}`,
          "record with -n, which prints numbers",
        );
        return undefined;
      }
      return { number, foreign: this.#foreign.has(tid) };
    }
    if (printed > 0xffff_ffff) {
      this.#faults.add("P0802", place, `${printed} is not the number of a call`);
      return undefined;
    }
    if (this.#architecture === "x86_64" && (printed & x32Bit) !== 0) return { number: printed | 0, foreign: false };
    const ours = callByNumber(this.#architecture, printed)?.name;
    const foreign = this.#foreign.has(tid) || (ours !== undefined && ours !== name && !/^syscall_0x/.test(name));
    return { number: printed | 0, foreign };
  }

  /** Without -o, strace names the task only while it follows more than one. */
  #onlyTask(): number {
    for (const tid of this.#followed) if (this.#followed.size === 1) return tid;
    return this.#command;
  }

  /**
   * The number of the command's first task, which strace omits until there is a second: it is the result of no call.
   */
  #findCommand(): number {
    const first = this.#lines.find(({ line }) => line.what.kind !== "remark");
    if (first?.line.tid !== undefined) return first.line.tid;
    const made = new Set<number>();
    const named = new Set<number>();
    for (const { line } of this.#lines) {
      const { what } = line;
      if (line.tid !== undefined) named.add(line.tid);
      if ((what.kind === "call" || what.kind === "resumed") && creations.has(what.name)) {
        const child = childOf(what.result);
        if (child !== undefined) made.add(child);
      }
    }
    for (const tid of named) if (!made.has(tid)) return tid;
    return 1;
  }

  // ── The second pass ─────────────────────────────────────────────────────────────────────────────────────────────

  finish(): TraceReading {
    if (this.#cut !== undefined) this.#malformed(this.#cut.start, this.#cut.number);
    this.#command = this.#findCommand();
    this.#addUpTimes();
    for (const { line, place } of this.#lines) this.#take(line, place);
    const calls = this.#items.filter((item): item is CallItem => item.kind === "call");
    const first = calls[0];
    if (first === undefined && !this.#faults.failed) {
      this.#faults.add(
        "P0810",
        undefined,
        "the trace has no calls",
        "record with `strace -f -n -ttt -e raw=all -o FILE -- COMMAND`",
      );
    }
    const events = first === undefined ? [] : this.#link(first);
    if (!this.#raw) {
      this.#faults.add(
        "P0821",
        undefined,
        "this recording prints arguments by name, so their registers are unknown",
        "record with -e raw=all, unless the policy asks about memory behind pointers",
      );
    }
    const runs: readonly Trace[] =
      this.#faults.failed || first === undefined
        ? []
        : [
            {
              architecture: this.#architecture,
              command: first.tid,
              uid: undefined,
              gid: undefined,
              events,
              timed: calls.every((call) => call.time !== undefined),
            },
          ];
    return { runs, diagnostics: this.#faults.list() };
  }

  /**
   * The children of calls whose result strace never saw: a new thread that executes ends its creator inside of clone(2)
   * (`= ?`). A task that no result names is such a child if exactly one creating call without a result began before it.
   */
  #childrenOfLostResults(command: number): ReadonlyMap<CallItem, number> {
    const named = new Set([command]);
    for (const item of this.#items) {
      const child = item.kind === "call" && creations.has(item.name) ? childOf(item.result) : undefined;
      if (child !== undefined) named.add(child);
    }
    const children = new Map<CallItem, number>();
    const lost = new Set<CallItem>();
    for (const item of this.#items) {
      if (!named.has(item.tid)) {
        named.add(item.tid);
        const [creator, other] = lost;
        if (creator !== undefined && other === undefined) children.set(creator, item.tid);
        lost.clear();
      }
      if (item.kind === "call" && creations.has(item.name) && !item.foreign && item.result?.trim() === "?") {
        lost.add(item);
      }
    }
    return children;
  }

  #link(first: CallItem): TraceEvent[] {
    const events: TraceEvent[] = [];
    const childrenOfLostResults = this.#childrenOfLostResults(first.tid);
    const living = new Set([first.tid]);
    const epoch = first.time;
    const monotonic = this.#monotonic(epoch);
    // The recording begins with the launcher's execve, which is not an event of a policy.
    const items = executions.has(first.name) && succeeded(first.result) ? this.#items.slice(1) : this.#items;
    for (const item of items) {
      const { tid, place } = item;
      const time = item.time === undefined ? undefined : monotonic(item.time);
      if (!living.has(tid)) {
        this.#faults.add(
          "P0803",
          place,
          `no call in this trace created task ${tid}`,
          "record with -f, from the command's start, and from outside of its pid namespace with --decode-pids=pidns off",
        );
        living.add(tid); // report it once
        continue;
      }
      if (item.kind === "call") {
        events.push(this.#event(item, time));
        if (creations.has(item.name) && !item.foreign) {
          this.#birth(item, childOf(item.result) ?? childrenOfLostResults.get(item), time, living, events);
        }
      } else if (item.kind === "returned") {
        events.push({ kind: "return", tid, result: unknownWord, time, place });
      } else if (item.kind === "ended") {
        living.delete(tid);
        events.push({ kind: "exit", tid, time, place });
      } else {
        living.delete(item.former);
        events.push({ kind: "exec", tid, former: item.former, time, place });
      }
    }
    return events;
  }

  #event(call: CallItem, time: bigint | undefined): TraceEvent {
    return {
      kind: "call",
      tid: call.tid,
      time,
      place: call.place,
      architecture: call.foreign ? foreignOf(this.#architecture) : auditArchitecture[this.#architecture],
      number: call.number,
      arguments: this.#registers(call),
      memory: this.#memory(call),
      instructionPointer: call.instructionPointer === undefined ? unknownWord : knownWord(call.instructionPointer),
    };
  }

  #registers(call: CallItem): Word[] {
    const description = call.foreign ? undefined : callByNumber(this.#architecture, call.number);
    const words: Word[] = Array.from({ length: 6 }, () => unknownWord);
    call.arguments.slice(0, 6).forEach((text, index) => {
      // raw=all prints registers in order; values printed by name are in the kernel's order of parameters.
      const parameter = description?.parameters[index];
      const register =
        this.#raw || description === undefined ? index : registerOf(description, index, this.#architecture);
      words[register] = readRegister(text, this.#raw ? 64 : (parameter?.width ?? 0));
    });
    return words;
  }

  /** What raw=all prints is the address. An address in place of a text is memory that strace could not read. */
  #memory(call: CallItem): GivenMemories {
    const memory = new Map<string, GivenMemory>();
    const description = call.foreign ? undefined : callByNumber(this.#architecture, call.number);
    if (this.#raw || description === undefined) return memory;
    for (const [index, { name, kind }] of description.parameters.entries()) {
      const text = call.arguments[index];
      const pointee = kind.is === "pointer" ? pointeeOf(description.name, name) : undefined;
      if (text === undefined || pointee === undefined) continue;
      const isAddress = /^0x[0-9a-f]+$/.test(text);
      if (isAddress && pointee.is !== "strings" && /^-1 EFAULT\b/.test(call.result ?? "")) {
        memory.set(name, { is: "failed", errno: errno.EFAULT });
        continue;
      }
      const found = readMemory(text, { pointee, architecture: this.#architecture, by: "strace" });
      memory.set(name, found === undefined || "fault" in found ? { is: "unknown" } : found);
    }
    return memory;
  }

  #birth(
    call: CallItem,
    child: number | undefined,
    time: bigint | undefined,
    living: Set<number>,
    events: TraceEvent[],
  ): void {
    if (child === undefined) {
      if (!call.finished) {
        this.#faults.add(
          "P0807",
          call.place,
          `the trace ends inside this ${call.name}: it is unknown whether it created a child`,
        );
      }
      return;
    }
    if (living.has(child)) {
      this.#faults.add("P0803", call.place, `this ${call.name} created task ${child}, which is already alive`);
      return;
    }
    living.add(child);
    const thread = this.#makesThread(call, child);
    events.push({ kind: thread ? "thread" : "fork", tid: call.tid, child, time, place: call.place });
  }

  #makesThread(call: CallItem, child: number): boolean {
    if (call.name === "fork" || call.name === "vfork") return false;
    for (const argument of call.arguments) {
      const shown = /\bflags=(0x[0-9a-f]{1,16}|0\b|[\w|]+)/.exec(argument)?.[1];
      if (shown === undefined) continue;
      return /^0/.test(shown) ? (BigInt(shown) & cloneFlag.thread) !== 0n : /\bCLONE_THREAD\b/.test(shown);
    }
    if (call.name === "clone") {
      const flags = this.#registers(call)[0]!;
      if ((flags.known & cloneFlag.thread) !== 0n) return (flags.value & cloneFlag.thread) !== 0n;
    }
    // The flags of clone3 are behind a pointer. Only a process, not a thread, sends its parent a signal when it ends.
    if (this.#processes.has(child)) return false;
    this.#faults.add(
      "P0805",
      call.place,
      `${call.name} does not show its flags: task ${child} is assumed to be a thread, because no SIGCHLD reports its end`,
    );
    return true;
  }

  /** Wall-clock times, which may be set back, as nanoseconds since the first line that never go back. */
  #monotonic(epoch: bigint | undefined): (time: bigint) => bigint {
    let latest = 0n;
    return (time) => {
      const since = time - (epoch ?? time);
      if (since > latest) latest = since;
      return latest;
    };
  }
}

function succeeded(result: string | undefined): boolean {
  return result === undefined || /^0(?:x0)?\b/.test(result);
}

function childOf(result: string | undefined): number | undefined {
  const match = result === undefined ? null : /^(0x[0-9a-f]{1,8}|\d{1,10})(?: |<|$)/.exec(result);
  const child = match === null ? 0 : Number(match[1]);
  return isTaskNumber(child) ? child : undefined;
}

function readRegister(written: string, width: number): Word {
  const text = written.replace(/<.*>$/, ""); // the annotation of a descriptor (-y)
  if (width === 0 || !/^(?:-?\d{1,20}|0x[0-9a-f]{1,16})$/.test(text)) return unknownWord;
  if (text.length > 1 && /^0\d/.test(text)) return unknownWord; // octal, as strace prints modes: not raw
  return width === 64 ? knownWord(BigInt(text)) : lowWord(BigInt(text), width);
}

/** Some ABI other than the policy's. */
function foreignOf(architecture: ArchitectureName): number {
  return architecture === "x86_64" ? 0x4000_0003 : 0x4000_0028;
}
