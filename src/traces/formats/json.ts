/**
 * Reads and writes traces as JSON lines (docs/traces.md): one object per line, `"v":1` in each, unknown members
 * ignored. Register values are strings ("0xffffff9c", "-100"), because a JSON number is exact only to 53 bits; `?`
 * stands for four unknown bits ("0x????????00000005"), null for an unknown register.
 */

import { type ArchitectureName, auditArchitecture } from "../../abi/architecture.ts";
import { allCalls, callByName, callByNumber } from "../../abi/calls.ts";
import { fitsWord, maximumSigned } from "../../abi/word.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { Faults, numberedLines, quote } from "../faults.ts";
import { jsonMemory, readJsonMemory } from "../notation/json-memory.ts";
import {
  type CallContent,
  isKnown,
  isTaskNumber,
  knownWord,
  type Place,
  type Trace,
  type TraceEvent,
  type TraceHead,
  type TraceReading,
  unknownWord,
  type Word,
} from "../trace.ts";
import { partsOf, type RepeatableLine, RepeatedCalls } from "./repeated-lines.ts";

const kinds = ["recording", "start", "call", "return", "fork", "thread", "exit", "exec", "clock", "lost"] as const;
type Kind = (typeof kinds)[number];
type Members = Readonly<Record<string, unknown>>;
/** Different results that are remembered. */
const mostResults = 4096;

/** @param architecture the policy's; it is an error if the trace names another. */
export function readJsonTrace(text: string, file: string, architecture: ArchitectureName): TraceReading {
  const reader = new JsonTraceReader(file, architecture);
  for (const { line, number } of numberedLines(text)) reader.line(line, number);
  return reader.finish();
}

