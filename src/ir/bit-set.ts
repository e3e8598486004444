/** Immutable bit sets of cells and locals, with one set for each statement: a policy may have thousands of them. */
export class BitSet {
  private readonly bits: Uint32Array;

  private constructor(bits: Uint32Array) {
    this.bits = bits;
  }

  /** An empty set with room for 0 … count − 1. */
  static none(count: number): BitSet {
    return new BitSet(new Uint32Array((count + 31) >> 5));
  }

  has(word: number): boolean {
    return (this.bits[word >> 5]! & (1 << (word & 31))) !== 0;
  }

  /** The members, ascending. */
  list(): number[] {
    const words: number[] = [];
    for (let index = 0; index < this.bits.length; index++) {
      for (let left = this.bits[index]!; left !== 0; left &= left - 1)
        words.push(index * 32 + 31 - Math.clz32(left & -left));
    }
    return words;
  }

  with(words: readonly number[]): BitSet {
    if (words.every((word) => this.has(word))) return this;
    const bits = this.bits.slice();
    for (const word of words) bits[word >> 5]! |= 1 << (word & 31);
    return new BitSet(bits);
  }

  without(word: number): BitSet {
    if (!this.has(word)) return this;
    const bits = this.bits.slice();
    bits[word >> 5]! &= ~(1 << (word & 31));
    return new BitSet(bits);
  }

  /** Both sets must have room for the same members. */
  union(other: BitSet): BitSet {
    if (this === other) return this;
    const bits = this.bits.slice();
    for (let index = 0; index < bits.length; index++) bits[index]! |= other.bits[index]!;
    return new BitSet(bits);
  }
}
