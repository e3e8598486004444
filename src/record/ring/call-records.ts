/**
 * Converts the records of a ring buffer (layout.ts) to calls with their memory. Fragments of a call, which remain if
 * another process has read from the ring buffer, are dropped; their calls count as lost, like those that found no room.
 */
import { errno } from "../../linux/errno-numbers.ts";
import type { ReadMemory } from "../memory-json.ts";
import type { DeclaredRead } from "./declarations.ts";
import { callSize, layout, memorySize } from "./layout.ts";

/** A recorded call. The reader returns one object, which the next call changes. */
export interface RecordedCall {
  readonly tid: number;
  readonly process: number;
  /** Nanoseconds since the start of the recording. */
  readonly time: number;
  readonly serial: number;
  readonly number: number;
  readonly architecture: number;
  readonly instructionPointer: readonly [low: number, high: number];
  /** The six registers, each as two halves, the low one first. */
  readonly registers: Uint32Array;
  /** The task's id in its previous record; 0 if this is its first. */
  readonly former: number;
  /** The task that created the process, and the call that did; 0 for threads and for the command's first task. */
  readonly maker: number;
  readonly creation: number;
  readonly memories: readonly CopiedMemory[];
}

/** The kernel's copy for one read. */
export interface CopiedMemory {
  /** The length of a text or an address in bytes, of a list in texts; or a negative errno. */
  readonly length: number;
  /** The copied bytes, one in each character; undefined if they found no room or were not copied. */
  readonly bytes: string | undefined;
}

export interface CallTaker {
  call(call: RecordedCall): void;
  /** Reports the number of calls that are missing before the next one. */
  lost(count: number, time: number): void;
}

export interface CallRecordsOptions {
  /** The time of the recording's start, in nanoseconds of CLOCK_MONOTONIC. */
  readonly base: bigint;
  readonly nativeAbi: number;
  readonly reads: ReadonlyMap<number, readonly DeclaredRead[]>;
}

/** A bound on the number of calls between two records; a larger gap is a malformed record. */
const mostMissing = 2 ** 40;

type Changing<T> = { -readonly [K in keyof T]: T[K] };

export class CallRecords {
  readonly #baseLow: number;
  readonly #baseHigh: number;
  readonly #taker: CallTaker;
  readonly #reads: CallRecordsOptions["reads"];
  readonly #nativeAbi: number;
  readonly #call: Changing<RecordedCall> = {
    ...{ tid: 0, process: 0, time: 0, serial: 0, number: 0, architecture: 0, instructionPointer: [0, 0] },
    ...{ registers: new Uint32Array(12), former: 0, maker: 0, creation: 0, memories: [] },
  };
  /** For a call whose bytes have not all arrived: the memories that have bytes, and their lengths. */
  #awaited: { readonly memory: Changing<CopiedMemory>; readonly size: number }[] = [];
  #isBegun = false;
  /** The number of calls that have been reported as missing. */
  #lost = 0;

  constructor({ base, nativeAbi, reads }: CallRecordsOptions, taker: CallTaker) {
    this.#baseLow = Number(base & 0xffff_ffffn);
    this.#baseHigh = Number(base >> 32n);
    this.#nativeAbi = nativeAbi;
    this.#reads = reads;
    this.#taker = taker;
  }

  /** Takes one record of the ring buffer. */
  take(view: DataView, offset: number, length: number): void {
    if (this.#isBegun) {
      const [next] = this.#awaited;
      if (next!.size === length) {
        next!.memory.bytes = latin1(view, offset, length);
        this.#awaited.shift();
        if (this.#awaited.length === 0) this.#finish();
        return;
      }
      // The bytes of the call before this one are lost.
      this.#finish();
    }
    if (length === callSize) this.#begin(view, offset);
  }

  /** No further record follows. `dropped` is the number of calls that found no room in all. */
  end(dropped: number, time: number): void {
    if (this.#isBegun) this.#finish();
    if (dropped > this.#lost) this.#taker.lost(dropped - this.#lost, time);
  }

  #begin(view: DataView, offset: number): void {
    const word = (at: number) => view.getUint32(offset + at, true);
    const serial = word(layout.serial + 4) * 2 ** 32 + word(layout.serial);
    const call = this.#call;
    const missing = serial - call.serial - 1;
    if (missing < 0 || missing > mostMissing) return;
    const time = (word(layout.time + 4) - this.#baseHigh) * 2 ** 32 + (word(layout.time) - this.#baseLow);
    if (missing > 0) {
      this.#lost += missing;
      this.#taker.lost(missing, time);
    }
    call.serial = serial;
    call.time = time;
    call.tid = word(layout.task);
    call.process = word(layout.task + 4);
    call.former = word(layout.former);
    call.maker = word(layout.maker);
    call.creation = word(layout.creation + 4) * 2 ** 32 + word(layout.creation);
    call.number = word(layout.call) | 0;
    call.architecture = word(layout.call + 4);
    call.instructionPointer = [word(layout.call + 8), word(layout.call + 12)];
    for (let index = 0; index < 12; index++) call.registers[index] = word(layout.call + 16 + 4 * index);
    const reads = call.architecture === this.#nativeAbi ? this.#reads.get(call.number) : undefined;
    if (reads === undefined) call.memories = [];
    else this.#await(reads, word);
    this.#isBegun = true;
    if (this.#awaited.length === 0) this.#finish();
  }

  #await(reads: readonly DeclaredRead[], word: (at: number) => number): void {
    this.#call.memories = reads.map(({ declared: { kind, size } }, index) => {
      const at = layout.memory + memorySize * index;
      const memory: Changing<CopiedMemory> = { length: word(at) | 0, bytes: undefined };
      if (word(at + 4) !== 0) {
        this.#awaited.push({ memory, size: kind === "strings" ? size : Math.min(memory.length, size) });
      }
      return memory;
    });
  }

  #finish(): void {
    this.#isBegun = false;
    this.#awaited = [];
    this.#taker.call(this.#call);
  }
}

function latin1(view: DataView, offset: number, length: number): string {
  return Buffer.from(view.buffer, view.byteOffset + offset, length).toString("latin1");
}

/** A key that is equal for equal memories only. */
export function keyOf(memories: readonly CopiedMemory[]): string {
  return memories.map(({ length, bytes }) => `${length}:${bytes ?? "-"}`).join(",");
}

/** Undefined if the memory is unknown: the process is not dumpable, or the copy found no room. */
export function readOf({ declared: { kind } }: DeclaredRead, { length, bytes }: CopiedMemory): ReadMemory | undefined {
  if (length === -errno.ENOENT) return { is: "absent" };
  if (length < 0 || (length > 0 && bytes === undefined)) return undefined;
  const copied = Uint8Array.from(Buffer.from(bytes ?? "", "latin1"));
  if (kind === "strings") return { is: "texts", ...textsIn(copied, length) };
  return { is: "texts", entries: [{ bytes: copied, isCut: length > copied.length }], isCut: false };
}

/** Splits consecutive texts, each with a NUL and padded to a multiple of 8 bytes. */
function textsIn(bytes: Uint8Array, count: number): Omit<ReadMemory & { is: "texts" }, "is"> {
  const entries = [];
  for (let at = 0; entries.length < count; ) {
    if (at >= bytes.length) return { entries, isCut: true };
    const end = bytes.indexOf(0, at);
    if (end < 0) {
      entries.push({ bytes: bytes.slice(at), isCut: true });
      return { entries, isCut: entries.length < count };
    }
    entries.push({ bytes: bytes.slice(at, end), isCut: false });
    at = (end + 8) & ~7;
  }
  return { entries, isCut: false };
}
