/**
 * Parses case files: the expected verdicts of a policy, one call per line, arguments as strace prints them
 * (docs/cases.md).
 *
 *     set most = 2
 *     master    bind(4, 127.0.0.1:80)     allow
 *     worker  = master.fork()
 *     worker    execve("/bin/sh")         kill process   @ "hijacked"   # what an attacker would do
 *     worker    getppid() × 20            allow
 *     + 49ms
 *     master    begin write(1, "x", 1)    allow          # goes on until master.end()
 *     worker    begin madvise(0, 4096, 4) waits
 *     worker    begun                     deny EDEADLK
 *     worker.exit()
 */

import type { ArchitectureName } from "../abi/architecture.ts";
import type { CallDescription } from "../abi/call.ts";
import { callByName, callByNumber, registerOf } from "../abi/calls.ts";
import { durationUnitNames, parseDuration } from "../abi/durations.ts";
import { errnoByName, errnoName, errnoNames } from "../abi/errno.ts";
import { pointeeOf } from "../abi/pointees.ts";
import { creatingCalls, isCreatingCall } from "../abi/process-calls.ts";
import { explainUnknownCall, writeCallMeantBy } from "../abi/unknown-call.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { nearestName } from "../diagnostics/suggest.ts";
import type { GivenMemories, GivenMemory } from "../engines/simulate/given-memory.ts";
import { type Action, actionNames, actions, asks, maximumErrno, mayPass } from "../ir/verdicts.ts";
import { Faults, numberedLines, quote } from "../traces/faults.ts";
import { type ArgumentFault, readArgument } from "../traces/notation/argument.ts";
import { readNumber } from "../traces/notation/numbers.ts";
import { type PassedArgument, rawRegister } from "../traces/notation/passed-argument.ts";
import { callWithin, isPartOfCall, splitArguments } from "../traces/notation/strace-line.ts";
import { parameterOfStrace } from "../traces/notation/strace-names.ts";
import { readMemory } from "../traces/notation/written-memory.ts";
import type { Place } from "../traces/trace.ts";

export interface ExpectedVerdict {
  /**
   * "fails": the memory behind a pointer cannot be copied, and the policy is not asked. "waits": the call passes and has
   * to wait for a room.
   */
  readonly action: Action | "fails" | "waits";
  /** With `deny` and `fails`. */
  readonly errno: number | undefined;
  /** With `ask`: a person allows the call. */
  readonly allowed: boolean;
  /** A part of the reason. */
  readonly reason: string | undefined;
}

export type CaseStep =
  | {
      readonly kind: "call";
      readonly who: string;
      readonly number: number;
      readonly registers: readonly bigint[];
      readonly memory: GivenMemories;
      /** How many times in a row, each with this verdict; at least 1. */
      readonly times: number;
      readonly expected: ExpectedVerdict;
      /** It goes on until it is ended; others end at once. */
      readonly begins: boolean;
      /** The call as written. */
      readonly text: string;
      readonly place: Place;
      readonly verdictPlace: Place;
    }
  | { readonly kind: "fork" | "thread"; readonly who: string; readonly child: string; readonly place: Place }
  /** The same as `fork` or `thread`, by this call. */
  | {
      readonly kind: "birth";
      readonly who: string;
      readonly child: string;
      readonly call: WrittenCall;
      readonly place: Place;
    }
  | { readonly kind: "exit"; readonly who: string; readonly place: Place }
  /** The call that was begun returns, or a signal interrupts its wait. */
  | { readonly kind: "end" | "interrupt"; readonly who: string; readonly place: Place }
  /** The state of the call that was begun. */
  | {
      readonly kind: "begun";
      readonly who: string;
      readonly expected: ExpectedVerdict;
      readonly place: Place;
      readonly verdictPlace: Place;
    }
  | {
      readonly kind: "identity";
      readonly who: string;
      readonly id: "uid" | "gid";
      readonly value: number;
      readonly place: Place;
    }
  | { readonly kind: "advance"; readonly nanoseconds: bigint; readonly place: Place };

