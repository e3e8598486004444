/**
 * Orders the events of a recorder as a trace and prints its lines (docs/traces.md).
 *
 * A line is delayed for a moment, so that most calls have their result in their own line, followed by the task that
 * they created. A call that has not returned by then gets a line `return` later. Lines are printed by concatenation,
 * because a recording prints some hundred thousand of them a second.
 */
import type { ArchitectureName } from "../linux/architecture.ts";
import { callByNumber, registerOf } from "../linux/calls.ts";
import type { CallCensus } from "./census.ts";
import { registerText } from "./registers.ts";

/** A line that is not printed yet. */
export interface HeldLine {
  /** The line without its closing brace. */
  readonly text: string;
  readonly time: number;
  /** A call that has not returned. */
  isOpen: boolean;
  result: string | undefined;
  /** Lines that follow it immediately. */
  after: string;
  isPrinted: boolean;
}

export interface SeenCall {
  readonly tid: number;
  /** Nanoseconds since the start of the recording. */
  readonly time: number;
  readonly number: number;
  /** The six registers, each as two halves, the low one first. */
  readonly registers: Uint32Array;
  /** `AUDIT_ARCH_…`, if it is not the native one. */
  readonly foreignAbi?: number | undefined;
  /** The instruction pointer as a register's text. */
  readonly instructionPointer?: string | undefined;
  /** The members `memory` and `cut` as JSON, without braces. */
  readonly memory?: string | undefined;
}

/** The members that all lines of one call share. */
interface CallShape {
  readonly name: string;
  readonly middle: string;
  readonly registers: number;
}

export class TraceAssembler {
  readonly #architecture: ArchitectureName;
  readonly #census: CallCensus;
  readonly #shapes = new Map<number, CallShape>();
  readonly #open = new Map<number, HeldLine>();
  #held: HeldLine[] = [];
  #latest = 0;

  constructor(architecture: ArchitectureName, census: CallCensus) {
    this.#architecture = architecture;
    this.#census = census;
  }

  /** Returns the line, for `birth` and `exit` after it. */
  call(call: SeenCall): HeldLine {
    const shape = this.#shapeOf(call.number, call.foreignAbi);
    const { registers } = call;
    let text = `{"v":1,"kind":"call","tid":${call.tid},"time":${this.#time(call.time)}${shape.middle}`;
    for (let index = 0; index < shape.registers; index++) {
      const register = registerText(registers[2 * index]!, registers[2 * index + 1]!);
      text += index === 0 ? register : `,${register}`;
    }
    text += "]";
    if (call.instructionPointer !== undefined) text += `,"instructionPointer":${call.instructionPointer}`;
    if (call.memory !== undefined) text += `,${call.memory}`;
    this.#census.call(shape.name);
    const line = this.#hold(text, true);
    this.#open.set(call.tid, line);
    return line;
  }

  /** Records that the thread's last call has returned. */
  returned(tid: number, time: number, result: string): void {
    const line = this.#open.get(tid);
    if (line === undefined) return;
    this.#open.delete(tid);
    line.isOpen = false;
    if (line.isPrinted) this.#hold(`{"v":1,"kind":"return","tid":${tid},"time":${this.#time(time)},"result":${result}`);
    else line.result = result;
  }

  /** `by`: the line of the call that created the task, if it is not the last line of its thread. */
  birth(kind: "fork" | "thread", tid: number, child: number, by?: HeldLine): void {
    this.#census.begins();
    const text = `{"v":1,"kind":"${kind}","tid":${tid},"child":${child}`;
    if (by === undefined || by.isPrinted) this.#hold(text);
    else by.after += `${text}}\n`;
  }

  exec(tid: number, former: number | undefined, time: number): void {
    const from = former === undefined || former === tid ? "" : `,"former":${former}`;
    if (former !== undefined && former !== tid) {
      const line = this.#open.get(former);
      this.#open.delete(former);
      if (line !== undefined) this.#open.set(tid, line);
    }
    this.#hold(`{"v":1,"kind":"exec","tid":${tid}${from},"time":${this.#time(time)}`);
  }

  exit(tid: number, time: number): void {
    this.#census.ends();
    this.#open.delete(tid);
    this.#hold(`{"v":1,"kind":"exit","tid":${tid},"time":${this.#time(time)}`);
  }

  /** Reports missing calls; their number is not always known. */
  lost(count: number | undefined, time: number): void {
    this.#census.lost();
    const known = count === undefined ? "" : `,"count":${count}`;
    this.#hold(`{"v":1,"kind":"lost"${known},"time":${this.#time(time)}`);
  }

  /** Returns the lines from before this time, and those behind them that are complete. */
  take(before: number): string {
    let count = 0;
    let text = "";
    for (const line of this.#held) {
      if (line.time >= before && line.isOpen) break;
      count++;
      text += line.result === undefined ? `${line.text}}\n` : `${line.text},"result":${line.result}}\n`;
      text += line.after;
      line.isPrinted = true;
    }
    this.#held = this.#held.slice(count);
    return text;
  }

  #hold(text: string, isOpen = false): HeldLine {
    const line = { text, time: this.#latest, isOpen, result: undefined, after: "", isPrinted: false };
    this.#held.push(line);
    return line;
  }

  /**
   * The time as a text. The clocks of processors may differ by some nanoseconds; the time of a trace never decreases.
   * Microseconds suffice; finer digits would be a sixth of the compressed file.
   */
  #time(time: number): string {
    if (time > this.#latest) this.#latest = time;
    return `${Math.floor(this.#latest / 1000)}000`;
  }

  #shapeOf(number: number, foreignAbi: number | undefined): CallShape {
    if (foreignAbi !== undefined) {
      return { name: `${number}@${foreignAbi}`, middle: foreignMiddle(number, foreignAbi), registers: 6 };
    }
    const known = this.#shapes.get(number);
    if (known !== undefined) return known;
    const call = callByNumber(this.#architecture, number);
    const registers = call?.parameters.map((_, index) => registerOf(call, index, this.#architecture) + 1) ?? [6];
    const shape: CallShape = {
      name: call?.name ?? `call_${number}`,
      middle: `${call === undefined ? `,"number":${number}` : `,"call":"${call.name}"`},"arguments":[`,
      registers: Math.max(0, ...registers),
    };
    this.#shapes.set(number, shape);
    return shape;
  }
}

function foreignMiddle(number: number, abi: number): string {
  return `,"number":${number},"abi":${abi},"arguments":[`;
}
