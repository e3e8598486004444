/**
 * Lines of a trace that are not printed yet, as words of an array: the addon prints them (native/addon/record/lines.c), because a
 * recording prints some hundred thousand of them a second, and texts and objects of JavaScript would cost several times as
 * much. Words by their position, `enum` in lines.c:
 */
import { native } from "../../machine/native.ts";

export const lineLayout = {
  flags: 0,
  tid: 1,
  /** Microseconds since the start of the recording. */
  time: 2,
  instructionPointer: 4,
  result: 6,
  /** Offset and length in the texts, of what stands between the time and the registers; of a whole line without its end. */
  shape: 8,
  /** The text of the members `memory` and `cut`. */
  members: 10,
  /** The lines that follow immediately. */
  after: 12,
  registerCount: 14,
  registers: 16,
} as const;
export const lineWords = 28;
export const lineFlags = { call: 1, open: 2, result: 4, instructionPointer: 8 } as const;

/** Bytes of texts after which those that no line needs are forgotten. */
const mostTexts = 1 << 22;

export interface CallLine {
  readonly tid: number;
  /** Microseconds. */
  readonly time: number;
  readonly shape: string;
  readonly registerCount: number;
  readonly registers: Uint32Array;
  readonly instructionPointer: readonly [low: number, high: number] | undefined;
  readonly members: string | undefined;
}

/** Lines have serial numbers from 0 on. */
export class HeldLines {
  #words = new Uint32Array(1024 * lineWords);
  /** The place of the first line that is not printed, and behind the last. */
  #first = 0;
  #end = 0;
  #printed = 0;
  #texts = Buffer.alloc(1 << 16);
  #textsEnd = 0;
  #known = new Map<string, number>();
  readonly #after = new Map<number, string>();
  #out = Buffer.alloc(1 << 20);
  readonly #progress = new Uint32Array(1);

  call(line: CallLine): number {
    const start = this.#add(line.time);
    const words = this.#words;
    words[start + lineLayout.flags] = lineFlags.call | lineFlags.open;
    words[start + lineLayout.tid] = line.tid;
    this.#refer(start + lineLayout.shape, line.shape);
    words[start + lineLayout.registerCount] = line.registerCount;
    for (let index = 0; index < 12; index++) words[start + lineLayout.registers + index] = line.registers[index]!;
    if (line.instructionPointer !== undefined) {
      words[start + lineLayout.flags]! |= lineFlags.instructionPointer;
      words[start + lineLayout.instructionPointer] = line.instructionPointer[0];
      words[start + lineLayout.instructionPointer + 1] = line.instructionPointer[1];
    }
    if (line.members !== undefined) this.#refer(start + lineLayout.members, line.members);
    return this.#printed + (this.#end - this.#first) - 1;
  }

  /** `line`: without its end; it is printed once, so it is not remembered. */
  text(line: string, time: number): void {
    const start = this.#add(time);
    this.#words[start + lineLayout.flags] = 0;
    this.#refer(start + lineLayout.shape, line, false);
  }

  isPrinted(serial: number): boolean {
    return serial < this.#printed;
  }

  /** Sets the result of a call that is not printed yet. */
  result(serial: number, low: number, high: number): void {
    const start = this.#startOf(serial);
    const words = this.#words;
    words[start + lineLayout.flags] = (words[start + lineLayout.flags]! & ~lineFlags.open) | lineFlags.result;
    words[start + lineLayout.result] = low;
    words[start + lineLayout.result + 1] = high;
  }

  /** A whole line, behind one that is not printed. */
  append(serial: number, line: string): void {
    this.#after.set(serial, `${this.#after.get(serial) ?? ""}${line}\n`);
  }

  /**
   * Prints the lines up to the first call of this time or later that has not returned. The bytes are valid until the next
   * time.
   */
  take(before: number): Uint8Array {
    const words = this.#words;
    let until = this.#first;
    for (; until < this.#end; until++) {
      const start = until * lineWords;
      if ((words[start + lineLayout.flags]! & lineFlags.open) === 0) continue;
      if (words[start + lineLayout.time]! + words[start + lineLayout.time + 1]! * 2 ** 32 >= before) break;
    }
    for (const [serial, text] of this.#after) {
      if (serial >= this.#printed + until - this.#first) continue;
      this.#refer(this.#startOf(serial) + lineLayout.after, text, false);
      this.#after.delete(serial);
    }
    let size = 0;
    while (this.#first < until) {
      const room = this.#out.subarray(size);
      size += native().printLines(words, this.#first, until, this.#texts, room, this.#progress);
      const next = this.#progress[0]!;
      if (next < until) this.#out = Buffer.concat([this.#out], 2 * this.#out.length);
      this.#printed += next - this.#first;
      this.#first = next;
    }
    if (this.#textsEnd > mostTexts) this.#forgetTexts();
    return this.#out.subarray(0, size);
  }

  /** Where its words begin. */
  #add(time: number): number {
    if ((this.#end + 1) * lineWords > this.#words.length) this.#makeRoom();
    const start = this.#end++ * lineWords;
    const words = this.#words;
    words[start + lineLayout.time] = time >>> 0;
    words[start + lineLayout.time + 1] = Math.floor(time / 2 ** 32);
    words[start + lineLayout.members + 1] = 0;
    words[start + lineLayout.after + 1] = 0;
    return start;
  }

  #startOf(serial: number): number {
    return (serial - this.#printed + this.#first) * lineWords;
  }

  /** Printed lines go; if they are less than half of all, the array grows. */
  #makeRoom(): void {
    const left = this.#words.subarray(this.#first * lineWords, this.#end * lineWords);
    if (2 * this.#first < this.#end) {
      const larger = new Uint32Array(2 * this.#words.length);
      larger.set(left);
      this.#words = larger;
    } else this.#words.copyWithin(0, this.#first * lineWords, this.#end * lineWords);
    this.#end -= this.#first;
    this.#first = 0;
  }

  #refer(word: number, text: string, isRemembered = true): void {
    const known = isRemembered ? this.#known.get(text) : undefined;
    if (known !== undefined) {
      this.#words[word] = known;
      this.#words[word + 1] = this.#texts.readUInt32LE(known - 4);
      return;
    }
    const most = 4 + 3 * text.length;
    if (this.#textsEnd + most > this.#texts.length) {
      const larger = Buffer.alloc(2 * this.#texts.length + most);
      this.#texts.copy(larger, 0, 0, this.#textsEnd);
      this.#texts = larger;
    }
    const start = this.#textsEnd + 4;
    const length = this.#texts.write(text, start);
    this.#texts.writeUInt32LE(length, start - 4);
    this.#textsEnd = start + length;
    this.#words[word] = start;
    this.#words[word + 1] = length;
    if (isRemembered) this.#known.set(text, start);
  }

  /** Copies the texts of lines that are not printed, and drops the others. */
  #forgetTexts(): void {
    const former = this.#texts;
    this.#texts = Buffer.alloc(1 << 16);
    this.#textsEnd = 0;
    this.#known = new Map();
    const words = this.#words;
    for (let line = this.#first; line < this.#end; line++) {
      const start = line * lineWords;
      const isCall = (words[start + lineLayout.flags]! & lineFlags.call) !== 0;
      for (const word of [start + lineLayout.shape, start + lineLayout.members]) {
        const length = words[word + 1]!;
        if (length > 0) this.#refer(word, former.toString("utf8", words[word]!, words[word]! + length), isCall);
      }
    }
  }
}
