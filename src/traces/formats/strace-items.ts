/**
 * The lines of strace's output, put together: calls with what resumes them, ends of tasks, tasks that take another's number.
 * One line after the other; what is held is bounded by the tasks that live at the same time.
 */

import { type ArchitectureName, x32Bit } from "../../abi/architecture.ts";
import { callByName, callByNumber } from "../../abi/calls.ts";
import type { DiagnosticCode } from "../../diagnostics/catalogue.ts";
import { type Faults, quote } from "../faults.ts";
import type { LineReading } from "../lines.ts";
import { parseStraceLine, type StraceLine } from "../notation/strace-line.ts";
import { isTaskNumber, type Place } from "../trace.ts";

interface ItemCommon {
  readonly tid: number;
  readonly time: bigint | undefined;
  readonly place: Place;
}

export type StraceItem =
  | StraceCall
  /** A call that was unfinished before lines of others. */
  | (ItemCommon & { readonly kind: "returned"; readonly call: StraceCall })
  | (ItemCommon & { readonly kind: "ended" })
  | (ItemCommon & { readonly kind: "remade"; readonly former: number });

export interface StraceCall extends ItemCommon {
  readonly kind: "call";
  /** From 0. */
  readonly ordinal: number;
  readonly name: string;
  readonly number: number;
  readonly foreign: boolean;
  readonly arguments: readonly string[];
  readonly instructionPointer: bigint | undefined;
  /** For an unfinished call: set by the line that resumes it. */
  result: string | undefined;
  finished: boolean;
}

/** Lines that strace did not write, or wrote in part. */
interface Broken {
  readonly place: Place;
  readonly code: DiagnosticCode;
  readonly message: string;
}

/** Broken lines that are held until it is known whether the file goes on. */
const mostBroken = 20;

export const howToRecord = "record with `portcullis record -o FILE -- COMMAND`, or with strace -f -n -ttt -e raw=all";

export class StraceItems {
  /** All arguments until now were printed as registers. */
  raw = true;
  /** Tasks that were the sender of a SIGCHLD: processes, not threads. */
  readonly processes = new Set<number>();
  calls = 0;
  readonly #faults: Faults;
  readonly #architecture: ArchitectureName;
  /** The task of lines without a number. */
  readonly #command: number;
  /** The current call of each task. */
  readonly #inside = new Map<number, StraceCall>();
  /** Tasks that currently run as 32-bit or x32. */
  readonly #foreign = new Map<number, string>();
  /** Tasks that strace follows at this point of the file. */
  readonly #followed = new Set<number>();
  #ended = false;
  #cut: { readonly start: string; readonly number: number } | undefined;
  readonly #broken: Broken[] = [];
  #moreBroken = 0;
  #number = 0;
  /** The times of -r: undefined before the first. */
  #relative: boolean | undefined;
  #now = 0n;

  constructor(faults: Faults, architecture: ArchitectureName, command: number) {
    this.#faults = faults;
    this.#architecture = architecture;
    this.#command = command;
  }

  take(reading: LineReading): StraceItem | undefined {
    if (reading.kind === "line") {
      return this.#line(reading.text.endsWith("\r") ? reading.text.slice(0, -1) : reading.text, reading.isDamaged);
    }
    if (reading.kind === "damage") {
      const place = { line: this.#number + 1, column: 1, length: 1 };
      const message = `the ${reading.size} bytes from byte ${reading.offset} on are not lines of strace`;
      this.#break({ place, code: "P0824", message });
    }
    return undefined;
  }

  /** At the end of the file. Broken lines there are those of a recorder that was killed: what precedes them is whole. */
  finish(file: string): void {
    if (this.#cut !== undefined) this.#malformed(this.#cut.start, this.#cut.number);
    const [first] = this.#broken;
    if (first === undefined) return;
    if (this.calls === 0 && !this.#faults.failed) {
      // A file of another kind: an error for each of its lines would hide the cause.
      const message = `${file} is not a trace: it has no call, and this line is neither JSON nor one of strace`;
      this.#faults.add(first.code, first.place, message, howToRecord);
      return;
    }
    if (this.#faults.failed) {
      this.#reportBroken();
      return;
    }
    const count = this.#broken.length + this.#moreBroken;
    const lines = count === 1 ? "a line" : `${count.toLocaleString("en-US")} lines`;
    this.#faults.add(
      "P0825",
      first.place,
      `${file} ends with ${lines} that strace did not write whole: it was killed, or the disk was full`,
      "the calls up to there are read",
    );
  }

  #line(line: string, isDamaged: boolean | undefined): StraceItem | undefined {
    const number = ++this.#number;
    if (this.#ended || line.trim() === "") return undefined;
    const cut = line.startsWith("strace: ") ? undefined : this.#cut;
    // strace continues the line that its message about a new task has interrupted.
    const parsed = isDamaged ? undefined : parseStraceLine(cut === undefined ? line : `${cut.start}${line}`);
    if (cut !== undefined) this.#cut = undefined;
    if (parsed === undefined) {
      this.#malformed(line, number, isDamaged);
      return undefined;
    }
    this.#reportBroken();
    const place = { line: cut?.number ?? number, column: parsed.column, length: parsed.length };
    const { what } = parsed;
    if (what.kind === "summary") {
      this.#ended = true;
      return undefined;
    }
    const time = this.#timeOf(parsed);
    if (what.kind === "cut") {
      this.#cut = { start: what.start, number: place.line };
      this.#followed.add(what.attached);
      return undefined;
    }
    return this.#item({ ...parsed, time }, place);
  }

  /**
   * -r prints the time since the line before, and 0 on the first line; with another time it is in parentheses. Both
   * add up to the time of one clock. The time of day (-t, -tt) alone is ignored.
   */
  #timeOf({ time, sinceLast }: StraceLine): bigint | undefined {
    if (time !== undefined) this.#relative ??= time === 0n;
    const since = this.#relative === true ? time : time === undefined ? sinceLast : undefined;
    if (since === undefined) return time;
    this.#now += since;
    return this.#now;
  }

