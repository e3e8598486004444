/** State that is partly unknown, after calls with unknown bits. */
import type { ScopeState } from "../../../ir/evaluation.ts";
import type { Program, Scope } from "../../../ir/program.ts";
import { anything, type Bits, isKnown, join, known } from "./known-bits.ts";

const absent = Symbol("absent");

/** A table's former contents and the changes since. After a change with an uncertain key, all contents are unknown. */
export class PossibleTable {
  /** If false, the table may have any keys and values. */
  certain = true;
  private readonly base: ReadonlyMap<bigint, bigint>;
  private readonly changes: Map<bigint, Bits | typeof absent>;
  private size: number;

  /** `base` must not change during the use of this object. */
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

  /** The value, or false if the key is absent; undefined if both are possible. */
  get(key: Bits): Bits | false | undefined {
    if (!this.certain || !isKnown(key)) return this.certain && this.size === 0 ? false : undefined;
    const change = this.changes.get(key.value);
    if (change !== undefined) return change === absent ? false : change;
    const value = this.base.get(key.value);
    return value === undefined ? false : known(value);
  }

  /** Returns true if the table was full, so that nothing changed; undefined if that is possible. */
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

  /** Whether all contents are known. */
  isKnown(): boolean {
    return this.certain && [...this.changes.values()].every((change) => change === absent || isKnown(change));
  }

  /** Joins the table's state on another path. Both must have the same base. */
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

  /** The known contents, for display. */
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

  /** `state` must not change during the use of this object. */
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

  /** The state with which a new process, or its first thread, starts. */
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
