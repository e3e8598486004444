/**
 * Gives each value of a body a register or a place on the stack: linear scan over the blocks in order. The graph has no
 * loops, so a value is alive from its first definition to its last use in that order, and one pass finds that.
 *
 * The context pointer arrives in R1. Where a call stands between it and its last use, it moves to a register that calls
 * keep; else it stays.
 */
import { type Block, endingReads, type GraphInstruction, reads, readsContext, type Value, written } from "./graph.ts";
import type { Register } from "./instruction.ts";

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

interface Interval {
  readonly value: Value;
  from: number;
  to: number;
  /** A value whose register this one would like to have: they are copies of each other. */
  hint: Value | undefined;
  crossesCall: boolean;
}

const kept: readonly Register[] = [6, 7, 8, 9];
const forgotten: readonly Register[] = [0, 2, 3, 4, 5, 1];

export function allocate(order: readonly Block[]): Allocation {
  const plan = measure(order);
  const needsKept = plan.calls.some((call) => call < plan.contextUse);
  const context: Register = needsKept ? 6 : 1;
  const tight = assign(plan, context, []);
  if (tight.slots === 0) return { order, context, scratch: [], ...tight };
  const scratch: readonly Register[] = [0, 5];
  return { order, context, scratch, ...assign(plan, context, scratch) };
}

interface Plan {
  readonly intervals: readonly Interval[];
  /** Positions of calls. */
  readonly calls: readonly number[];
  /** The position of the context's last use, −1 without one. */
  readonly contextUse: number;
}

/** Positions count by 2: an instruction reads at its position and writes one behind it. */
function measure(order: readonly Block[]): Plan {
  const intervals = new Map<Value, Interval>();
  const calls: number[] = [];
  let contextUse = -1;
  let position = 0;
  const touch = (value: Value, at: number): Interval => {
    let interval = intervals.get(value);
    if (interval === undefined) {
      interval = { value, from: at, to: at, hint: undefined, crossesCall: false };
      intervals.set(value, interval);
    }
    interval.to = Math.max(interval.to, at);
    return interval;
  };
  const visit = (instruction: GraphInstruction): void => {
    for (const value of reads(instruction)) touch(value, position);
    // `a = b − a'` must not put a in the register of a', which is read after a has been set to b.
    if (
      instruction.kind === "arithmetic" &&
      "value" in instruction.right &&
      instruction.right.value !== instruction.left
    )
      touch(instruction.right.value, position + 1);
    // The sum goes through the result's register, which must not be the address's.
    if (instruction.kind === "atomic-add") touch(instruction.base, position + 1);
    if (readsContext(instruction)) contextUse = position;
    if (instruction.kind === "call") calls.push(position);
    const value = written(instruction);
    if (value === undefined) return;
    const interval = touch(value, position + 1);
    if (instruction.kind === "copy") {
      interval.hint ??= instruction.source;
      intervals.get(instruction.source)!.hint ??= value;
    } else if (instruction.kind === "arithmetic") interval.hint ??= instruction.left;
  };
  for (const block of order) {
    for (const instruction of block.instructions) {
      visit(instruction);
      position += 2;
    }
    for (const value of endingReads(block.ending)) touch(value, position);
    if (block.ending?.kind === "body" || block.ending?.kind === "finish") contextUse = position;
    position += 2;
  }
  const sorted = [...intervals.values()].sort((a, b) => a.from - b.from || a.value - b.value);
  for (const interval of sorted)
    interval.crossesCall = calls.some((call) => interval.from <= call && interval.to > call);
  return { intervals: sorted, calls, contextUse };
}

function assign(
  plan: Plan,
  context: Register,
  scratch: readonly Register[],
): { placeOf(value: Value): Place; slots: number } {
  const places = new Map<Value, Place>();
  /** The end of the interval that each register holds. */
  const busyUntil = new Map<Register, number>();
  if (plan.contextUse >= 0) busyUntil.set(context, plan.contextUse);
  /** The end of the interval that each slot of the stack holds. */
  const slotBusyUntil: number[] = [];
  for (const interval of plan.intervals) {
    const free = (register: Register): boolean =>
      !scratch.includes(register) && (busyUntil.get(register) ?? -1) <= interval.from - 1;
    const candidates = interval.crossesCall ? kept : [...forgotten, ...kept];
    const wish = interval.hint === undefined ? undefined : places.get(interval.hint);
    const wished =
      wish !== undefined && "register" in wish && candidates.includes(wish.register) ? wish.register : undefined;
    const register = wished !== undefined && free(wished) ? wished : candidates.find(free);
    if (register === undefined) {
      const slot = slotBusyUntil.findIndex((until) => until <= interval.from - 1);
      const taken = slot < 0 ? slotBusyUntil.length : slot;
      places.set(interval.value, { slot: taken });
      slotBusyUntil[taken] = interval.to;
      continue;
    }
    places.set(interval.value, { register });
    busyUntil.set(register, Math.max(busyUntil.get(register) ?? -1, interval.to));
  }
  return {
    slots: slotBusyUntil.length,
    placeOf(value) {
      const place = places.get(value);
      if (place === undefined) throw new RangeError(`value ${value} is never set`);
      return place;
    },
  };
}
