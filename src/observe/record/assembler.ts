/**
 * Orders the events of a recorder as a trace and prints its lines (docs/traces.md).
 *
 * A line is delayed for a moment, so that most calls have their result in their own line, followed by the task that
 * they created. A call that has not returned by then gets a line `return` later.
 */
import type { ArchitectureName } from "../../abi/architecture.ts";
import { callByNumber, registerOf } from "../../abi/calls.ts";
import type { CallCensus } from "./census.ts";
import { HeldLines } from "./held-lines.ts";
import { resultText } from "./registers.ts";

/** The serial number of a line. */
export type LineSerial = number;

export interface SeenCall {
  readonly tid: number;
  /** Nanoseconds since the start of the recording. */
  readonly time: number;
  readonly number: number;
  /** The six registers, each as two halves, the low one first. */
  readonly registers: Uint32Array;
  /** `AUDIT_ARCH_…`, if it is not the native one. */
  readonly foreignAbi?: number | undefined;
  readonly instructionPointer?: readonly [low: number, high: number] | undefined;
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
  /** By thread, its last call that has not returned. */
  readonly #open = new Map<number, LineSerial>();
  readonly #lines = new HeldLines();
  /** Microseconds. */
  #latest = 0;

  constructor(architecture: ArchitectureName, census: CallCensus) {
    this.#architecture = architecture;
    this.#census = census;
  }

  /** Returns the line, for `birth`. */
  call(call: SeenCall): LineSerial {
    const shape = this.#shapeOf(call.number, call.foreignAbi);
    this.#census.call(shape.name);
    const serial = this.#lines.call({
      tid: call.tid,
      time: this.#time(call.time),
      shape: shape.middle,
      registerCount: shape.registers,
      registers: call.registers,
      instructionPointer: call.instructionPointer,
      members: call.memory,
    });
    this.#open.set(call.tid, serial);
    return serial;
  }

  isPrinted(line: LineSerial): boolean {
    return this.#lines.isPrinted(line);
  }

  /** Records that the thread's last call has returned; `low` and `high` are the halves of its result. */
  returned(tid: number, time: number, low: number, high: number): void {
    const line = this.#open.get(tid);
    if (line === undefined) return;
    this.#open.delete(tid);
    if (!this.isPrinted(line)) this.#lines.result(line, low, high);
    else
      this.#hold(`{"v":1,"kind":"return","tid":${tid},"time":${this.#stamp(time)},"result":${resultText(low, high)}`);
  }

  /** `by`: the line of the call that created the task, if it is not the last line of its thread. */
  birth(kind: "fork" | "thread", tid: number, child: number, by?: LineSerial): void {
    this.#census.begins();
    const text = `{"v":1,"kind":"${kind}","tid":${tid},"child":${child}`;
    if (by === undefined || this.isPrinted(by)) this.#hold(text);
    else this.#lines.append(by, `${text}}`);
  }

  exec(tid: number, former: number | undefined, time: number): void {
    const from = former === undefined || former === tid ? "" : `,"former":${former}`;
    if (former !== undefined && former !== tid) {
      const line = this.#open.get(former);
      this.#open.delete(former);
      if (line !== undefined) this.#open.set(tid, line);
    }
    this.#hold(`{"v":1,"kind":"exec","tid":${tid}${from},"time":${this.#stamp(time)}`);
  }

  exit(tid: number, time: number): void {
    this.#census.ends();
    this.#open.delete(tid);
    this.#hold(`{"v":1,"kind":"exit","tid":${tid},"time":${this.#stamp(time)}`);
  }

  /** Reports missing calls; their number is not always known. */
  lost(count: number | undefined, time: number): void {
    const known = count === undefined ? "" : `,"count":${count}`;
    this.#hold(`{"v":1,"kind":"lost"${known},"time":${this.#stamp(time)}`);
  }

  /**
   * Returns the lines from before this time, and those behind them that are complete. The bytes are valid until the next
   * time.
   */
  take(before: number): Uint8Array {
    return this.#lines.take(before / 1000);
  }

  #hold(text: string): void {
    this.#lines.text(text, this.#latest);
  }

  /**
   * In microseconds. The clocks of processors may differ by some nanoseconds; the time of a trace never decreases.
   * Microseconds suffice; finer digits would be a sixth of the compressed file.
   */
  #time(time: number): number {
    this.#latest = Math.max(this.#latest, Math.floor(time / 1000));
    return this.#latest;
  }

  /** The time as a text. */
  #stamp(time: number): string {
    return `${1000 * this.#time(time)}`;
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
