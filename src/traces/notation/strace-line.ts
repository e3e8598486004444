/**
 * One line of `strace -f -n -ttt -e raw=all`, parsed. Accepted are also lines without -n (the name says the call), with
 * -i (the instruction pointer), -k (the stack, on lines of its own), -r, -T, -y, -yy and -Y, with the time as -t and -tt
 * print it (which lacks the day and is ignored), and with "[pid N]" in place of the number that -o prints.
 */
import { durationUnits } from "../../abi/durations.ts";

export interface StraceLine {
  /** Undefined if strace names none, because there is only one task. */
  readonly tid: number | undefined;
  /** Nanoseconds: since the epoch with -ttt, since the line before with -r alone. The line does not show which. */
  readonly time: bigint | undefined;
  /** Nanoseconds since the line before, if -r is combined with -t, -tt or -ttt. */
  readonly sinceLast: bigint | undefined;
  readonly instructionPointer: bigint | undefined;
  readonly what: StraceEntry;
  /** The start of `what`, as a column from 1, and its length. */
  readonly column: number;
  readonly length: number;
}

export type StraceEntry =
  | {
      readonly kind: "call";
      readonly name: string;
      /** The number that -n printed; undefined without -n, "none" if strace did not know it ("[???]"). */
      readonly number: number | "none" | undefined;
      readonly arguments: readonly string[];
      /** The text after "= "; undefined if the call is unfinished. */
      readonly result: string | undefined;
    }
  | { readonly kind: "resumed"; readonly name: string; readonly result: string | undefined }
  | { readonly kind: "signal"; readonly name: string; readonly sender: number | undefined }
  | { readonly kind: "ended" }
  /** This task, the leader, is now the one that was `former`. */
  | { readonly kind: "superseded"; readonly former: number }
  | { readonly kind: "mode"; readonly tid: number; readonly bits: string }
  /** A message of strace; `attached` is a task that it follows from here on. */
  | { readonly kind: "remark"; readonly attached: number | undefined }
  /** The table of -C, which ends the recording. */
  | { readonly kind: "summary" }
  /** A line that an attach message interrupts: the rest follows on another line. */
  | { readonly kind: "cut"; readonly start: string; readonly attached: number };

/** A task's name (-Y) and its number in strace's own namespace (--decode-pids=pidns), after its number. */
const aboutTask = String.raw`(?:<[^>]*>)?(?: /\* \d+ in strace's PID NS \*/)?`;

const prefix = new RegExp(
  [
    // "[pid 123] ", or "123 " if more text follows; a larger number is a time.
    String.raw`^ *(?:\[pid +(?<pid>\d{1,10})${aboutTask}\] +|(?<plainPid>\d{1,7})${aboutTask} +(?=[^ ]))?`,
    String.raw`(?:(?<seconds>\d{1,12})\.(?<fraction>\d{1,9}) +|(?<whole>\d{9,12}) +|\d\d:\d\d:\d\d(?:\.\d{1,9})? +)?`,
    String.raw`(?:\(\+ *(?<since>\d{1,12})(?:\.(?<sinceFraction>\d{1,9}))?\) +)?`,
    String.raw`(?:\[ *(?<number>\d{1,10}|\?\?\?)\] )?(?:\[(?<pointer>[0-9a-f]{8,16}|\?{8,16})\] )?`,
  ].join(""),
);

const attached = /strace: Process (\d{1,10})(?:<[^>]*>)? attached$/;

/** Undefined if strace does not print such lines. */
export function parseStraceLine(line: string): StraceLine | undefined {
  if (line.startsWith("strace: ")) {
    const task = attached.exec(line);
    return alone(line, { kind: "remark", attached: task === null ? undefined : Number(task[1]) });
  }
  // A frame of the stack: " > /lib/libc.so.6(read+0x1) [0x2]".
  if (/^ > /.test(line)) return alone(line, { kind: "remark", attached: undefined });
  if (/^% time +seconds +usecs\/call +calls/.test(line)) return alone(line, { kind: "summary" });
  const match = prefix.exec(line);
  if (match === null) return undefined;
  const [head] = match;
  const { pid, plainPid, seconds, fraction, whole, since, sinceFraction, number, pointer } = match.groups ?? {};
  const rest = line.slice(head.length);
  const cut = attached.exec(rest);
  const what: StraceEntry | undefined =
    cut !== null && cut.index > 0
      ? { kind: "cut", start: line.slice(0, line.length - cut[0].length), attached: Number(cut[1]) }
      : parseEntry(rest, number === undefined ? undefined : number === "???" ? "none" : Number(number));
  if (what === undefined) return undefined;
  const tid = pid ?? plainPid;
  return {
    tid: tid === undefined ? undefined : Number(tid),
    time: nanoseconds(seconds ?? whole, fraction),
    sinceLast: nanoseconds(since, sinceFraction),
    instructionPointer: pointer === undefined || pointer.startsWith("?") ? undefined : BigInt(`0x${pointer}`),
    what,
    column: head.length + 1,
    length: Math.max(1, rest.length),
  };
}

/**
 * Where the call stands in a line that strace has printed: between the task, the time and the result. Undefined if the
 * line is something else, or has only a part of the call.
 */
