/**
 * Register allocation: assigns each value of a body a register or a stack slot. Copies are coalesced where their live ranges
 * do not interfere. The values are then coloured in the order of their first appearance. The context pointer, which arrives
 * in R1, is one of them: where a call stands between it and its last use, it moves to a callee-saved register.
 */
import type { Block, GraphInstruction, Value } from "../graph/graph.ts";
import type { Register } from "../instructions/instruction.ts";
import { contextPointer, type Interference, interference } from "./interference.ts";

export type Place = { readonly register: Register } | { readonly slot: number };

export interface Allocation {
  readonly order: readonly Block[];
  placeOf(value: Value): Place;
  /** The register of the context pointer throughout the body: R1, or one that the body's start copies it to. */
  readonly context: Register;
  /** Registers reserved for spilled values: two where any value is spilled. */
  readonly scratch: readonly Register[];
  /** The number of 8-byte stack slots of spilled values. */
  readonly slots: number;
}

const calleeSaved: readonly Register[] = [6, 7, 8, 9];
const callerSaved: readonly Register[] = [0, 2, 3, 4, 5, 1];

export function allocate(order: readonly Block[]): Allocation {
  const graph = interference(order);
  const hints = registerHints(order);
  for (const attempt of [
    { scratch: [], coalesce: true },
    { scratch: [], coalesce: false },
  ] as const) {
    const assigned = new Assignment(graph, hints, attempt.coalesce, attempt.scratch);
    if (assigned.slots === 0) return { order, scratch: attempt.scratch, ...result(assigned) };
  }
  const scratch: readonly Register[] = [0, 5];
  return { order, scratch, ...result(new Assignment(graph, hints, false, scratch)) };
}

function result(assigned: Assignment): Pick<Allocation, "placeOf" | "context" | "slots"> {
  return { placeOf: (value) => assigned.placeOf(value), context: assigned.context, slots: assigned.slots };
}

/** Registers that save a move: of a call's result and arguments, of the part's parameter, of the returned word. */
function registerHints(order: readonly Block[]): ReadonlyMap<Value, Register> {
  const hints = new Map<Value, Register>();
  const hint = (value: Value | undefined, register: Register): void => {
    if (value !== undefined && !hints.has(value)) hints.set(value, register);
  };
  const visit = (instruction: GraphInstruction): void => {
    if (instruction.kind === "parameter") hint(instruction.destination, 2);
    if (instruction.kind !== "call") return;
    hint(instruction.result, 0);
    instruction.arguments.forEach((argument, index) => {
      const value = "value" in argument ? argument.value : "addressOf" in argument ? argument.addressOf : undefined;
      hint(value, (index + 1) as Register);
    });
  };
  for (const block of order) {
    for (const instruction of block.instructions) visit(instruction);
    const { terminator } = block;
    if (terminator?.kind === "exit" && "value" in terminator.result) hint(terminator.result.value, 0);
    if (terminator?.kind === "finish") hint(terminator.word, 2);
  }
  return hints;
}

class Assignment {
  readonly context: Register;
  slots = 0;
  readonly #graph: Interference;
  /** The representative of each class of coalesced values. */
  readonly #leader = new Map<Value, Value>();
  readonly #neighbours = new Map<Value, Set<Value>>();
  readonly #crossing: Set<Value>;
  readonly #places = new Map<Value, Place>();

  constructor(
    graph: Interference,
    hints: ReadonlyMap<Value, Register>,
    coalesce: boolean,
    scratch: readonly Register[],
  ) {
    this.#graph = graph;
    this.#crossing = new Set(graph.crossing);
    for (const [value, others] of graph.neighbours) this.#neighbours.set(value, coalesce ? new Set(others) : others);
    if (coalesce) for (const { destination, source } of graph.copies) this.#join(destination, source);
    const affinities = this.#affinities();
    const preferred = new Map<Value, Register>();
    for (const [value, register] of hints) {
      const leader = this.#leaderOf(value);
      if (!preferred.has(leader)) preferred.set(leader, register);
    }
    for (const value of graph.values) {
      const leader = this.#leaderOf(value);
      if (!this.#places.has(leader)) this.#places.set(leader, this.#choose(leader, preferred, affinities, scratch));
    }
    const context = this.#places.get(contextPointer);
    this.context = context !== undefined && "register" in context ? context.register : 1;
  }

  placeOf(value: Value): Place {
    const place = this.#places.get(this.#leaderOf(value));
    if (place === undefined) throw new RangeError(`value ${value} is never set`);
    return place;
  }

  #leaderOf(value: Value): Value {
    let leader = value;
    for (let next = this.#leader.get(leader); next !== undefined; next = this.#leader.get(leader)) leader = next;
    return leader;
  }

  #join(a: Value, b: Value): void {
    const [one, other] = [this.#leaderOf(a), this.#leaderOf(b)];
    if (one === other || this.#neighbours.get(one)!.has(other)) return;
    this.#leader.set(other, one);
    const mine = this.#neighbours.get(one)!;
    for (const neighbour of this.#neighbours.get(other)!) {
      mine.add(neighbour);
      const theirs = this.#neighbours.get(neighbour)!;
      theirs.delete(other);
      theirs.add(one);
    }
    if (this.#crossing.has(other)) this.#crossing.add(one);
  }

  /** For each value the values that it is computed from or that are computed from it: sharing their place saves a move. */
  #affinities(): ReadonlyMap<Value, readonly Value[]> {
    const affinities = new Map<Value, Value[]>();
    const add = (value: Value, other: Value): void => {
      const list = affinities.get(value);
      if (list === undefined) affinities.set(value, [other]);
      else list.push(other);
    };
    for (const { destination, source } of [...this.#graph.copies, ...this.#graph.computed]) {
      const [a, b] = [this.#leaderOf(destination), this.#leaderOf(source)];
      if (a === b) continue;
      add(a, b);
      add(b, a);
    }
    return affinities;
  }

  #choose(
    value: Value,
    preferred: ReadonlyMap<Value, Register>,
    affinities: ReadonlyMap<Value, readonly Value[]>,
    scratch: readonly Register[],
  ): Place {
    const registers = new Set<Register>(scratch);
    const slots = new Set<number>();
    for (const neighbour of this.#neighbours.get(value)!) {
      const place = this.#places.get(neighbour);
      if (place === undefined) continue;
      if ("register" in place) registers.add(place.register);
      else slots.add(place.slot);
    }
    const candidates = this.#crossing.has(value)
      ? calleeSaved
      : value === contextPointer
        ? [1 as const]
        : [...callerSaved, ...calleeSaved];
    const free = candidates.filter((register) => !registers.has(register));
    const wanted = [
      preferred.get(value),
      ...(affinities.get(value) ?? []).map((other) => {
        const place = this.#places.get(other);
        return place !== undefined && "register" in place ? place.register : preferred.get(other);
      }),
    ];
    const chosen = wanted.find((register) => register !== undefined && free.includes(register));
    const register = chosen ?? free[0];
    if (register !== undefined) return { register };
    let slot = 0;
    while (slots.has(slot)) slot += 1;
    this.slots = Math.max(this.slots, slot + 1);
    return { slot };
  }
}
