/**
 * What a path knows at a place: the values of locals and cells, the tables' contents by name, and what was learnt of
 * terms. Immutable, sorted by slot, and interned by content: equal environments are one object, so that a place that is
 * reached twice knowing the same is explored once.
 */
import type { Graph } from "./graph.ts";
import { type Knowledge, type KnowledgeBase, onlyPossible } from "./knowledge.ts";
import type { Formula, Term, Test, Universe, VerdictTerm } from "./terms.ts";

type Entry = Term | Formula | VerdictTerm | Knowledge | { readonly id: number };

export interface Environment {
  readonly slots: readonly number[];
  readonly entries: readonly Entry[];
}

/** Slots: locals first, then cells, then tables, then knowledge by the id of its term. */
export class Environments {
  readonly universe: Universe;
  readonly base: KnowledgeBase;
  readonly #graph: Graph;
  readonly #firstCell: number;
  readonly #firstTable: number;
  readonly #firstTerm: number;
  readonly #interned = new Map<string, number>();
  readonly #lastNeeded = new Map<Term, number>();

  /** What keeping environments has cost: entries that were copied or looked at. */
  work = 0;

  static readonly empty: Environment = { slots: [], entries: [] };

  constructor(universe: Universe, base: KnowledgeBase, graph: Graph) {
    const { program } = universe;
    this.universe = universe;
    this.base = base;
    this.#graph = graph;
    this.#firstCell = program.locals.length;
    this.#firstTable = this.#firstCell + program.cells.length;
    this.#firstTerm = this.#firstTable + program.tables.length;
  }

  local(environment: Environment, local: number): Term | Formula | VerdictTerm {
    const entry = find(environment, local) as Term | Formula | VerdictTerm | undefined;
    if (entry !== undefined) return entry;
    const type = this.universe.program.locals[local];
    return type === "integer"
      ? this.universe.constant(0n)
      : type === "boolean"
        ? this.universe.no
        : this.universe.verdict(0);
  }

  withLocal(
    environment: Environment,
    local: number,
    value: Term | Formula | VerdictTerm,
    position: number,
  ): Environment {
    // What nobody reads later need not be remembered.
    if (this.#graph.lastRead.locals[local]! <= position) return environment;
    return this.#put(environment, local, value);
  }

  cell(environment: Environment, cell: number): Term {
    return (find(environment, this.#firstCell + cell) as Term | undefined) ?? this.universe.cell(cell);
  }

  withCell(environment: Environment, cell: number, value: Term): Environment {
    return this.#put(environment, this.#firstCell + cell, value);
  }

  table(environment: Environment, table: number): number {
    return find(environment, this.#firstTable + table)?.id ?? 0;
  }

  withTable(environment: Environment, table: number, version: number): Environment {
    return this.#put(environment, this.#firstTable + table, { id: version });
  }

  knowledge(environment: Environment, term: Term): Knowledge {
    return (find(environment, this.#firstTerm + term.id) as Knowledge | undefined) ?? this.base.initial(term);
  }

  withKnowledge(environment: Environment, knowledge: Knowledge): Environment {
    return this.#put(environment, this.#firstTerm + knowledge.term.id, knowledge);
  }

  #put(environment: Environment, slot: number, entry: Entry): Environment {
    this.work += environment.slots.length;
    return put(environment, slot, entry);
  }

  decide(environment: Environment, test: Test): boolean | undefined {
    return this.base.decide(this.knowledge(environment, test.term), test);
  }

  /** Undefined where the test cannot come out so. */
  learn(environment: Environment, test: Test, outcome: boolean): Environment | undefined {
    const learnt = this.base.learn(this.knowledge(environment, test.term), test, outcome);
    return learnt === undefined ? undefined : this.withKnowledge(environment, learnt);
  }

  /** The term's value where the path leaves only one. */
  onlyValue(environment: Environment, term: Term): bigint | undefined {
    if (term.shape.kind === "constant") return term.shape.value;
    return onlyPossible(this.knowledge(environment, term));
  }

  /** Forgets what nothing at this position or after it can ask for, except what is known of `kept`. */
  trim(environment: Environment, position: number, kept: readonly Term[]): Environment {
    const { slots, entries } = environment;
    if (slots.length === 0) return environment;
    this.work += slots.length;
    const { lastRead } = this.#graph;
    const keep: boolean[] = [];
    const used = new Set<Term>(kept);
    let dropped = false;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      if (slot >= this.#firstTerm) break;
      const last =
        slot < this.#firstCell
          ? lastRead.locals[slot]!
          : slot < this.#firstTable
            ? lastRead.cells[slot - this.#firstCell]!
            : lastRead.tables[slot - this.#firstTable]!;
      keep[i] = last >= position;
      if (!keep[i]) dropped = true;
      else if (slot < this.#firstTable) for (const leaf of (entries[i] as Term).leaves) used.add(leaf);
    }
    for (let i = slots.length - 1; i >= 0 && slots[i]! >= this.#firstTerm; i--) {
      const { term } = entries[i] as Knowledge;
      keep[i] = used.has(term) || this.#needed(term) >= position;
      if (!keep[i]) dropped = true;
    }
    if (!dropped) return environment;
    return { slots: slots.filter((_, i) => keep[i]), entries: entries.filter((_, i) => keep[i]) };
  }

  /** The last position that could build this term out of what it is made of. */
  #needed(term: Term): number {
    let needed = this.#lastNeeded.get(term);
    if (needed === undefined) {
      const { lastRead } = this.#graph;
      needed = Number.POSITIVE_INFINITY;
      for (const { shape } of [term, ...term.leaves]) {
        if (shape.kind === "input") needed = Math.min(needed, lastRead.inputs.get(shape.input) ?? -1);
        else if (shape.kind === "cell") needed = Math.min(needed, lastRead.cells[shape.cell]!);
        else if (shape.kind === "observed") needed = Math.min(needed, lastRead.words[shape.word]!);
        else if (shape.kind === "parameter") needed = Math.min(needed, lastRead.parameters[shape.parameter]!);
        else if (shape.kind === "table-get" || shape.kind === "table-has")
          needed = Math.min(needed, lastRead.tables[shape.table]!);
      }
      this.#lastNeeded.set(term, needed);
    }
    return needed;
  }

  /** A number that equal environments share. */
  intern(environment: Environment): number {
    const { slots, entries } = environment;
    if (slots.length === 0) return 0;
    this.work += slots.length;
    let key = "";
    for (let i = 0; i < slots.length; i++) key += `${slots[i]}:${entries[i]!.id};`;
    let id = this.#interned.get(key);
    if (id === undefined) {
      id = this.#interned.size + 1;
      this.#interned.set(key, id);
    }
    return id;
  }
}

function find({ slots, entries }: Environment, slot: number): Entry | undefined {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (slots[middle]! < slot) low = middle + 1;
    else high = middle;
  }
  return slots[low] === slot ? entries[low] : undefined;
}

function put({ slots, entries }: Environment, slot: number, entry: Entry): Environment {
  let at = slots.length;
  while (at > 0 && slots[at - 1]! >= slot) at--;
  if (slots[at] === slot) return { slots, entries: entries.with(at, entry) };
  return { slots: slots.toSpliced(at, 0, slot), entries: entries.toSpliced(at, 0, entry) };
}
