/**
 * Passes records from the thread that answers notifications to the thread that writes the trace, in shared memory: one
 * producer, one consumer, no loss. If the ring is full, the producer waits, and with it the recorded calls.
 */

/** Words of the control array: positions count bytes modulo 2^32, so the size is a power of two. */
export const controlWords = { written: 0, read: 1 } as const;
export const headSize = 8;

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
export const skip = 0;

export class RingWriter {
  readonly memory: RingMemory;
  readonly #view: DataView;

  constructor(memory: RingMemory) {
    this.memory = memory;
    this.#view = new DataView(memory.bytes.buffer);
  }

  /** Blocks while the ring is full. `kind` is at least 1; the content is at most half as long as the ring. */
  put(kind: number, content: Uint8Array): void {
    const { bytes } = this.memory;
    const size = (headSize + content.length + 7) & ~7;
    const place = this.#written & (bytes.length - 1);
    const rest = bytes.length - place;
    if (rest < size) {
      this.await(rest);
      this.#view.setUint32(place, rest, true);
      this.#view.setUint32(place + 4, skip, true);
      this.#advance(rest);
    }
    this.await(size);
    const start = this.#written & (bytes.length - 1);
    this.#view.setUint32(start, size, true);
    this.#view.setUint32(start + 4, kind, true);
    // Zeros in the padding, so that equal contents make equal records.
    if (size > headSize) this.#view.setBigUint64(start + size - 8, 0n, true);
    bytes.set(content, start + headSize);
    this.#advance(size);
  }

  /** Blocks until there is room for so many bytes. */
  await(size: number): void {
    const { control, bytes } = this.memory;
    for (;;) {
      const read = Atomics.load(control, controlWords.read);
      if (((this.#written - read) >>> 0) + size <= bytes.length) return;
      Atomics.wait(control, controlWords.read, read);
    }
  }

  /** In the memory alone, because the addon writes records, too. */
  get #written(): number {
    return Atomics.load(this.memory.control, controlWords.written) >>> 0;
  }

  #advance(size: number): void {
    Atomics.store(this.memory.control, controlWords.written, (this.#written + size) | 0);
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
    this.#read = Atomics.load(control, controlWords.read) >>> 0;
  }

  /** Passes the content of all present records to the consumer. The view is valid during the call only. */
  drain(take: (kind: number, view: DataView, offset: number, length: number) => void): void {
    const written = Atomics.load(this.#control, controlWords.written) >>> 0;
    while (this.#read !== written) {
      const place = this.#read & (this.#bytes.length - 1);
      const size = this.#view.getUint32(place, true);
      const kind = this.#view.getUint32(place + 4, true);
      if (kind !== skip) take(kind, this.#view, place + headSize, size - headSize);
      this.#read = (this.#read + size) >>> 0;
    }
    Atomics.store(this.#control, controlWords.read, this.#read | 0);
    Atomics.notify(this.#control, controlWords.read);
  }
}
