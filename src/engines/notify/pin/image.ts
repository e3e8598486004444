/**
 * Builds an image, the memory of a pinned call: segments of bytes, addresses in them that point at other segments, and
 * argument registers that point at segments. An image is relocatable: native/addon/pin/pin.c places it.
 */

/** An index of a segment in its image. */
export type SegmentId = number & { readonly segment: unique symbol };

/** An image in the form that the addon requires. */
export interface Image {
  readonly bytes: Uint8Array;
  /** Pairs of offsets: at the first, the addon stores the address of the second. */
  readonly relocations: Uint32Array;
  /** For each argument register the offset that it points at; −1: the register stays as it is. */
  readonly registers: Int32Array;
}

interface Segment {
  readonly bytes: Uint8Array;
  readonly alignment: number;
}

interface Link {
  readonly from: SegmentId;
  readonly at: number;
  readonly to: SegmentId;
  readonly delta: number;
}

const pointerSize = 8;
const none = new Uint32Array(0);

export class ImageBuilder {
  readonly #segments: Segment[] = [];
  readonly #links: Link[] = [];
  readonly #pointers: { readonly argument: number; readonly to: SegmentId; readonly delta: number }[] = [];

  /** `alignment` is a power of two, at most 256 (the window's granule). The bytes are not copied before `build`. */
  segment(bytes: Uint8Array, alignment = 1): SegmentId {
    if (alignment < 1 || alignment > 256 || (alignment & (alignment - 1)) !== 0) {
      throw new RangeError(`${alignment} is not an alignment of a segment`);
    }
    return (this.#segments.push({ bytes, alignment }) - 1) as SegmentId;
  }

  /** In segment `from`, eight bytes at offset `at` are the address of `to` plus `delta`. */
  link(from: SegmentId, at: number, to: SegmentId, delta = 0): void {
    const { bytes } = this.#segments[from]!;
    if (at < 0 || at + pointerSize > bytes.length) throw new RangeError("a pointer lies outside of its segment");
    this.#checkTarget(to, delta);
    this.#links.push({ from, at, to, delta });
  }

  /** The argument register, 0 … 5, is the address of `to` plus `delta`. */
  point(argument: number, to: SegmentId, delta = 0): void {
    if (!Number.isInteger(argument) || argument < 0 || argument > 5) throw new RangeError(`no argument ${argument}`);
    if (this.#pointers.some((one) => one.argument === argument))
      throw new RangeError(`argument ${argument} points somewhere already`);
    this.#checkTarget(to, delta);
    this.#pointers.push({ argument, to, delta });
  }

  #checkTarget(to: SegmentId, delta: number): void {
    const segment = this.#segments[to];
    if (segment === undefined || delta < 0 || delta > segment.bytes.length) {
      throw new RangeError("a pointer points outside of its segment");
    }
  }

  /** `registers` are filled. One segment is not copied. */
  build(registers = new Int32Array(6)): Image {
    const [only] = this.#segments;
    if (this.#segments.length === 1 && only !== undefined && this.#links.length === 0) {
      this.#place(registers, [0]);
      return { bytes: only.bytes, relocations: none, registers };
    }
    const places: number[] = [];
    let length = 0;
    for (const { bytes, alignment } of this.#segments) {
      length = Math.ceil(length / alignment) * alignment;
      places.push(length);
      length += bytes.length;
    }
    const bytes = new Uint8Array(length);
    this.#segments.forEach((segment, index) => {
      bytes.set(segment.bytes, places[index]!);
    });
    const relocations = new Uint32Array(
      this.#links.flatMap(({ from, at, to, delta }) => [places[from]! + at, places[to]! + delta]),
    );
    this.#place(registers, places);
    return { bytes, relocations, registers };
  }

  #place(registers: Int32Array, places: readonly number[]): void {
    registers.fill(-1);
    for (const { argument, to, delta } of this.#pointers) registers[argument] = places[to]! + delta;
  }
}