export interface CaseFile {
  readonly file: string;
  /** The name of the command's first process: the first that a line names. */
  readonly command: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly steps: readonly CaseStep[];
}

export interface CaseReading {
  /** Undefined exactly if there is an error. */
  readonly cases: CaseFile | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

const mostTimes = 1_000_000;
/** The largest number of calls in a file, with repetitions: some seconds of run time. */
const mostCalls = 2_000_000;
/** Longer lines are rejected as malformed. */
const longestLine = 4096;

export function readCases(text: string, file: string, architecture: ArchitectureName): CaseReading {
  const reader = new Reader(file, architecture);
  for (const { line, number } of numberedLines(text)) reader.line(line, number);
  return reader.finish();
}

/** A call without a case around it. */
export interface WrittenCall {
  /** The kernel's type is int. */
  readonly number: number;
  readonly registers: readonly bigint[];
  /** Behind each pointer that a policy can ask about; not known where the text does not say it. */
  readonly memory: GivenMemories;
  readonly text: string;
}

/**
 * Reads `listen(4, 511)`, also within a line of strace. A bare name is a call with zeros. `file` is the name of the text in
 * diagnostics.
 */
export function readCall(
  text: string,
  architecture: ArchitectureName,
): { readonly call: WrittenCall | undefined; readonly diagnostics: readonly Diagnostic[]; readonly file: string } {
  const file = "the call";
  const [line = "", ...more] = text.trim().split("\n");
  const whole = more.length > 0 ? "" : /^\w+$/.test(line) ? `${line}()` : line;
  const reader = new Reader(file, architecture);
  const call = reader.callAlone(whole);
  return { call, diagnostics: reader.diagnostics(), file };
}

/** A call by its name in the table or, without a description, by its number alone. */
interface NumberedCall {
  readonly name: string;
  readonly number: number;
  readonly description: CallDescription | undefined;
}

/** The names of calls that the table lacks, in events and by strace. */
const numberedName = /^(?:call_|syscall_)(0x[0-9a-f]+|\d+)$/;

class Reader {
  readonly #file: string;
  readonly #architecture: ArchitectureName;
  readonly #faults: Faults;
  readonly #parameters = new Map<string, string>();
  readonly #steps: CaseStep[] = [];
  /** Every task that was created, and the place where it ended, if it did. */
  readonly #known = new Map<string, Place | undefined>();
  /** The tasks whose call goes on, as the lines expect it. */
  readonly #begun = new Map<string, "runs" | "waits">();
  /** A line of strace has a task, a time or a result besides the call. */
  #by: "person" | "strace" = "person";
  #number = 0;
  #cases = 0;
  #calls = 0;

  constructor(file: string, architecture: ArchitectureName) {
    this.#file = file;
    this.#architecture = architecture;
    this.#faults = new Faults(file);
  }

  finish(): CaseReading {
    if (this.#cases === 0 && !this.#faults.failed) {
      this.#faults.add(
        "P0817",
        undefined,
        `${this.#file} has no cases`,
        "a case reads: master listen(4, 511) deny EPERM",
      );
    }
    const [command] = this.#known.keys();
    const cases =
      this.#faults.failed || command === undefined
        ? undefined
        : { file: this.#file, command, parameters: this.#parameters, steps: this.#steps };
    return { cases, diagnostics: this.#faults.list() };
  }

  diagnostics(): readonly Diagnostic[] {
    return this.#faults.list();
  }

  /** Reads a call as a person or strace writes it: `[pid 7] listen(4, 511) = 0`. */
  callAlone(line: string): WrittenCall | undefined {
    this.#number = 1;
    const found = callWithin(line);
    if (found === undefined && isPartOfCall(line)) {
      const place = this.#place(0, line.length);
      this.#faults.add(
        "P0811",
        place,
        `${quote(line)} is a part of a call`,
        "write the call with all of its arguments",
      );
      return undefined;
    }
    if (found !== undefined && (found.start > 0 || found.end < line.length)) this.#by = "strace";
    return this.#callAt(line.slice(0, found?.end), found?.start ?? 0);
  }