/** Reads one line after the other. */
export class JsonTraceReader {
  readonly #file: string;
  readonly #faults: Faults;
  readonly #architecture: ArchitectureName;
  readonly #runs: Trace[] = [];
  /** The trace is of another architecture, whose calls have other names and numbers. */
  #isForeign = false;
  #place: Place = { line: 1, column: 1, length: 1 };
  #run = new Run();
  #losses: { count: number | undefined; places: number; first: Place | undefined } = {
    ...{ count: 0, places: 0, first: undefined },
  };
  readonly #repeated = new RepeatedCalls();
  readonly #results = new Map<string, Word>();

  constructor(file: string, architecture: ArchitectureName) {
    this.#file = file;
    this.#faults = new Faults(file);
    this.#architecture = architecture;
  }

  finish(): TraceReading {
    this.#endRun();
    this.#reportLosses();
    if (this.#runs.length === 0 && !this.#faults.failed) {
      this.#faults.add("P0810", undefined, `${this.#file} has no calls`, "docs/traces.md describes the lines");
    }
    return { runs: this.#faults.failed ? [] : this.#runs, diagnostics: this.#faults.list() };
  }

  /** The run of the last line: another object for another run. */
  get run(): TraceHead {
    return this.#run;
  }

  /** The events of the lines since the last time; they are not part of what `finish` returns. */
  take(): readonly TraceEvent[] {
    const { events } = this.#run;
    if (events.length > 0) this.#run.events = [];
    return events;
  }

  get failed(): boolean {
    return this.#faults.failed;
  }

  /** A run without calls, of a command that was killed at once, says nothing. */
  #endRun(): void {
    const { command = 1, uid, gid, directory, events, timed, calls } = this.#run;
    if (calls > 0) this.#runs.push({ architecture: this.#architecture, command, uid, gid, directory, events, timed });
    this.#run = new Run();
  }

  line(line: string, number: number): void {
    if (this.#isForeign) return;
    const parts = partsOf(line);
    if (parts !== undefined && this.#repeat(parts, { line: number, column: 1, length: line.length })) return;
    if (line.trim() === "") return;
    this.#place = { line: number, column: 1 + line.search(/\S/), length: line.trim().length };
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      this.#faults.add(
        "P0801",
        this.#place,
        `${quote(line.trim())} is not JSON`,
        "a trace has one JSON object per line",
      );
      return;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.#faults.add("P0801", this.#place, "a line of a trace is a JSON object");
      return;
    }
    const members = value as Members;
    if (members["v"] !== 1) {
      const found = members["v"] === undefined ? "lacks its version" : `has version ${quote(String(members["v"]))}`;
      this.#faults.add("P0806", this.#place, `this line ${found}`, 'this portcullis reads `"v":1`');
      return;
    }
    const kind = members["kind"];
    if (!isKind(kind)) {
      const near = typeof kind === "string" ? nearestName(kind, kinds) : undefined;
      this.#faults.add(
        "P0802",
        this.#place,
        kind === undefined ? "this line lacks its `kind`" : `no line is of kind ${quote(String(kind))}`,
        near === undefined ? `the kinds are ${kinds.join(", ")}` : `write "${near}"`,
      );
      return;
    }
    const content = this.#read(kind, members);
    if (parts !== undefined && content !== undefined) this.#repeated.set(parts, content);
  }

  /** False if this is no valid line of a call of known content. */
  #repeat(parts: RepeatableLine, place: Place): boolean {
    const content = this.#repeated.get(parts);
    const run = this.#run;
    if (content === undefined || parts.time < run.latest) return false;
    const result = parts.result === undefined ? unknownWord : this.#resultOf(parts.result);
    if (result === undefined) return false;
    const { tid } = parts;
    const time = BigInt(parts.time);
    run.latest = time;
    run.command ??= tid;
    run.calls++;
    run.events.push({ kind: "call", ...content, result, tid, time, place, content });
    return true;
  }

  /** The value of a JSON text. Most calls have one of few results. */
  #resultOf(text: string): Word | undefined {
    const known = this.#results.get(text);
    if (known !== undefined) return known;
    const result = readWord(JSON.parse(text));
    if (result !== undefined && this.#results.size < mostResults) this.#results.set(text, result);
    return result;
  }

  /** Returns the content of a valid call. */
  #read(kind: Kind, members: Members): CallContent | undefined {
    if (kind === "recording") {
      this.#endRun();
      const { command, attached } = members as { command?: unknown; attached?: unknown };
      if (Array.isArray(command)) this.#run.words = command.map(String);
      if (typeof attached === "string") this.#attached(attached);
      return undefined;
    }
    if (kind === "start") {
      if (this.#run.command !== undefined) this.#endRun();
      this.#start(members);
      return undefined;
    }
    const run = this.#run;
    const time = this.#time(members);
    if (time === null) return undefined;
    if (kind === "clock") {
      if (time === undefined) this.#fault("time", members["time"], "the nanoseconds of a clock");
      else run.events.push({ kind, time, place: this.#place });
      return undefined;
    }
    if (kind === "lost") {
      this.#lost(members["count"]);
      return undefined;
    }
    const tid = this.#task("tid", members["tid"] ?? members["pid"]);
    if (tid === undefined) return undefined;
    run.command ??= tid;
    const common = { tid, time, place: this.#place };
    switch (kind) {
      case "call":
        return this.#call(members, common);
      case "return": {
        const result = this.#result(members["result"]);
        if (result !== undefined) run.events.push({ kind, result, ...common });
        return undefined;
      }
      case "fork":
      case "thread": {
        const child = this.#task("child", members["child"]);
        if (child !== undefined) run.events.push({ kind, child, ...common });
        return undefined;
      }
      case "exit":
        run.events.push({ kind, ...common });
        return undefined;
      case "exec": {
        const former = members["former"] === undefined ? undefined : this.#task("former", members["former"]);
        run.events.push({ kind, former, ...common });
        return undefined;
      }
    }
  }

  #attached(name: string): void {
    this.#run.attached = name;
    this.#faults.add(
      "P0826",
      this.#place,
      `this recording of ${quote(name)} begins in the middle: it lacks the calls before, on which verdicts can depend`,
      "portcullis record -- COMMAND records a program from its start",
    );
  }

  #start(members: Members): void {
    const run = this.#run;
    run.command = this.#task("tid", members["tid"] ?? members["pid"]);
    const { architecture, uid, gid } = members as { architecture?: unknown; uid?: unknown; gid?: unknown };
    if (architecture !== undefined && architecture !== this.#architecture) {
      this.#isForeign = true;
      const names = Object.keys(auditArchitecture);
      this.#faults.add(
        "P0809",
        this.#place,
        `this trace was recorded on ${quote(String(architecture))}, and the policy is compiled for ${this.#architecture}`,
        names.includes(String(architecture)) ? `--architecture ${architecture}` : `it can be ${names.join(" or ")}`,
      );
    }
    if (uid !== undefined) run.uid = this.#id("uid", uid);
    if (gid !== undefined) run.gid = this.#id("gid", gid);
    const { directory } = members as { directory?: unknown };
    if (typeof directory === "string" && directory.startsWith("/")) run.directory = directory;
    else if (directory !== undefined) this.#fault("directory", directory, "an absolute path");
  }

  #lost(count: unknown): void {
    const known = typeof count === "number" ? count : undefined;
    this.#losses.count =
      known === undefined || this.#losses.count === undefined ? undefined : this.#losses.count + known;
    this.#losses.places++;
    this.#losses.first ??= this.#place;
  }

  /** One warning for all losses: a recorder that is too slow loses events in many places. */
  #reportLosses(): void {
    const { count, places, first } = this.#losses;
    if (places === 0) return;
    const many = count === undefined ? "events" : `${count} events`;
    const where = places === 1 ? "here" : `from here on, in ${places} places`;
    this.#faults.add(
      "P0823",
      first,
      `the recorder has lost ${many} ${where}: verdicts that depend on earlier calls may differ from here on`,
      "record again on a less busy machine",
    );
    this.#losses = { count: 0, places: 0, first: undefined };
  }

  #result(given: unknown): Word | undefined {
    const result = readWord(given);
    if (result === undefined) this.#fault("result", given, 'the return value, such as 3, -2 or "0x7f0012345678"');
    return result;
  }

  #call(members: Members, common: { tid: number; time: bigint | undefined; place: Place }): CallContent | undefined {
    const number = this.#number(members);
    if (number === undefined) return undefined;
    const given = members["arguments"] ?? [];
    if (!Array.isArray(given) || given.length > 6) {
      this.#fault("arguments", given, "a list of at most six registers");
      return undefined;
    }
    const words: Word[] = [];
    for (let index = 0; index < 6; index++) {
      const word = readWord(given[index]);
      if (word === undefined) {
        this.#fault(
          `arguments[${index}]`,
          given[index],
          'a string such as "0x2a", "-100" or "0x????????00000005", or null',
        );
        return undefined;
      }
      words.push(word);
    }
    const instructionPointer = readWord(members["instructionPointer"]);
    if (instructionPointer === undefined) {
      this.#fault("instructionPointer", members["instructionPointer"], 'a string such as "0x7f0012345678"');
      return undefined;
    }
    const architecture = this.#abi(members["abi"]);
    if (architecture === undefined) return undefined;
    const reading = readJsonMemory(members, callByNumber(this.#architecture, number)?.name ?? "", this.#architecture);
    if ("member" in reading) {
      this.#fault(reading.member, reading.given, reading.wanted);
      return undefined;
    }
    const result = this.#result(members["result"]);
    if (result === undefined) return undefined;
    const { memory } = reading;
    this.#run.calls++;
    if (common.time === undefined) this.#run.timed = false;
    const content = { architecture, number, arguments: words, instructionPointer, memory };
    this.#run.events.push({ kind: "call", ...content, result, ...common, content });
    return content;
  }

  /** The call's number: by name, by number, or by both if they agree. */
  #number(members: Members): number | undefined {
    const { call, number } = members as { call?: unknown; number?: unknown };
    if (number !== undefined && (typeof number !== "number" || (number | 0) !== number)) {
      this.#fault("number", number, "the number of a call");
      return undefined;
    }
    if (call === undefined || members["abi"] !== undefined) {
      if (number === undefined) this.#faults.add("P0802", this.#place, "this call has neither a name nor a number");
      return number;
    }
    const found = typeof call === "string" ? callByName(call)?.number[this.#architecture] : undefined;
    if (number !== undefined) {
      if (found === number || (found === undefined && callByNumber(this.#architecture, number) === undefined))
        return number;
      this.#faults.add(
        "P0802",
        this.#place,
        `call ${number} is ${callByNumber(this.#architecture, number)?.name ?? "none"} on ${this.#architecture}, not ${quote(String(call))}`,
      );
      return undefined;
    }
    if (found === undefined) {
      const near =
        typeof call === "string"
          ? nearestName(
              call,
              allCalls.flatMap((one) => (one.number[this.#architecture] === undefined ? [] : [one.name])),
            )
          : undefined;
      this.#faults.add(
        "P0101",
        this.#place,
        `no system call of ${this.#architecture} is named ${quote(String(call))}`,
        near === undefined ? undefined : `write "${near}"`,
      );
    }
    return found;
  }

  #abi(abi: unknown): number | undefined {
    if (abi === undefined) return auditArchitecture[this.#architecture];
    if (typeof abi === "number" && abi >= 0 && abi <= 0xffff_ffff && Number.isInteger(abi)) return abi;
    this.#fault("abi", abi, "an AUDIT_ARCH_… number");
    return undefined;
  }

  /** Undefined if the line has none, null if it is invalid. */
  #time(members: Members): bigint | undefined | null {
    const given = members["time"];
    if (given === undefined) return undefined;
    const time =
      typeof given === "number" && Number.isSafeInteger(given)
        ? BigInt(given)
        : typeof given === "string" && /^\d{1,19}$/.test(given)
          ? BigInt(given)
          : -1n;
    if (time < 0n || time > maximumSigned) {
      this.#fault("time", given, 'nanoseconds, such as "1500000000", below 2^63');
      return null;
    }
    const { latest } = this.#run;
    if (time < latest) {
      this.#faults.add("P0802", this.#place, `the clock goes back: ${time} after ${latest}`, "`time` is monotonic");
      return null;
    }
    this.#run.latest = time;
    return time;
  }

  #task(member: string, given: unknown): number | undefined {
    if (isTaskNumber(given)) return given;
    this.#fault(member, given, "the number of a thread, 1 … 2^31 − 1");
    return undefined;
  }

  #id(member: string, given: unknown): number | undefined {
    if (typeof given === "number" && Number.isInteger(given) && given >= 0 && given <= 0xffff_ffff) return given;
    this.#fault(member, given, "0 … 2^32 − 1");
    return undefined;
  }

  #fault(member: string, given: unknown, wanted: string): void {
    const found = given === undefined ? "is missing" : `is ${quote(JSON.stringify(given) ?? String(given))}`;
    this.#faults.add("P0802", this.#place, `\`${member}\` ${found}`, `it is ${wanted}`);
  }
}

