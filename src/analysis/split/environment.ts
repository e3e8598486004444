/**
 * The facts of a path at a place: the values of locals and cells, the contents of tables by version, and knowledge of
 * terms. Environments are immutable, sorted by slot, and interned, so equal ones are one object and a place that is
 * reached twice with equal facts is explored once.
 */
import { firstNotBelow } from "./binary-search.ts";
import type { Graph } from "./graph.ts";
import { type Knowledge, type KnowledgeBase, onlyPossible } from "./knowledge.ts";
import type { Formula, Term, TermPool, Test, VerdictTerm } from "./terms.ts";

type Entry = Term | Formula | VerdictTerm | Knowledge | { readonly id: number };

export interface Environment {
  readonly slots: readonly number[];
  readonly entries: readonly Entry[];
}

/** Slots: locals first, then cells, then tables, then knowledge by the id of its term. */
export class Environments {
  readonly pool: TermPool;
  readonly base: KnowledgeBase;
  readonly #graph: Graph;
  readonly #firstCell: number;
  readonly #firstTable: number;
  readonly #firstTerm: number;
  readonly #interned = new Map<string, number>();
  readonly #lastNeeded = new Map<Term, number>();

  /** The cost so far: entries that were copied or read. */
  work = 0;

  static readonly empty: Environment = { slots: [], entries: [] };

  constructor(pool: TermPool, base: KnowledgeBase, graph: Graph) {
    const { program } = pool;
    this.pool = pool;
    this.base = base;
    this.#graph = graph;
    this.#firstCell = program.locals.length;
    this.#firstTable = this.#firstCell + program.cells.length;
    this.#firstTerm = this.#firstTable + program.tables.length;
  }

  local(environment: Environment, local: number): Term | Formula | VerdictTerm {
    const entry = find(environment, local) as Term | Formula | VerdictTerm | undefined;
    if (entry !== undefined) return entry;
    const type = this.pool.program.locals[local];
    return type === "integer" ? this.pool.constant(0n) : type === "boolean" ? this.pool.no : this.pool.verdict(0);
  }

  withLocal(
    environment: Environment,
    local: number,
    value: Term | Formula | VerdictTerm,
    position: number,
  ): Environment {
    // A value without a later read need not be stored.
    if (this.#graph.lastRead.locals[local]! <= position) return environment;
    return this.#put(environment, local, value);
  }

  cell(environment: Environment, cell: number): Term {
    return (find(environment, this.#firstCell + cell) as Term | undefined) ?? this.pool.cell(cell);
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

  /** Undefined if the test cannot have this outcome. */
  learn(environment: Environment, test: Test, outcome: boolean): Environment | undefined {
    const learnt = this.base.learn(this.knowledge(environment, test.term), test, outcome);
    return learnt === undefined ? undefined : this.withKnowledge(environment, learnt);
  }

  /** The term's value, if the path leaves only one. */
  onlyValue(environment: Environment, term: Term): bigint | undefined {
    if (term.shape.kind === "constant") return term.shape.value;
    return onlyPossible(this.knowledge(environment, term));
  }

  /** Drops facts that no statement from this position on can use, except those about `retained`. */
  trim(environment: Environment, position: number, retained: readonly Term[]): Environment {
    const { slots, entries } = environment;
    if (slots.length === 0) return environment;
    this.work += slots.length;
    const { lastRead } = this.#graph;
    const keep: boolean[] = [];
    const used = new Set<Term>(retained);
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

  /** The last position that can build this term from its leaves. */
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

  /** Equal environments have the same number. */
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
  const at = firstNotBelow(slots, slot);
  return slots[at] === slot ? entries[at] : undefined;
}

function put({ slots, entries }: Environment, slot: number, entry: Entry): Environment {
  let at = slots.length;
  while (at > 0 && slots[at - 1]! >= slot) at--;
  if (slots[at] === slot) return { slots, entries: entries.with(at, entry) };
  return { slots: slots.toSpliced(at, 0, slot), entries: entries.toSpliced(at, 0, entry) };
}