  /** A call that the rest of the line is. */
  #callAt(line: string, start: number): WrittenCall | undefined {
    const text = line.slice(start);
    const name = /^\w+(?=\()/.exec(text)?.[0];
    const list = name === undefined ? undefined : splitArguments(line, start + name.length + 1);
    if (name === undefined || list === undefined || !list.closed || list.end < line.length) {
      this.#faults.add(
        "P0811",
        this.#place(start, text.length),
        `${quote(text)} is not a call`,
        "write it as strace does: listen(4, 511)",
      );
      return undefined;
    }
    const called = this.#call(name, start);
    const from = start + name.length + 1;
    const passed = called === undefined ? undefined : this.#arguments(called, list.arguments, line, from);
    if (called === undefined || passed === undefined) return undefined;
    return { number: called.number, ...passed, text };
  }

  line(whole: string, number: number): void {
    this.#number = number;
    if (whole.length > longestLine) {
      this.#faults.add(
        "P0811",
        this.#place(0, 80),
        `this line has ${whole.length} characters; the longest has ${longestLine}`,
      );
      return;
    }
    const line = whole.slice(0, commentAt(whole)).trimEnd();
    const indent = line.search(/\S/);
    if (indent === -1) return;
    const text = line.slice(indent);
    const made = /^(\w[\w-]*)\s*=\s*(\w[\w-]*)\s*\.(\w+)\(\s*\)$/.exec(text);
    const born = /^(\w[\w-]*)\s*=\s*(\w[\w-]*)\s+(?=\w+\()/.exec(text);
    const act = /^(\w[\w-]*)\s*\.(\w+)(?:\(\s*\)|\s*=\s*(\S+))$/.exec(text);
    if (/^set\s/.test(text)) this.#set(text, indent);
    else if (/^(?:\w[\w-]*\s+)?\+/.test(text)) this.#advance(text, indent);
    else if (/^\w[\w-]*\s+begun\s/.test(`${text} `)) this.#outcome(line, indent);
    else if (made !== null) this.#make(made[1]!, made[2]!, made[3]!, text, indent);
    else if (born !== null) this.#born(born[1]!, born[2]!, line, indent, born[0].length);
    else if (act !== null) this.#act(act[1]!, act[2]!, act[3], text, indent);
    else this.#case(line, indent);
  }

  #place(offset: number, length: number): Place {
    return { line: this.#number, column: offset + 1, length: Math.max(1, length) };
  }