/** The data of a command, while its lines are read. */
class Run implements TraceHead {
  words: readonly string[] | undefined;
  attached: string | undefined;
  command: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  directory: string | undefined;
  events: TraceEvent[] = [];
  timed = true;
  calls = 0;
  latest = 0n;
}

function isKind(kind: unknown): kind is Kind {
  return (kinds as readonly unknown[]).includes(kind);
}

/** Undefined if it is not a word. Absent and null are unknown words. */
export function readWord(given: unknown): Word | undefined {
  if (given === undefined || given === null) return unknownWord;
  if (typeof given === "number") return Number.isSafeInteger(given) ? knownWord(BigInt(given)) : undefined;
  if (typeof given !== "string" || given.length > 24) return undefined;
  if (/^-?\d{1,20}$/.test(given)) {
    const value = BigInt(given);
    return fitsWord(value) ? knownWord(value) : undefined;
  }
  if (!/^0x[0-9a-f?]{1,16}$/i.test(given)) return undefined;
  const digits = given.slice(2);
  const known = BigInt(`0x${digits.replace(/./g, (digit) => (digit === "?" ? "0" : "f")).padStart(16, "f")}`);
  return { value: BigInt(`0x${digits.replaceAll("?", "0")}`), known };
}

/** The inverse of `readWord`, if unknown bits come in aligned groups of four. */
export function printWord(word: Word): string | null {
  if (isKnown(word)) return `0x${word.value.toString(16)}`;
  if (word.known === 0n) return null;
  const value = word.value.toString(16).padStart(16, "0");
  const known = word.known.toString(16).padStart(16, "0");
  return `0x${Array.from(value, (digit, index) => (known[index] === "f" ? digit : "?")).join("")}`;
}

