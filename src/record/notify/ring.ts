/**
 * Passes records from the thread that answers notifications to the thread that writes the trace, in shared memory: one
 * producer, one consumer, no loss. If the ring is full, the producer waits, and with it the recorded calls.
 */

/** Words of the control array: positions count bytes modulo 2^32, so the size is a power of two. */
const at = { written: 0, read: 1 } as const;
const headSize = 8;

export interface RingMemory {
  readonly control: Int32Array;
  readonly bytes: Uint8Array;
}

/** @param size a power of two, in bytes */
export function makeRing(size: number): RingMemory {
  return {
    control: new Int32Array(new SharedArrayBuffer(8)),
    bytes: new Uint8Array(new SharedArrayBuffer(size)),
  };
}

/** A record has two words before its content: its size with both, and its kind. */
const skip = 0;

export class RingWriter {
  readonly #control: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #written: number;

  constructor({ control, bytes }: RingMemory) {
    this.#control = control;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#written = Atomics.load(control, at.written) >>> 0;
  }

  /** Blocks while the ring is full. `kind` is at least 1; the content is at most half as long as the ring. */
  put(kind: number, content: Uint8Array): void {
    const size = (headSize + content.length + 7) & ~7;
    const total = this.#bytes.length;
    const place = this.#written & (total - 1);
    const rest = total - place;
    if (rest < size) {
      this.#await(rest);
      this.#view.setUint32(place, rest, true);
      this.#view.setUint32(place + 4, skip, true);
      this.#advance(rest);
    }
    this.#await(size);
    const start = this.#written & (total - 1);
    this.#view.setUint32(start, size, true);
    this.#view.setUint32(start + 4, kind, true);
    // Zeros in the padding, so that equal contents make equal records.
    if (size > headSize) this.#view.setBigUint64(start + size - 8, 0n, true);
    this.#bytes.set(content, start + headSize);
    this.#advance(size);
  }

  #await(size: number): void {
    for (;;) {
      const read = Atomics.load(this.#control, at.read);
      if (((this.#written - read) >>> 0) + size <= this.#bytes.length) return;
      Atomics.wait(this.#control, at.read, read);
    }
  }

  #advance(size: number): void {
    this.#written = (this.#written + size) >>> 0;
    Atomics.store(this.#control, at.written, this.#written | 0);
  }
}

export class RingReader {
  readonly #control: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #read: number;

  constructor({ control, bytes }: RingMemory) {
    this.#control = control;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#read = Atomics.load(control, at.read) >>> 0;
  }

  /** Passes the content of all present records to the consumer. The view is valid during the call only. */
  drain(take: (kind: number, view: DataView, offset: number, length: number) => void): void {
    const written = Atomics.load(this.#control, at.written) >>> 0;
    while (this.#read !== written) {
      const place = this.#read & (this.#bytes.length - 1);
      const size = this.#view.getUint32(place, true);
      const kind = this.#view.getUint32(place + 4, true);
      if (kind !== skip) take(kind, this.#view, place + headSize, size - headSize);
      this.#read = (this.#read + size) >>> 0;
    }
    Atomics.store(this.#control, at.read, this.#read | 0);
    Atomics.notify(this.#control, at.read);
  }
}
