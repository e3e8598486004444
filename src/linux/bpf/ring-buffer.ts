/**
 * The reader of a ring buffer (Documentation/bpf/ringbuf.rst, kernel/bpf/ringbuf.c; Linux 5.8). Its memory is mapped: a page
 * with the reader's position, which is ours to write, then, read-only, a page with the writers' position and the data, which
 * is mapped twice in a row, so that a record is never broken at the end.
 *
 * Positions only grow. A record is a word with its length, whose top bit says that it is still being written and whose
 * second that its writer gave it up, a word of the kernel's, and the data, rounded up to 8 bytes.
 */
import { native } from "../native.ts";
import { BpfError } from "./command.ts";
import type { BpfMap } from "./maps.ts";
import { mapTypes } from "./maps.ts";

const busy = 0x8000_0000;
const discarded = 0x4000_0000;
const lengthMask = 0x3fff_ffff;
const headerSize = 8;

/** What the kernel's pages are on x86-64, and on arm64 as Debian builds it. */
const pageSize = 4096;

export class RingBufferReader {
  /** For poll(2): readable where there is a record that was not there when the reader had read all. */
  readonly descriptor: number;
  readonly #consumer: BigInt64Array;
  readonly #producer: BigInt64Array;
  readonly #headers: Int32Array;
  readonly #data: Uint8Array;
  readonly #mask: number;

  /** Throws a BpfError where the map cannot be mapped (EPERM: its capacity is no multiple of the page). */
  constructor(map: BpfMap) {
    const { type, capacity } = map.description;
    if (type !== mapTypes.ringBuffer) throw new RangeError("this map is no ring buffer");
    const memory = (offset: number, length: number, writable: boolean): ArrayBuffer => {
      const mapped = native().mapMemory(map.descriptor, offset, length, writable);
      if (typeof mapped === "number") throw new BpfError("mapping a ring buffer", -mapped);
      return mapped;
    };
    this.descriptor = map.descriptor;
    this.#consumer = new BigInt64Array(memory(0, pageSize, true), 0, 1);
    const shared = memory(pageSize, pageSize + 2 * capacity, false);
    this.#producer = new BigInt64Array(shared, 0, 1);
    this.#headers = new Int32Array(shared, pageSize);
    this.#data = new Uint8Array(shared, pageSize);
    this.#mask = capacity - 1;
  }

  /** The records that are there, copied, oldest first; each is the buffer's no longer once the next is asked for. */
  *read(): Generator<Uint8Array> {
    // Ours alone to write. Atomic accesses, because the kernel's side releases a length only after its data is written.
    let position = Atomics.load(this.#consumer, 0);
    while (position < Atomics.load(this.#producer, 0)) {
      const at = Number(position & BigInt(this.#mask));
      const header = Atomics.load(this.#headers, at / 4) >>> 0;
      if (header >= busy) return;
      const length = header & lengthMask;
      const record =
        (header & discarded) === 0 ? this.#data.slice(at + headerSize, at + headerSize + length) : undefined;
      position += BigInt((headerSize + length + 7) & ~7);
      Atomics.store(this.#consumer, 0, position);
      if (record !== undefined) yield record;
    }
  }
}
