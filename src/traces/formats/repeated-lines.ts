/**
 * Reads lines of calls that differ from an earlier one only in thread, time and result, as most lines of a long recording
 * do, without JSON.parse: the text between the time and the result is the key of the earlier call.
 */
import { type CallContent, isTaskNumber } from "../trace.ts";

/** A line as recorders write it, in its parts. */
export interface RepeatableLine {
  readonly tid: number;
  readonly time: number;
  readonly text: string;
  /** Undefined if the line has none. */
  readonly result: string | undefined;
}

const head = '{"v":1,"kind":"call","tid":';
const beforeTime = ',"time":';
const beforeResult = ',"result":';
/** A text with one of these can have another value for a part of its line. (Names in JSON can have escapes.) */
const ambiguous = ['"tid"', '"time"', '"result"', "\\u"];
/** Digits of a number that is exact and has no other form. */
const mostDigits = 15;
/** Calls that are remembered: a few MiB. */
const mostContents = 1 << 14;

/** Undefined for lines of other forms, which are no errors. */
export function partsOf(line: string): RepeatableLine | undefined {
  if (!line.startsWith(head)) return undefined;
  const tidEnd = digitsEnd(line, head.length);
  if (!line.startsWith(beforeTime, tidEnd)) return undefined;
  const timeStart = tidEnd + beforeTime.length;
  const timeEnd = digitsEnd(line, timeStart);
  if (timeEnd < 0 || line.charCodeAt(timeEnd) !== comma || line.charCodeAt(line.length - 1) !== brace) return undefined;
  const tid = numberIn(line, head.length, tidEnd);
  if (!isTaskNumber(tid)) return undefined;
  const time = numberIn(line, timeStart, timeEnd);
  const resultAt = line.lastIndexOf(beforeResult);
  const isResult = resultAt > timeEnd && isScalar(line, resultAt + beforeResult.length);
  const text = line.slice(timeEnd + 1, isResult ? resultAt : -1);
  return { tid, time, text, result: isResult ? line.slice(resultAt + beforeResult.length, -1) : undefined };
}

const [comma, brace, quote, minus, backslash, zero] = [44, 125, 34, 45, 92, 48] as const;

/** Behind a number that JSON permits; -1 without one. */
function digitsEnd(line: string, from: number): number {
  let at = from;
  for (let code = line.charCodeAt(at); code >= zero && code < zero + 10; code = line.charCodeAt(at)) at++;
  const isNumber = at > from && at - from <= mostDigits && (at === from + 1 || line.charCodeAt(from) !== zero);
  return isNumber ? at : -1;
}

function numberIn(line: string, from: number, end: number): number {
  let number = 0;
  for (let at = from; at < end; at++) number = 10 * number + line.charCodeAt(at) - zero;
  return number;
}

/** Whether nothing but a number or a text without an escape stands between here and the line's last brace. */
function isScalar(line: string, from: number): boolean {
  const end = line.length - 1;
  if (line.charCodeAt(from) !== quote) {
    return digitsEnd(line, line.charCodeAt(from) === minus ? from + 1 : from) === end;
  }
  for (let at = from + 1; at < end - 1; at++) {
    const code = line.charCodeAt(at);
    if (code < 32 || code === quote || code === backslash) return false;
  }
  return end - from >= 2 && line.charCodeAt(end - 1) === quote;
}

/** The contents of the last calls, by their texts. */
export class RepeatedCalls {
  #contents = new Map<string, CallContent>();
  /** The entries of the map when it was last full: an old call that is made again moves back. */
  #former = new Map<string, CallContent>();

  get({ text }: RepeatableLine): CallContent | undefined {
    const known = this.#contents.get(text);
    if (known !== undefined) return known;
    const former = this.#former.get(text);
    if (former !== undefined) this.#put(text, former);
    return former;
  }

  /** `content` was read from a line with this text. */
  set({ text }: RepeatableLine, content: CallContent): void {
    if (!ambiguous.some((name) => text.includes(name))) this.#put(text, content);
  }

  #put(text: string, content: CallContent): void {
    if (this.#contents.size === mostContents) {
      this.#former = this.#contents;
      this.#contents = new Map();
    }
    this.#contents.set(text, content);
  }
}
