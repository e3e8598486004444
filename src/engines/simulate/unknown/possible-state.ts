/** State of which some is not known: what unknown bits of calls have left behind. */
import type { ScopeState } from "../../../ir/evaluation.ts";
import type { Program, Scope } from "../../../ir/program.ts";
import { anything, type Bits, isKnown, join, known } from "./known-bits.ts";

const absent = Symbol("absent");

/** A table as it was, and what has changed since. Once a key was uncertain, nothing of the contents is known. */
export class PossibleTable {
  /** False: may hold any keys and values. */
  certain = true;
  private readonly base: ReadonlyMap<bigint, bigint>;
  private readonly changes: Map<bigint, Bits | typeof absent>;
  private size: number;

  /** `base` must not change while this is used. */
  constructor(base: ReadonlyMap<bigint, bigint>) {
    this.base = base;
    this.changes = new Map();
    this.size = base.size;
  }

  copy(): PossibleTable {
    const copy = new PossibleTable(this.base);
    copy.certain = this.certain;
    copy.size = this.size;
    for (const [key, change] of this.changes) copy.changes.set(key, change);
    return copy;
  }

  /** The value, or false where the key is absent; undefined where either is possible. */
  get(key: Bits): Bits | false | undefined {
    if (!this.certain || !isKnown(key)) return this.certain && this.size === 0 ? false : undefined;
    const change = this.changes.get(key.value);
    if (change !== undefined) return change === absent ? false : change;
    const value = this.base.get(key.value);
    return value === undefined ? false : known(value);
  }

  /** True where the table was full, and so nothing changed; undefined where that is possible. */
  set(key: Bits, value: Bits, capacity: number): boolean | undefined {
    if (this.certain && !isKnown(key) && this.size < capacity) {
      this.certain = false;
      return false;
    }
    const present = this.get(key);
    if (present === undefined) {
      this.certain = false;
      return undefined;
    }
    if (present === false) {
      if (this.size >= capacity) return true;
      this.size += 1;
    }
    this.changes.set(key.value, value);
    return false;
  }

  delete(key: Bits): void {
    const present = this.get(key);
    if (present === undefined) this.certain = false;
    if (present === undefined || present === false) return;
    this.size -= 1;
    this.changes.set(key.value, absent);
  }

  /** All that is in it is known. */
  isKnown(): boolean {
    return this.certain && [...this.changes.values()].every((change) => change === absent || isKnown(change));
  }

  /** Takes in what the table may be on another path; both come from one. */
  join(other: PossibleTable): void {
    this.certain &&= other.certain;
    for (const key of new Set([...this.changes.keys(), ...other.changes.keys()])) {
      if (!this.certain) return;
      const ours = this.get(known(key));
      const theirs = other.get(known(key));
      if (ours === undefined || theirs === undefined || (ours === false) !== (theirs === false)) this.certain = false;
      else if (ours !== false && theirs !== false) this.changes.set(key, join(ours, theirs));
    }
  }

  /** The contents as far as they are known, for showing. */
  entries(): ReadonlyMap<bigint, Bits> {
    const entries = new Map([...this.base].map(([key, value]) => [key, known(value)] as const));
    for (const [key, change] of this.changes) {
      if (change === absent) entries.delete(key);
      else entries.set(key, change);
    }
    return entries;
  }
}

/** Indexed as `Program.cells` and `Program.tables` are. */
export class PossibleScope {
  readonly cells: Bits[];
  readonly tables: PossibleTable[];

  private constructor(cells: Bits[], tables: PossibleTable[]) {
    this.cells = cells;
    this.tables = tables;
  }

  /** `state` must not change while this is used. */
  static from(state: ScopeState): PossibleScope {
    return new PossibleScope(
      [...state.cells].map(known),
      state.tables.map((table) => new PossibleTable(table)),
    );
  }

  copy(): PossibleScope {
    return new PossibleScope(
      [...this.cells],
      this.tables.map((table) => table.copy()),
    );
  }

  /** What a new process, or its first thread, starts with. */
  inherit(program: Program, scope: Scope): PossibleScope {
    const child = this.copy();
    for (const [index, { scope: of, onFork, initial }] of program.cells.entries()) {
      if (of !== scope || onFork === "copy") continue;
      if (onFork === "fresh") {
        child.cells[index] = known(initial);
        continue;
      }
      const parent = this.cells[index]!;
      const images = isKnown(parent)
        ? [BigInt(onFork.map[Number(parent.value)] ?? initial)]
        : [initial, ...onFork.map.map(BigInt)];
      child.cells[index] = images.map(known).reduce(join);
    }
    for (const [index, { scope: of, onFork }] of program.tables.entries()) {
      if (of === scope && onFork === "fresh") child.tables[index] = new PossibleTable(new Map());
    }
    return child;
  }

  isKnown(): boolean {
    return this.cells.every(isKnown) && this.tables.every((table) => table.isKnown());
  }

  join(other: PossibleScope): void {
    for (const [index, cell] of other.cells.entries()) this.cells[index] = join(this.cells[index] ?? anything, cell);
    for (const [index, table] of other.tables.entries()) this.tables[index]?.join(table);
  }
}

export type PossibleStates = { readonly [S in Scope]: PossibleScope };

export interface PossibleReport {
  readonly report: number;
  readonly values: readonly Bits[];
}