  #set(text: string, at: number): void {
    const place = this.#place(at, text.length);
    const match = /^set\s+([A-Za-z_][\w-]*)\s*=\s*(?:"([^"]*)"|(\S.*))$/.exec(text);
    if (match === null) {
      this.#faults.add("P0811", place, "this line sets no parameter", "set most = 16");
      return;
    }
    const name = match[1]!;
    if (this.#steps.length > 0) {
      this.#faults.add(
        "P0819",
        place,
        `\`${name}\` is set after the first case`,
        "parameters are constant: set them before the first case, or in a separate file",
      );
    } else if (this.#parameters.has(name)) {
      this.#faults.add("P0819", place, `\`${name}\` is set twice`);
    } else {
      this.#parameters.set(name, match[2] ?? match[3]!);
    }
  }

  #advance(text: string, at: number): void {
    const place = this.#place(at, text.length);
    // A name may precede it, to keep the columns; the clock is common to all tasks.
    const match = /^(?:\w[\w-]*\s+)?\+\s*(\d+)\s*(\S+)$/.exec(text);
    const nanoseconds = match === null ? undefined : parseDuration(`${match[1]}${match[2]!.replace("\u00b5s", "us")}`);
    if (nanoseconds === undefined || nanoseconds >= 1n << 62n) {
      this.#faults.add("P0816", place, `${quote(text)} is not a duration`, `+ 49ms (${durationUnitNames.join(", ")})`);
      return;
    }
    this.#steps.push({ kind: "advance", nanoseconds, place });
  }

  #make(child: string, who: string, how: string, text: string, at: number): void {
    const place = this.#place(at, text.length);
    if (how !== "fork" && how !== "thread") {
      this.#faults.add("P0811", place, `${quote(how)} creates no task`, `${child} = ${who}.fork(), or .thread()`);
      return;
    }
    if (this.#names(child, who, text, at)) this.#steps.push({ kind: how, who, child, place });
  }

  /** `child = who clone(SIGCHLD, 0, NULL, 0, 0)` */
  #born(child: string, who: string, line: string, at: number, callAt: number): void {
    const text = line.slice(at);
    const call = this.#callAt(line, at + callAt);
    if (call === undefined) return;
    const name = callByNumber(this.#architecture, call.number)?.name;
    if (name === undefined || !isCreatingCall(name)) {
      const what = quote(text.slice(callAt));
      const help = `write ${creatingCalls.join(", ")}, or ${child} = ${who}.fork()`;
      this.#faults.add("P0811", this.#place(at + callAt, text.length - callAt), `${what} creates no task`, help);
      return;
    }
    const place = this.#place(at, text.length);
    if (this.#names(child, who, text, at)) this.#steps.push({ kind: "birth", who, child, call, place });
  }

  /** Names the child; false where one of the names cannot be used so. */
  #names(child: string, who: string, text: string, at: number): boolean {
    const whoPlace = this.#place(at + text.indexOf(who, text.indexOf("=")), who.length);
    if (!this.#isAlive(who, whoPlace) || !this.#isFree(who, whoPlace)) return false;
    if (this.#known.has(child) && this.#known.get(child) === undefined) {
      this.#faults.add(
        "P0815",
        this.#place(at, child.length),
        `the name ${quote(child)} is in use`,
        `${child}.exit() ends that task, or use another name`,
      );
      return false;
    }
    this.#known.set(child, undefined);
    return true;
  }

  #act(who: string, what: string, value: string | undefined, text: string, at: number): void {
    const place = this.#place(at, text.length);
    if (!this.#isAlive(who, this.#place(at, who.length))) return;
    if ((what === "end" || what === "interrupt") && value === undefined) {
      const state = this.#begun.get(who);
      const needed = what === "end" ? "runs" : "waits";
      if (state === needed) {
        this.#begun.delete(who);
        this.#steps.push({ kind: what, who, place });
        return;
      }
      this.#faults.add(
        "P0811",
        place,
        state === undefined ? `${quote(who)} has begun no call` : `the call of ${quote(who)} ${state}`,
        state === "waits"
          ? `${who} begun allow: the call was admitted`
          : state === "runs"
            ? `${who}.end() ends it`
            : `${who} begin CALL(…) allow`,
      );
      return;
    }
    if (what === "exit" && value === undefined) {
      this.#begun.delete(who);
      this.#known.set(who, place);
      this.#steps.push({ kind: "exit", who, place });
      return;
    }
    const id = value === undefined ? undefined : readNumber(value);
    if ((what === "uid" || what === "gid") && id !== undefined && id >= 0n && id <= 0xffff_ffffn) {
      this.#steps.push({ kind: "identity", who, id: what, value: Number(id), place });
      return;
    }
    this.#faults.add(
      "P0811",
      place,
      `${quote(text)} is not an action`,
      `${who}.exit(), ${who}.end(), ${who}.uid = 33, child = ${who}.fork()`,
    );
  }

  #case(line: string, indent: number): void {
    const head = /^(\s*)(\w[\w-]*)(\s+(?:begin\s+)?)(\w+)\(/.exec(line);
    if (head === null) {
      this.#faults.add(
        "P0811",
        this.#place(indent, line.length - indent),
        `${quote(line.slice(indent))} is not a case`,
        "who, call and verdict: master listen(4, 511) deny EPERM",
      );
      return;
    }
    const [opening, , who, gap, name] = head as unknown as [string, string, string, string, string];
    const nameAt = indent + who.length + gap.length;
    const list = splitArguments(line, opening.length);
    if (list === undefined || !list.closed) {
      this.#faults.add("P0811", this.#place(nameAt, line.length - nameAt), "the parenthesis of the call is not closed");
      return;
    }
    const whoPlace = this.#place(indent, who.length);
    const alive = this.#isAlive(who, whoPlace) && this.#isFree(who, whoPlace);
    const begins = gap.trim() === "begin";
    const tail = this.#tail(line, list.end);
    const called = this.#call(name, nameAt);
    if (called === undefined) return;
    const passed = this.#arguments(called, list.arguments, line, opening.length);
    if (!alive || tail === undefined || passed === undefined) return;
    if (begins && tail.times > 1) {
      this.#faults.add("P0811", whoPlace, "a task begins one call", `${who}.end() before the next`);
      return;
    }
    if (begins) this.#expectBegun(who, tail.expected);
    this.#cases++;
    const before = this.#calls;
    this.#calls += tail.times;
    if (before <= mostCalls && this.#calls > mostCalls) {
      this.#faults.add(
        "P0811",
        this.#place(nameAt, list.end - nameAt),
        `the file has more than ${mostCalls} calls up to here`,
        "split the file",
      );
      return;
    }
    this.#steps.push({
      kind: "call",
      who,
      number: called.number,
      ...passed,
      begins,
      text: line.slice(begins ? indent + line.slice(indent).indexOf("begin") : nameAt, list.end),
      place: this.#place(nameAt, list.end - nameAt),
      ...tail,
    });
  }

  /** `worker begun deny EDEADLK` */
  #outcome(line: string, indent: number): void {
    const [opening, who] = /^\s*(\w[\w-]*)\s+begun/.exec(line) as unknown as [string, string];
    const place = this.#place(indent, opening.length - indent);
    if (!this.#isAlive(who, this.#place(indent, who.length))) return;
    const tail = this.#tail(line, opening.length);
    if (tail === undefined) return;
    if (!this.#begun.has(who)) {
      this.#faults.add("P0811", place, `${quote(who)} has begun no call`, `${who} begin CALL(…) allow`);
      return;
    }
    this.#cases++;
    this.#expectBegun(who, tail.expected);
    this.#steps.push({ kind: "begun", who, expected: tail.expected, place, verdictPlace: tail.verdictPlace });
  }

  /** Records the state of the task's call, which the task's next lines must match. */
  #expectBegun(who: string, { action, allowed }: ExpectedVerdict): void {
    if (action === "waits") this.#begun.set(who, "waits");
    else if (action !== "fails" && mayPass({ action }) && (allowed || !asks({ action }))) this.#begun.set(who, "runs");
    else this.#begun.delete(who);
  }

  #isFree(who: string, place: Place): boolean {
    const state = this.#begun.get(who);
    if (state === undefined) return true;
    this.#faults.add(
      "P0811",
      place,
      `the call that ${quote(who)} has begun ${state === "runs" ? "has not ended" : "waits"}`,
      state === "runs"
        ? `${who}.end() before its next call`
        : `${who} begun allow, and ${who}.end(); or ${who}.interrupt()`,
    );
    return false;
  }

  #call(name: string, at: number): NumberedCall | undefined {
    const call = callByName(name);
    const place = this.#place(at, name.length);
    if (call === undefined) {
      const written = numberedName.exec(name)?.[1];
      const number = written === undefined ? undefined : Number(written);
      if (number !== undefined && number <= 0xffff_ffff) return { name, number: number | 0, description: undefined };
      if (number !== undefined) {
        this.#faults.add("P0101", place, `${quote(name)} is not the number of a call`, "the number has 32 bits");
        return undefined;
      }
      this.#faults.add("P0101", place, explainUnknownCall(name).message, writeCallMeantBy(name));
      return undefined;
    }
    const number = call.number[this.#architecture];
    if (number === undefined) {
      this.#faults.add(
        "P0101",
        place,
        `${this.#architecture} has no ${name}`,
        "write the cases of each architecture in a separate file",
      );
      return undefined;
    }
    return { name, number, description: call };
  }

  /**
   * Arguments that are not written are 0, and the memory behind them is unknown. `flags=…` names its parameter, as strace does for clone; `raw.arg5=0x1` is a
   * whole register, even one without a parameter.
   */
  #arguments(
    called: NumberedCall,
    written: readonly string[],
    line: string,
    from: number,
  ): { readonly registers: readonly bigint[]; readonly memory: GivenMemories } | undefined {
    const registers = [0n, 0n, 0n, 0n, 0n, 0n];
    const memory = new Map<string, GivenMemory>();
    for (const { name, kind } of called.description?.parameters ?? []) {
      if (kind.is === "pointer" && pointeeOf(called.name, name) !== undefined) memory.set(name, { is: "unknown" });
    }
    const given = new Set<number>();
    let fine = true;
    let searchFrom = from;
    written.forEach((text, index) => {
      const at = line.indexOf(text, searchFrom);
      searchFrom = at + text.length;
      // strace reads the mask from the stack: no argument has its address.
      if (called.name === "rt_sigreturn" && /^\{mask=.*\}$/.test(text)) return;
      const reading = this.#argument(called, text, index);
      const fault =
        "fault" in reading || !given.has(reading.index)
          ? reading
          : { fault: `register ${reading.index} is given twice`, offset: 0, length: text.length };
      if ("fault" in fault) {
        fine = false;
        this.#faults.add("P0814", this.#place(at + fault.offset, fault.length), fault.fault, fault.help);
        return;
      }
      given.add(fault.index);
      registers[fault.index] = fault.register;
      if (fault.memory !== undefined) memory.set(fault.memory.name, fault.memory.given);
    });
    return fine ? { registers, memory } : undefined;
  }

  #argument({ name, description }: NumberedCall, text: string, index: number): PassedArgument | ArgumentFault {
    const raw = /^raw\.(\w+)=(?!=)\s*/.exec(text);
    if (raw !== null) return rawRegister(text, raw[1]!, raw[0].length);
    const named = /^([a-z_]+)=(?!=)/.exec(text);
    const skip = named?.[0].length ?? 0;
    if (description === undefined) {
      const place = { offset: 0, length: text.length };
      if (named !== null || index > 5) {
        return { fault: `${name} is known only by its number: write its registers`, help: "raw.arg0=…", ...place };
      }
      const reading = readArgument(text, undefined, this.#architecture);
      return "fault" in reading ? reading : { index, ...reading };
    }
    const wanted = named === null ? undefined : parameterOfStrace(name, named[1]!);
    const position =
      wanted === undefined
        ? index
        : description.parameters.findIndex((one) => one.name === wanted || one.aliases.includes(wanted));
    const parameter = description.parameters[position];
    if (parameter === undefined) {
      const names = description.parameters.map((one) => one.name).join(", ") || "none";
      const fault =
        named === null
          ? `${name} has ${description.parameters.length} arguments`
          : `${name} has no argument \`${named[1]}\``;
      return {
        fault,
        help: `the arguments are ${names}; raw.arg5=… is a whole register`,
        offset: 0,
        length: text.length,
      };
    }
    const architecture = this.#architecture;
    const moved = (found: ArgumentFault): ArgumentFault => ({ ...found, offset: skip + found.offset });
    const pointee = parameter.kind.is === "pointer" ? pointeeOf(name, parameter.name) : undefined;
    const behind =
      pointee === undefined ? undefined : readMemory(text.slice(skip), { pointee, architecture, by: this.#by });
    if (behind !== undefined && "fault" in behind) return moved(behind);
    const reading = readArgument(text.slice(skip), parameter, architecture);
    if ("fault" in reading) return moved(reading);
    const at = registerOf(description, position, architecture);
    return { index: at, ...reading, memory: behind && { name: parameter.name, given: behind } };
  }

  /** Behind the call: `× 20`, the verdict, `@ "reason"`. */
  #tail(line: string, from: number): { times: number; expected: ExpectedVerdict; verdictPlace: Place } | undefined {
    const match = /^(\s*(?:[\u00d7x*]\s*(\d+))?\s*)([^@]*?)(\s*@\s*(.*))?$/.exec(line.slice(from));
    const [, before = "", count, verdict = "", , reason] = match ?? [];
    const place = this.#place(from + before.length, verdict.length);
    const times = count === undefined ? 1 : count.length > 7 ? mostTimes + 1 : Number(count);
    if (times < 1 || times > mostTimes) {
      this.#faults.add("P0811", this.#place(from, before.length), `a case is repeated 1 to ${mostTimes} times`);
      return undefined;
    }
    let text: string | undefined;
    if (reason !== undefined) {
      text = /^"([^"]+)"$/.exec(reason)?.[1];
      if (text === undefined) {
        this.#faults.add(
          "P0811",
          place,
          `${quote(reason)} is not a reason`,
          'a part of the reason in quotes: @ "hijacked"',
        );
        return undefined;
      }
    }
    const expected = this.#verdict(verdict, place);
    return expected === undefined ? undefined : { times, expected: { ...expected, reason: text }, verdictPlace: place };
  }

  #verdict(text: string, place: Place): Pick<ExpectedVerdict, "action" | "errno" | "allowed"> | undefined {
    if (/^ask\s+allow$/.test(text)) return { action: "ask", errno: undefined, allowed: true };
    const [first = "", second, ...more] = text.split(/\s+/);
    const takesErrno = first === "deny" || first === "fails";
    const action =
      more.length > 0 ? undefined : actionByText.get(second === undefined || takesErrno ? first : `${first} ${second}`);
    if (action === undefined) {
      this.#faults.add(
        "P0812",
        place,
        text === "" ? "the verdict is missing" : `${quote(text)} is not a verdict`,
        `${actionNames.map((name) => (name === "deny" ? "deny ERRNO" : actions[name].text)).join(", ")}; ask allow if a person allows it; fails ERRNO if the memory cannot be copied; waits if the call has to wait for a room`,
      );
      return undefined;
    }
    if (!takesErrno) return { action, errno: undefined, allowed: false };
    if (second === undefined) {
      this.#faults.add("P0812", place, "the errno is missing", first === "deny" ? "deny EPERM" : "fails EFAULT");
      return undefined;
    }
    const errno = errnoByName(second) ?? namelessErrno(second);
    if (errno === undefined) {
      const near = nearestName(second, errnoNames());
      this.#faults.add(
        "P0103",
        place,
        `no errno is named ${quote(second)}`,
        near === undefined ? undefined : `write ${near}`,
      );
      return undefined;
    }
    return { action, errno, allowed: false };
  }

  /** The first name is the command's first process. */
  #isAlive(who: string, place: Place): boolean {
    if (this.#known.size === 0) this.#known.set(who, undefined);
    if (!this.#known.has(who)) {
      const near = nearestName(who, this.#known.keys());
      this.#faults.add(
        "P0813",
        place,
        `no task is called ${quote(who)}`,
        near === undefined ? `${who} = ${[...this.#known.keys()][0]}.fork() creates it` : `write ${near}`,
      );
      return false;
    }
    const ended = this.#known.get(who);
    if (ended !== undefined) {
      this.#faults.add("P0818", place, `${quote(who)} has ended`, undefined, { place: ended, message: "ended here" });
      return false;
    }
    return true;
  }
}

const actionByText: ReadonlyMap<string, ExpectedVerdict["action"]> = new Map<string, ExpectedVerdict["action"]>([
  ...actionNames.map((name): [string, Action] => [actions[name].text, name]),
  ["fails", "fails"],
  ["waits", "waits"],
]);

/** The start of the comment: a # outside of strings. The line's length if there is no comment. */
function commentAt(line: string): number {
  let inString = false;
  for (let index = 0; index < line.length; index++) {
    const character = line[index];
    if (inString && character === "\\") index++;
    else if (character === '"') inString = !inString;
    else if (character === "#" && !inString) return index;
  }
  return line.length;
}

/** A number without a name, as only OCI profiles give: 0, or one beyond errno(3). Undefined for all else. */
function namelessErrno(text: string): number | undefined {
  const number = /^(?:0|[1-9][0-9]{0,3})$/.test(text) ? Number(text) : undefined;
  return number === undefined || number > maximumErrno || errnoName(number) !== undefined ? undefined : number;
}
