/**
 * Gives each value of a body a register or a place on the stack. Values that are copies of each other share one where they
 * can; then the values are taken in the order in which they are met, and each gets a register that no value has that is
 * needed at the same time. The context pointer, which arrives in R1, is one of them: where a call stands between it and its
 * last use, it moves to a register that calls keep.
 */
import type { Block, GraphInstruction, Value } from "./graph.ts";
import type { Register } from "./instruction.ts";
import { contextPointer, type Interference, interference } from "./interference.ts";

export type Place = { readonly register: Register } | { readonly slot: number };

export interface Allocation {
  readonly order: readonly Block[];
  placeOf(value: Value): Place;
  /** Where the context pointer is throughout the body: R1, or a register that the body's start copies it to. */
  readonly context: Register;
  /** Registers for values that come from the stack, two where anything lies there. */
  readonly scratch: readonly Register[];
  /** How many 8-byte slots of the stack the values take. */
  readonly slots: number;
}

const kept: readonly Register[] = [6, 7, 8, 9];
const forgotten: readonly Register[] = [0, 2, 3, 4, 5, 1];

export function allocate(order: readonly Block[]): Allocation {
  const graph = interference(order);
  const wishes = registerWishes(order);
  for (const attempt of [
    { scratch: [], coalesce: true },
    { scratch: [], coalesce: false },
  ] as const) {
    const assigned = new Assignment(graph, wishes, attempt.coalesce, attempt.scratch);
    if (assigned.slots === 0) return { order, scratch: attempt.scratch, ...result(assigned) };
  }
  const scratch: readonly Register[] = [0, 5];
  return { order, scratch, ...result(new Assignment(graph, wishes, false, scratch)) };
}

function result(assigned: Assignment): Pick<Allocation, "placeOf" | "context" | "slots"> {
  return { placeOf: (value) => assigned.placeOf(value), context: assigned.context, slots: assigned.slots };
}

/** In which register a value would be of use as it is: what a call returns, what it is given, what the part gets. */
function registerWishes(order: readonly Block[]): ReadonlyMap<Value, Register> {
  const wishes = new Map<Value, Register>();
  const wish = (value: Value | undefined, register: Register): void => {
    if (value !== undefined && !wishes.has(value)) wishes.set(value, register);
  };
  const visit = (instruction: GraphInstruction): void => {
    if (instruction.kind === "parameter") wish(instruction.destination, 2);
    if (instruction.kind !== "call") return;
    wish(instruction.result, 0);
    instruction.arguments.forEach((argument, index) => {
      const value = "value" in argument ? argument.value : "addressOf" in argument ? argument.addressOf : undefined;
      wish(value, (index + 1) as Register);
    });
  };
  for (const block of order) {
    for (const instruction of block.instructions) visit(instruction);
    const { ending } = block;
    if (ending?.kind === "exit" && "value" in ending.result) wish(ending.result.value, 0);
    if (ending?.kind === "finish") wish(ending.word, 2);
  }
  return wishes;
}

class Assignment {
  readonly context: Register;
  slots = 0;
  readonly #graph: Interference;
  /** The value that stands for each class of values that share a place. */
  readonly #leader = new Map<Value, Value>();
  readonly #neighbours = new Map<Value, Set<Value>>();
  readonly #crossing: Set<Value>;
  readonly #places = new Map<Value, Place>();

  constructor(
    graph: Interference,
    wishes: ReadonlyMap<Value, Register>,
    coalesce: boolean,
    scratch: readonly Register[],
  ) {
    this.#graph = graph;
    this.#crossing = new Set(graph.crossing);
    for (const [value, others] of graph.neighbours) this.#neighbours.set(value, coalesce ? new Set(others) : others);
    if (coalesce) for (const { destination, source } of graph.copies) this.#join(destination, source);
    const hints = this.#hints();
    const wished = new Map<Value, Register>();
    for (const [value, register] of wishes) {
      const leader = this.#leaderOf(value);
      if (!wished.has(leader)) wished.set(leader, register);
    }
    for (const value of graph.values) {
      const leader = this.#leaderOf(value);
      if (!this.#places.has(leader)) this.#places.set(leader, this.#choose(leader, wished, hints, scratch));
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

  /** Values in whose place this one would like to be: it is computed from them, or they from it. */
  #hints(): ReadonlyMap<Value, readonly Value[]> {
    const hints = new Map<Value, Value[]>();
    const add = (value: Value, hint: Value): void => {
      const list = hints.get(value);
      if (list === undefined) hints.set(value, [hint]);
      else list.push(hint);
    };
    for (const { destination, source } of [...this.#graph.copies, ...this.#graph.computed]) {
      const [a, b] = [this.#leaderOf(destination), this.#leaderOf(source)];
      if (a === b) continue;
      add(a, b);
      add(b, a);
    }
    return hints;
  }

  #choose(
    value: Value,
    wished: ReadonlyMap<Value, Register>,
    hints: ReadonlyMap<Value, readonly Value[]>,
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
      ? kept
      : value === contextPointer
        ? [1 as const]
        : [...forgotten, ...kept];
    const free = candidates.filter((register) => !registers.has(register));
    const likes = [
      wished.get(value),
      ...(hints.get(value) ?? []).map((hint) => {
        const place = this.#places.get(hint);
        return place !== undefined && "register" in place ? place.register : wished.get(hint);
      }),
    ];
    const liked = likes.find((register) => register !== undefined && free.includes(register));
    const register = liked ?? free[0];
    if (register !== undefined) return { register };
    let slot = 0;
    while (slots.has(slot)) slot += 1;
    this.slots = Math.max(this.slots, slot + 1);
    return { slot };
  }
}