  #malformed(line: string, number: number, isDamaged?: boolean): void {
    const place = { line: number, column: 1, length: Math.min(line.length, 200) };
    if (isDamaged) this.#break({ place, code: "P0903", message: "this line is not UTF-8; strace prints ASCII" });
    else this.#break({ place, code: "P0801", message: `${quote(line.trim())} is not a line of strace` });
  }

  #break(broken: Broken): void {
    if (this.#broken.length < mostBroken) this.#broken.push(broken);
    else this.#moreBroken++;
  }

  /** The file goes on after them, so calls may be missing. */
  #reportBroken(): void {
    const last = this.#broken.at(-1);
    if (last === undefined) return;
    const report = ({ place, code, message }: Broken) => this.#faults.add(code, place, message, howToRecord);
    for (const one of this.#broken) report(one);
    for (; this.#moreBroken > 0; this.#moreBroken--) report(last);
    this.#broken.length = 0;
  }

  #item(line: StraceLine, place: Place): StraceItem | undefined {
    const { what } = line;
    if (what.kind === "remark") {
      if (what.attached !== undefined) this.#followed.add(what.attached);
      return undefined;
    }
    const tid = line.tid ?? this.#onlyTask();
    if (what.kind === "ended") this.#followed.delete(tid);
    else this.#followed.add(tid);
    if (!isTaskNumber(tid)) {
      this.#faults.add("P0802", place, `${tid} is not the id of a thread`);
      return undefined;
    }
    switch (what.kind) {
      case "call":
        return this.#call(tid, what, line, place);
      case "resumed": {
        const call = this.#inside.get(tid);
        if (call === undefined || call.name !== what.name) {
          this.#faults.add("P0801", place, `task ${tid} resumes ${what.name}, but was in ${call?.name ?? "no call"}`);
          return undefined;
        }
        call.result = what.result;
        call.finished = true;
        this.#inside.delete(tid);
        return { kind: "returned", tid, time: line.time, place, call };
      }
      case "signal":
        if (what.name === "SIGCHLD" && what.sender !== undefined) this.processes.add(what.sender);
        break;
      case "ended":
        this.#inside.delete(tid);
        return { kind: "ended", tid, time: line.time, place };
      case "superseded": {
        // The thread that executes becomes the leader; its call continues under the leader's number.
        const call = this.#inside.get(what.former);
        this.#inside.delete(what.former);
        if (call !== undefined) this.#inside.set(tid, call);
        return { kind: "remade", tid, former: what.former, time: line.time, place };
      }
      case "mode":
        if (what.bits === "64 bit") this.#foreign.delete(what.tid);
        else this.#foreign.set(what.tid, what.bits);
    }
    return undefined;
  }

  #call(
    tid: number,
    what: Extract<StraceLine["what"], { kind: "call" }>,
    line: StraceLine,
    place: Place,
  ): StraceCall | undefined {
    const pending = this.#inside.get(tid);
    if (pending !== undefined) {
      this.#faults.add("P0801", place, `task ${tid} begins ${what.name}, but is still in ${pending.name}`, undefined, {
        place: pending.place,
        message: "begins here",
      });
      return undefined;
    }
    const found = this.#identify(tid, what.name, what.number, place);
    if (found === undefined) return undefined;
    if (what.name !== "restart_syscall" && what.arguments.some((one) => !/^(?:0|0x[0-9a-f]{1,16})$/.test(one))) {
      this.raw = false;
    }
    const unfinished = what.result === undefined;
    const call: StraceCall = {
      kind: "call",
      ordinal: this.calls++,
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
    return call;
  }

  /**
   * strace names a call by the caller's ABI, so a name that differs from the table's for this number is a foreign call
   * (with -o strace does not report a change of mode otherwise).
   */
  #identify(
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
}
