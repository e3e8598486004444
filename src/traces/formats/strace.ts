/**
 * Reads traces that `strace -f -n -ttt -e raw=all` writes. docs/traces.md says which bits such a recording has: all 64
 * of the registers of parameters (raw=all prints `u_arg` unchanged), not the other registers, the instruction pointer
 * (unless -i), uid and gid. Without raw=all the upper halves of 32-bit arguments and all values printed by name are unknown.
 *
 * Memory behind pointers is known only without raw=all.
 *
 * A child's first lines may precede the return of its parent's call, so the lines are read twice: first for what later lines
 * say about earlier ones (`Survey`, which grows with the tasks and not with the calls), then for the events.
 */

import { type ArchitectureName, auditArchitecture } from "../../abi/architecture.ts";
import { callByNumber, registerOf } from "../../abi/calls.ts";
import { errnoByName } from "../../abi/errno.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { pointeeOf } from "../../abi/pointees.ts";
import { cloneFlag, isCreatingCall, isExecutingCall } from "../../abi/process-calls.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { GivenMemories, GivenMemory } from "../../engines/simulate/given-memory.ts";
import { Faults, numberedLines } from "../faults.ts";
import { endsEarly, type LineReading } from "../lines.ts";
import { parseStraceLine } from "../notation/strace-line.ts";
import { readMemory } from "../notation/written-memory.ts";
import {
  isTaskNumber,
  knownWord,
  lowWord,
  type TraceEvent,
  type TraceHead,
  type TraceReading,
  unknownWord,
  type Word,
} from "../trace.ts";
import { howToRecord, type StraceCall, type StraceItem, StraceItems } from "./strace-items.ts";
import type { StreamedEvent } from "./stream.ts";

/** Each call of it gives all lines of the file. */
type Lines = () => Iterable<LineReading>;

export function readStrace(text: string, file: string, architecture: ArchitectureName): TraceReading {
  const faults = new Faults(file);
  const lines = () => linesOf(text);
  const survey = surveyOf(lines, file, architecture, faults);
  const events = survey === undefined ? [] : [...new Linker(survey, architecture, faults).events(lines)];
  const diagnostics = faults.list();
  if (survey === undefined || faults.failed) return { runs: [], diagnostics };
  return { runs: [{ ...headOf(survey), architecture, command: survey.first.tid, events }], diagnostics };
}

/** The head of a recording that need not have an event. Undefined if the output has no call. */
export function straceHead(lines: Lines, file: string, architecture: ArchitectureName): TraceHead | undefined {
  const survey = surveyOf(lines, file, architecture, new Faults(file));
  return survey === undefined ? undefined : headOf(survey);
}

/**
 * The events of strace's output of any size: what is held grows with the tasks, not with the calls.
 *
 * @returns the diagnostics; with an error among them, events may be missing or wrong
 */
export function* streamStrace(
  lines: Lines,
  file: string,
  architecture: ArchitectureName,
): Generator<StreamedEvent, readonly Diagnostic[]> {
  const faults = new Faults(file);
  const survey = surveyOf(lines, file, architecture, faults);
  if (survey === undefined) return faults.list();
  const run = headOf(survey);
  for (const event of new Linker(survey, architecture, faults).events(lines)) {
    yield { run, event };
    if (faults.failed) break;
  }
  return faults.list();
}

function* linesOf(text: string): Generator<LineReading> {
  for (const { line } of numberedLines(text)) yield { kind: "line", text: line };
}

// ── The first pass ──────────────────────────────────────────────────────────────────────────────────────────────────

interface Survey {
  readonly command: number;
  readonly first: StraceCall;
  /** All arguments are printed as registers. */
  readonly raw: boolean;
  readonly timed: boolean;
  /** Tasks that were the sender of a SIGCHLD: processes, not threads. */
  readonly processes: ReadonlySet<number>;
  /** Calls that create tasks, with their results, by their ordinals. */
  readonly creations: ReadonlyMap<number, StraceCall>;
  /** Calls that failed with EFAULT after lines of others, by their ordinals. */
  readonly failed: ReadonlySet<number>;
  /** The children of creating calls whose result strace never saw. */
  readonly children: ReadonlyMap<StraceCall, number>;
}

