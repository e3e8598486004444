/**
 * A reader of BPF ring buffers (Documentation/bpf/ringbuf.rst, kernel/bpf/ringbuf.c; Linux 5.8). The memory is mapped: a
 * writable page with the consumer position, then read-only a page with the producer position and the data. The data is
 * mapped twice in a row, so a record is contiguous even at the end.
 *
 * Positions only grow. A record is a word with its length (the top bit: still being written; the second: discarded), a
 * word for the kernel, and the data, rounded up to 8 bytes.
 */

import { mapTypes } from "../../abi/bpf-numbers.ts";
import { native } from "../native.ts";
import { BpfError } from "./command.ts";
import type { BpfMap } from "./maps.ts";

const busy = 0x8000_0000;
const discarded = 0x4000_0000;
const lengthMask = 0x3fff_ffff;
const headerSize = 8;

/** Bytes. */
const freedAtOnce = 1 << 16;

/** The page size on x86-64, and on arm64 in Debian's configuration. */
const pageSize = 4096;

export class RingBufferReader {
  /** For poll(2): readable when there is a record that the reader had not seen when it last read all. */
  readonly descriptor: number;
  readonly #consumer: BigInt64Array;
  readonly #producer: BigInt64Array;
  readonly #headers: Int32Array;
  readonly #data: Uint8Array;
  readonly #view: DataView;
  readonly #mask: number;

  /** Throws a BpfError if the map cannot be mapped (EPERM: its capacity is not a multiple of the page). */
  constructor(map: BpfMap) {
    const { type, capacity } = map.description;
    if (type !== mapTypes.ringBuffer) throw new RangeError("this map is not a ring buffer");
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
    this.#view = new DataView(shared, pageSize);
    this.#mask = capacity - 1;
  }

  /**
   * Passes all present records, the oldest first, by their offset in a view that is valid during the call only. The
   * space of records that were passed is freed from time to time, and at the end.
   *
   * @returns false if the buffer has malformed data: then all of it is freed
   */
  drain(take: (view: DataView, offset: number, length: number) => void): boolean {
    let position = Number(Atomics.load(this.#consumer, 0));
    let freed = position;
    const end = Number(Atomics.load(this.#producer, 0));
    try {
      while (position < end) {
        const at = position & this.#mask;
        const header = Atomics.load(this.#headers, at / 4) >>> 0;
        if (header >= busy) return true;
        const length = header & lengthMask;
        const next = position + ((headerSize + length + 7) & ~7);
        // Another reader of the same ring buffer has moved on, and the kernel has written there meanwhile.
        if (next > end) {
          position = end;
          return false;
        }
        if ((header & discarded) === 0) take(this.#view, at + headerSize, length);
        position = next;
        if (position - freed >= freedAtOnce) {
          freed = position;
          Atomics.store(this.#consumer, 0, BigInt(position));
        }
      }
      return true;
    } finally {
      Atomics.store(this.#consumer, 0, BigInt(position));
    }
  }

  /** Yields a copy of each record, oldest first. Requesting the next record frees the previous one in the buffer. */
  *read(): Generator<Uint8Array> {
    // Only this reader writes it. The access is atomic because the kernel publishes a length after its data.
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