export function callWithin(line: string): { readonly start: number; readonly end: number } | undefined {
  const parsed = parseStraceLine(line);
  if (parsed?.what.kind !== "call") return undefined;
  const start = parsed.column - 1;
  const list = splitArguments(line, start + parsed.what.name.length + 1);
  const isWhole = list?.closed === true && /^(?:\s+=(?:\s.*)?)?$/.test(line.slice(list.end));
  return isWhole ? { start, end: list.end } : undefined;
}

/** Strace prints the rest of the call on another line. */
export function isPartOfCall(line: string): boolean {
  const what = parseStraceLine(line)?.what;
  return what?.kind === "resumed" || (what?.kind === "call" && /<unfinished \.\.\.>$/.test(line));
}

function nanoseconds(seconds: string | undefined, fraction = ""): bigint | undefined {
  return seconds === undefined ? undefined : BigInt(seconds) * durationUnits.s + BigInt(fraction.padEnd(9, "0"));
}

function alone(line: string, what: StraceEntry): StraceLine {
  return {
    tid: undefined,
    time: undefined,
    sinceLast: undefined,
    instructionPointer: undefined,
    what,
    column: 1,
    length: line.length,
  };
}

function parseEntry(text: string, number: number | "none" | undefined): StraceEntry | undefined {
  if (text.startsWith("--- ")) {
    const signal = /^--- (?:stopped by )?(SIG[A-Z0-9+_-]+)(?: \{.*\})? ---$/.exec(text);
    if (signal === null) return undefined;
    const sender = /\bsi_pid=(\d{1,10})\b/.exec(text);
    return { kind: "signal", name: signal[1]!, sender: sender === null ? undefined : Number(sender[1]) };
  }
  if (text.startsWith("+++ ")) {
    const superseded = /^\+\+\+ superseded by execve in pid (\d{1,10})(?:<[^>]*>)? \+\+\+$/.exec(text);
    if (superseded !== null) return { kind: "superseded", former: Number(superseded[1]) };
    return /^\+\+\+ (?:exited with \d+|killed by SIG\S+(?: \(core dumped\))?) \+\+\+$/.test(text)
      ? { kind: "ended" }
      : undefined;
  }
  if (text.startsWith("[ Process PID=")) {
    const mode = /^\[ Process PID=(\d{1,10}) runs in (32 bit|64 bit|x32) mode\. \]$/.exec(text);
    return mode === null ? undefined : { kind: "mode", tid: Number(mode[1]), bits: mode[2]! };
  }
  if (text.startsWith("<... ")) {
    const resumed = /^<\.\.\. (\w+) resumed>/.exec(text);
    if (resumed === null) return undefined;
    return { kind: "resumed", name: resumed[1]!, result: resultOf(text, resumed[0].length) };
  }
  const head = /^(\w+)\(/.exec(text);
  if (head === null) return undefined;
  const name = head[1]!;
  const list = splitArguments(text, head[0].length);
  if (list === undefined) return undefined;
  return { kind: "call", name, number, arguments: list.arguments, result: resultOf(text, list.end) };
}

/** A thread that executes while no other call is being printed changes its id. */
const interruption = /^<(?:unfinished|detached|pid changed to \d+) \.\.\.>/;

/** The text after the last ") = "; undefined if the line has none (unfinished, detached). */
function resultOf(text: string, from: number): string | undefined {
  const match = /\)\s+= (.*)$/.exec(text.slice(Math.max(0, from - 1)));
  return match === null ? undefined : match[1];
}

/**
 * The arguments after the opening parenthesis, split at commas outside of strings and brackets. `end` is after the
 * closing parenthesis, or the end of the line if there is none.
 */
export function splitArguments(
  text: string,
  from: number,
): { readonly arguments: readonly string[]; readonly end: number; readonly closed: boolean } | undefined {
  const found: string[] = [];
  let depth = 0;
  let start = from;
  let index = from;
  const cut = (end: number) => {
    const part = text.slice(start, end).trim();
    if (part !== "" || found.length > 0) found.push(part);
  };
  for (; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"') {
      const end = endOfString(text, index);
      if (end === undefined) return undefined;
      index = end;
    } else if (character === "<" && interruption.test(text.slice(index))) {
      cut(index);
      return { arguments: found, end: text.length, closed: false };
    } else if (character === "<" && /[0-9D]/.test(text[index - 1] ?? "")) {
      // The annotation of a descriptor or task (-y, -yy, -Y): 3</etc/passwd>, 4<TCP:[127.0.0.1:1->127.0.0.1:2]>,
      // AT_FDCWD</root>.
      const end = endOfDescription(text, index);
      if (end === undefined) return undefined;
      index = end;
    } else if (character === "(" || character === "[" || character === "{") {
      depth++;
    } else if (character === ")" && depth === 0) {
      cut(index);
      return { arguments: found, end: index + 1, closed: true };
    } else if (character === ")" || character === "]" || character === "}") {
      depth--;
      if (depth < 0) return undefined;
    } else if (character === "," && depth === 0) {
      found.push(text.slice(start, index).trim());
      start = index + 1;
    }
  }
  return undefined;
}

/** The index of the closing ">", which paths escape as \76; an arrow contains another one. */
function endOfDescription(text: string, from: number): number | undefined {
  for (let index = from + 1; index < text.length; index++) {
    if (text[index] === ">" && text[index - 1] !== "-") return index;
  }
  return undefined;
}

/** The index of the closing quote. */
function endOfString(text: string, from: number): number | undefined {
  for (let index = from + 1; index < text.length; index++) {
    if (text[index] === "\\") index++;
    else if (text[index] === '"') return index;
  }
  return undefined;
}