/** Undefined if there are errors. */
function surveyOf(lines: Lines, file: string, architecture: ArchitectureName, faults: Faults): Survey | undefined {
  const command = findCommand(lines());
  const items = new StraceItems(faults, architecture, command);
  const created = new Map<number, StraceCall>();
  const failed = new Set<number>();
  const steps: Step[] = [];
  const seen = new Set<number>();
  let first: StraceCall | undefined;
  let timed = true;
  let ending: Diagnostic | undefined;
  for (const reading of lines()) {
    if (reading.kind === "truncated") ending = endsEarly(file, reading);
    const item = items.take(reading);
    if (item === undefined) continue;
    if (!seen.has(item.tid)) {
      seen.add(item.tid);
      steps.push({ seen: item.tid });
    }
    if (item.kind === "returned" && isBadAddress(item.call.result)) failed.add(item.call.ordinal);
    if (item.kind !== "call") continue;
    first ??= item;
    timed &&= item.time !== undefined;
    if (!isCreatingCall(item.name)) continue;
    created.set(item.ordinal, item);
    steps.push({ creation: item });
  }
  items.finish(file);
  if (ending !== undefined) faults.add("P0825", undefined, ending.message, ending.help);
  if (first === undefined && !faults.failed) {
    faults.add("P0810", undefined, `${file} has no calls`, howToRecord);
  }
  if (first === undefined || faults.failed) return undefined;
  return {
    ...{ command, first, raw: items.raw, timed, processes: items.processes },
    ...{ creations: created, failed, children: childrenOfLostResults(first.tid, steps) },
  };
}

/**
 * The number of the command's first task, which strace omits until there is a second: it is the result of no call.
 */
function findCommand(lines: Iterable<LineReading>): number {
  const made = new Set<number>();
  const named = new Set<number>();
  let isFirst = true;
  let start = "";
  for (const reading of lines) {
    if (reading.kind !== "line") continue;
    const isMessage = reading.text.startsWith("strace: ");
    const line = parseStraceLine(`${isMessage ? "" : start}${reading.text.trimEnd()}`);
    if (!isMessage) start = line?.what.kind === "cut" ? line.what.start : "";
    if (line === undefined) continue;
    const { what } = line;
    if (what.kind === "summary") break;
    if (what.kind === "cut" || what.kind === "remark") continue;
    if (isFirst && line.tid !== undefined) return line.tid;
    isFirst = false;
    if (line.tid !== undefined) named.add(line.tid);
    if ((what.kind === "call" || what.kind === "resumed") && isCreatingCall(what.name)) {
      const child = childOf(what.result);
      if (child !== undefined) made.add(child);
    }
  }
  for (const tid of named) if (!made.has(tid)) return tid;
  return 1;
}

/** In the order of the file: a task's first line, and calls that create tasks. */
type Step = { readonly seen: number } | { readonly creation: StraceCall };

/**
 * The children of calls whose result strace never saw: a new thread that executes ends its creator inside of clone(2)
 * (`= ?`). A task that no result names is such a child if exactly one creating call without a result began before it.
 */
function childrenOfLostResults(command: number, steps: readonly Step[]): ReadonlyMap<StraceCall, number> {
  const named = new Set([command]);
  for (const step of steps) {
    const child = "creation" in step ? childOf(step.creation.result) : undefined;
    if (child !== undefined) named.add(child);
  }
  const children = new Map<StraceCall, number>();
  const lost = new Set<StraceCall>();
  for (const step of steps) {
    if ("creation" in step) {
      if (!step.creation.foreign && step.creation.result?.trim() === "?") lost.add(step.creation);
      continue;
    }
    if (named.has(step.seen)) continue;
    named.add(step.seen);
    const [creator, other] = lost;
    if (creator !== undefined && other === undefined) children.set(creator, step.seen);
    lost.clear();
  }
  return children;
}

function headOf({ first, timed }: Survey): TraceHead {
  return { command: first.tid, uid: undefined, gid: undefined, timed };
}

// ── The second pass ─────────────────────────────────────────────────────────────────────────────────────────────────

class Linker {
  readonly #survey: Survey;
  readonly #architecture: ArchitectureName;
  readonly #faults: Faults;
  readonly #living: Set<number>;
  /** Wall-clock times, which may be set back, become nanoseconds since the first line that never go back. */
  #latest = 0n;

  constructor(survey: Survey, architecture: ArchitectureName, faults: Faults) {
    this.#survey = survey;
    this.#architecture = architecture;
    this.#faults = faults;
    this.#living = new Set([survey.first.tid]);
  }

  *events(lines: Lines): Generator<TraceEvent> {
    const { command, first, raw } = this.#survey;
    // The first pass has reported what it found.
    const items = new StraceItems(new Faults(""), this.#architecture, command);
    // The recording begins with the launcher's execve, which is not an event of a policy.
    let skip = isExecutingCall(first.name) && succeeded(first.result) ? 1 : 0;
    for (const reading of lines()) {
      const item = items.take(reading);
      if (item === undefined || skip-- > 0) continue;
      yield* this.#eventsOf(item);
    }
    if (raw) return;
    this.#faults.add(
      "P0821",
      undefined,
      "this recording prints arguments by name, so their registers are unknown",
      "record with -e raw=all, unless the policy asks about memory behind pointers",
    );
  }