/** The lines of a trace, each with its line end. */
export function* writeJsonTrace(trace: Trace): Generator<string> {
  yield `${startLine(trace, trace.architecture)}\n`;
  for (const event of trace.events) yield `${eventLine(event, trace.architecture)}\n`;
}

/** The first line of a run, without its end. */
export function startLine(
  { command, uid, gid, directory }: Omit<TraceHead, "timed">,
  architecture: ArchitectureName,
): string {
  return JSON.stringify({ v: 1, kind: "start", tid: command, uid, gid, directory, architecture });
}

export function eventLine(event: TraceEvent, architecture: ArchitectureName): string {
  return JSON.stringify(jsonOf(event, architecture));
}

function jsonOf(event: TraceEvent, architecture: ArchitectureName): object {
  const time = event.time === undefined ? undefined : String(event.time);
  if (event.kind === "clock") return { v: 1, kind: event.kind, time };
  const common = { v: 1, kind: event.kind, tid: event.tid, time };
  switch (event.kind) {
    case "call": {
      const native = event.architecture === auditArchitecture[architecture];
      return {
        ...common,
        ...(native ? { call: callByNumber(architecture, event.number)?.name } : { abi: event.architecture }),
        number: event.number,
        arguments: event.arguments.map(printWord),
        instructionPointer: printWord(event.instructionPointer) ?? undefined,
        ...jsonMemory(callByNumber(architecture, event.number)?.name ?? "", event.memory),
        result: printWord(event.result) ?? undefined,
      };
    }
    case "fork":
    case "thread":
      return { ...common, child: event.child };
    case "exec":
      return { ...common, former: event.former };
    case "return":
      return { ...common, result: printWord(event.result) };
    case "exit":
      return common;
  }
}
