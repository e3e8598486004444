/** Allocates thread and process ids as the kernel does: upwards, and after the highest again from the first. */
export class ProcessNumbers {
  private readonly used = new Set<number>();
  private readonly first: number;
  private readonly highest: number;
  private last: number;

  /** 1 ≤ first ≤ highest < 2^31. */
  constructor(first: number, highest: number) {
    if (!(Number.isInteger(first) && Number.isInteger(highest) && first >= 1 && first <= highest)) {
      throw new RangeError(`process numbers from ${first} to ${highest}: they begin at 1`);
    }
    if (highest >= 2 ** 31) throw new RangeError(`process numbers have 31 bits; ${highest} has more`);
    this.first = first;
    this.highest = highest;
    this.last = first - 1;
  }

  /** The next free number. */
  next(): number {
    for (let tries = this.first; tries <= this.highest; tries++) {
      this.last = this.last >= this.highest ? this.first : this.last + 1;
      if (this.used.has(this.last)) continue;
      this.used.add(this.last);
      return this.last;
    }
    throw new RangeError(`all process numbers from ${this.first} to ${this.highest} are in use`);
  }

  /** Takes this number, which must be free: recordings contain the numbers of tasks. */
  take(number: number): number {
    if (!(Number.isInteger(number) && number >= 1 && number < 2 ** 31)) {
      throw new RangeError(`${number} is not a process number: they are 1 … 2^31 − 1`);
    }
    if (this.used.has(number)) throw new RangeError(`process number ${number} is in use`);
    this.used.add(number);
    return number;
  }

  giveBack(number: number): void {
    this.used.delete(number);
  }
}
