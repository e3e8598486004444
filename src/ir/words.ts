/** Immutable sets of small numbers, as bits: a policy may have thousands of cells and locals, and a set for each statement. */
export class Words {
  private readonly bits: Uint32Array;

  private constructor(bits: Uint32Array) {
    this.bits = bits;
  }

  /** Room for the words 0 … count − 1. */
  static none(count: number): Words {
    return new Words(new Uint32Array((count + 31) >> 5));
  }

  has(word: number): boolean {
    return (this.bits[word >> 5]! & (1 << (word & 31))) !== 0;
  }

  /** Ascending. */
  list(): number[] {
    const words: number[] = [];
    for (let index = 0; index < this.bits.length; index++) {
      for (let left = this.bits[index]!; left !== 0; left &= left - 1)
        words.push(index * 32 + 31 - Math.clz32(left & -left));
    }
    return words;
  }

  with(words: readonly number[]): Words {
    if (words.every((word) => this.has(word))) return this;
    const bits = this.bits.slice();
    for (const word of words) bits[word >> 5]! |= 1 << (word & 31);
    return new Words(bits);
  }

  without(word: number): Words {
    if (!this.has(word)) return this;
    const bits = this.bits.slice();
    bits[word >> 5]! &= ~(1 << (word & 31));
    return new Words(bits);
  }

  /** Of sets with room for the same words. */
  union(other: Words): Words {
    if (this === other) return this;
    const bits = this.bits.slice();
    for (let index = 0; index < bits.length; index++) bits[index]! |= other.bits[index]!;
    return new Words(bits);
  }
}