  *#eventsOf(item: StraceItem): Generator<TraceEvent> {
    const { tid, place } = item;
    const time = item.time === undefined ? undefined : this.#monotonic(item.time);
    if (!this.#living.has(tid)) {
      this.#faults.add(
        "P0803",
        place,
        `no call in this trace created task ${tid}`,
        "record with -f, from the command's start, and from outside of its pid namespace with --decode-pids=pidns off",
      );
      this.#living.add(tid); // report it once
      return;
    }
    if (item.kind === "call") {
      yield this.#event(item, time);
      if (isCreatingCall(item.name) && !item.foreign) yield* this.#birth(item, time);
    } else if (item.kind === "returned") {
      yield { kind: "return", tid, result: resultWord(item.call.result), time, place };
    } else if (item.kind === "ended") {
      this.#living.delete(tid);
      yield { kind: "exit", tid, time, place };
    } else {
      this.#living.delete(item.former);
      yield { kind: "exec", tid, former: item.former, time, place };
    }
  }

  #event(call: StraceCall, time: bigint | undefined): TraceEvent {
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
      result: resultWord(call.result),
    };
  }

  #registers(call: StraceCall): Word[] {
    const description = call.foreign ? undefined : callByNumber(this.#architecture, call.number);
    const words: Word[] = Array.from({ length: 6 }, () => unknownWord);
    call.arguments.slice(0, 6).forEach((text, index) => {
      // raw=all prints registers in order; values printed by name are in the kernel's order of parameters.
      const parameter = description?.parameters[index];
      const register =
        this.#survey.raw || description === undefined ? index : registerOf(description, index, this.#architecture);
      words[register] = readRegister(text, this.#survey.raw ? 64 : (parameter?.width ?? 0));
    });
    return words;
  }

  /** raw=all prints the address. Without raw=all, an address in place of a text is memory that strace could not read. */
  #memory(call: StraceCall): GivenMemories {
    const memory = new Map<string, GivenMemory>();
    const description = call.foreign ? undefined : callByNumber(this.#architecture, call.number);
    if (this.#survey.raw || description === undefined) return memory;
    for (const [index, { name, kind }] of description.parameters.entries()) {
      const text = call.arguments[index];
      const pointee = kind.is === "pointer" ? pointeeOf(description.name, name) : undefined;
      if (text === undefined || pointee === undefined) continue;
      const isAddress = /^0x[0-9a-f]+$/.test(text);
      if (
        isAddress &&
        pointee.is !== "strings" &&
        (isBadAddress(call.result) || this.#survey.failed.has(call.ordinal))
      ) {
        memory.set(name, { is: "failed", errno: errno.EFAULT });
        continue;
      }
      const found = readMemory(text, { pointee, architecture: this.#architecture, by: "strace" });
      memory.set(name, found === undefined || "fault" in found ? { is: "unknown" } : found);
    }
    return memory;
  }

  *#birth(call: StraceCall, time: bigint | undefined): Generator<TraceEvent> {
    const { creations: all, children } = this.#survey;
    // With the result that a later line has.
    const whole = all.get(call.ordinal)!;
    const child = childOf(whole.result) ?? children.get(whole);
    if (child === undefined) {
      if (!whole.finished) {
        this.#faults.add(
          "P0807",
          call.place,
          `the trace ends inside this ${call.name}: it is unknown whether it created a child`,
        );
      }
      return;
    }
    if (this.#living.has(child)) {
      this.#faults.add("P0803", call.place, `this ${call.name} created task ${child}, which is already alive`);
      return;
    }
    this.#living.add(child);
    const thread = this.#makesThread(call, child);
    yield { kind: thread ? "thread" : "fork", tid: call.tid, child, time, place: call.place };
  }

  #makesThread(call: StraceCall, child: number): boolean {
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
    if (this.#survey.processes.has(child)) return false;
    this.#faults.add(
      "P0805",
      call.place,
      `${call.name} does not show its flags: task ${child} is assumed to be a thread, because no SIGCHLD reports its end`,
    );
    return true;
  }

  #monotonic(time: bigint): bigint {
    const since = time - (this.#survey.first.time ?? time);
    if (since > this.#latest) this.#latest = since;
    return this.#latest;
  }
}

function isBadAddress(result: string | undefined): boolean {
  return result !== undefined && /^-1 EFAULT\b/.test(result);
}

/** `3</dev/null>`, `0x7f0012345000`, `-1 ENOENT (No such file or directory)`, `?`. */
function resultWord(result: string | undefined): Word {
  const [, value = "", name] = /^(0x[0-9a-f]{1,16}|-?\d{1,19})(?: (E[A-Z0-9]+)\b)?/.exec(result ?? "") ?? [];
  if (value === "") return unknownWord;
  const number = name === undefined ? undefined : errnoByName(name);
  return knownWord(number === undefined ? BigInt(value) : -BigInt(number));
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
