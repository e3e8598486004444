/**
 * The operations on tables: hand-written functions of the eBPF program, which contain its only loops.
 *
 * The verifier checks each at every call, so it must accept a loop without following `capacity` rounds. This works because
 * it knows only the bounds of the position (which comes from memory, or from a hash), and because every round passes
 * `may_goto`, at which it compares states. It would follow a bounded loop round by round, which is impossible for 65,536
 * entries. `may_goto` never ends a search in practice, as 8 Mi rounds exceed every table; if it did, the search would find
 * nothing and an insertion would be refused. Short lists have an ordinary loop of half as many rounds as entries.
 */
import { Code } from "../instructions/code.ts";
import type { EbpfInstruction, Register } from "../instructions/instruction.ts";
import { headerSize, slotBits, slotSize, type TableShape } from "./shape.ts";

/**
 * | operation | R1 | R2 | R3 | gives in R0 |
 * | --- | --- | --- | --- | --- |
 * | find | table | key | | the address of the key, behind which `valueOffset` has the value; 0 where it is absent |
 * | set | table | key | value | 1, or 0 where it is absent and the table is full |
 * | delete | table | key | | nothing |
 */
export interface TableOperation {
  readonly does: "find" | "set" | "delete";
  readonly shape: TableShape;
  /** The location of the three secret words: a byte of an array map's first value. */
  readonly secret: { readonly map: number; readonly offset: number };
}

/** Operations with equal keys are one function. */
export function operationKey({ does, shape }: TableOperation): string {
  return `${does} ${shape.form} ${shape.capacity} ${shape.holdsValues}`;
}

/** The distance from the address of a key to that of its value. */
export function valueOffset(shape: TableShape): number {
  return shape.form === "list" ? 8 * shape.capacity : 8;
}

/** The function's instructions, if the first one is at the index `start` of its program. */
export function operationInstructions(operation: TableOperation, start: number): readonly EbpfInstruction[] {
  const code = new Code();
  if (operation.shape.form === "list") list(code, operation);
  else hashed(code, operation);
  return code.at(start);
}

/**
 * The same, inlined: it has the registers of a call, and continues after itself. For an operation with one call this is
 * shorter, and saves a return, which costs about 20 cycles if the processor must not predict it (SRSO,
 * arch/x86/lib/retpoline.S). Undefined if the operation must be a function: inlined code may use only the caller-saved
 * registers R0 to R5, and no `may_goto`, which takes stack room.
 */
export function inlinedOperation(operation: TableOperation, start: number): readonly EbpfInstruction[] | undefined {
  const { does, shape } = operation;
  if (shape.form !== "list" || shape.capacity > longestFollowed || (does === "set" && shape.holdsValues))
    return undefined;
  const code = new InlinedCode();
  list(code, operation);
  return code.at(start);
}

const [absent, done, end] = ["absent", "done", "end"];

/** The most entries for which the verifier may follow the rounds of a search. */
const longestFollowed = 64;

// ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function list(code: Code, { does, shape }: TableOperation): void {
  const bytes = 8 * shape.capacity;
  // `count` = the size of the keys in bytes; for a deletion, how many will remain. R4 counts down to the first key, and the
  // key that it reaches is so far behind R0 = R1 + R4:
  const ahead = does === "delete" ? 8 : 0;
  const count = does === "set" && shape.holdsValues ? 6 : 3;
  if (does === "delete") {
    code.load(8, count, 1, 0);
    code.arithmetic("subtract", count, { immediate: 1 });
    code.jump("greater", count, { immediate: shape.capacity - 1 }, absent);
    code.move(4, count);
    code.arithmetic("shift-left", 4, { immediate: 3 });
  } else {
    const size = does === "find" ? 4 : count;
    code.load(8, size, 1, 0);
    code.jump("greater", size, { immediate: shape.capacity }, absent);
    code.arithmetic("shift-left", size, { immediate: 3 });
    if (size !== 4) code.move(4, size);
    code.jump("less-signed", 4, { immediate: 8 }, absent);
  }
  code.label("next");
  if (shape.capacity > longestFollowed) code.mayGoto(does === "set" ? "refuse" : absent);
  code.move(0, 1);
  code.arithmetic("add", 0, { register: 4 });
  const needsAddress = shape.holdsValues || does === "delete";
  const found = does === "set" && !needsAddress ? done : "found";
  code.load(8, 5, 0, ahead);
  code.jump("equal", 5, { register: 2 }, found);
  // Two keys at a time. The count is before the first key and is not a key: R4 is at its last then.
  code.load(8, 5, 0, ahead - 8);
  code.jump("equal", 5, { register: 2 }, "below");
  code.arithmetic("subtract", 4, { immediate: 16 });
  code.jump("at-least-signed", 4, { immediate: 8 - ahead }, "next");
  // At the end of the search R4 is less as well.
  code.label("below");
  if (found === done) code.jump("at-least-signed", 4, { immediate: 16 }, done);
  else {
    code.jump("less-signed", 4, { immediate: 16 - ahead }, absent);
    if (needsAddress) code.arithmetic("add", 0, { immediate: -8 });
    code.label("found");
  }
  switch (does) {
    case "find":
      code.exit();
      break;
    case "set":
      if (!needsAddress) break;
      code.store(8, 0, bytes, { register: 3 });
      code.goto(done);
      break;
    case "delete":
      // The last entry replaces the deleted one.
      code.store(8, 1, 0, { register: count });
      code.arithmetic("shift-left", count, { immediate: 3 });
      code.arithmetic("add", count, { register: 1 });
      code.load(8, 5, count, 8);
      code.store(8, 0, 8, { register: 5 });
      if (shape.holdsValues) {
        code.load(8, 5, count, 8 + bytes);
        code.store(8, 0, 8 + bytes, { register: 5 });
      }
      break;
  }
  code.label(absent);
  if (does !== "set") return code.result(0);
  code.jump("greater", count, { immediate: bytes - 8 }, "refuse");
  code.move(0, 1);
  code.arithmetic("add", 0, { register: count });
  code.store(8, 0, 8, { register: 2 });
  if (shape.holdsValues) code.store(8, 0, 8 + bytes, { register: 3 });
  code.arithmetic("shift-right", count, { immediate: 3 });
  code.arithmetic("add", count, { immediate: 1 });
  code.store(8, 1, 0, { register: count });
  code.label(done);
  code.result(1);
  code.label("refuse");
  code.result(0);
}

// ── Open addressing ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The offsets of a slot's parts from the table's start plus the slot's offset. */
const [taken, key, value] = [headerSize, headerSize + 8, headerSize + 16];

/**
 * `slot` = where the key in `from` belongs, by three secret words at R8: ((key ^ a) × b), folded, × c, of which the high
 * bits count. Why that: backend/wasm/tables.ts.
 */
function home(code: Code, shape: TableShape, slot: Register, from: Register, spare: Register): void {
  code.move(slot, from);
  code.load(8, spare, 8, 0);
  code.arithmetic("xor", slot, { register: spare });
  code.load(8, spare, 8, 8);
  code.arithmetic("multiply", slot, { register: spare });
  code.move(spare, slot);
  code.arithmetic("shift-right", spare, { immediate: 32 });
  code.arithmetic("xor", slot, { register: spare });
  code.load(8, spare, 8, 16);
  code.arithmetic("multiply", slot, { register: spare });
  code.arithmetic("shift-right", slot, { immediate: 64 - slotBits(shape) });
}

function hashed(code: Code, { does, shape, secret }: TableOperation): void {
  const bits = slotBits(shape);
  const mask = 2 ** bits - 1;
  const stride = slotSize(shape);
  /** `pointer` = the table + `slot` × the size of a slot. */
  const address = (pointer: Register, slot: Register): void => {
    code.move(pointer, slot);
    code.arithmetic("multiply", pointer, { immediate: stride });
    code.arithmetic("add", pointer, { register: 1 });
  };
  // R4 = the slot in which the key belongs; R0 = the address of the slot that is looked at.
  code.wide(8, { is: "map-value", ...secret });
  home(code, shape, 4, 2, 5);
  code.label("next");
  code.mayGoto(does === "set" ? "refuse" : absent);
  address(0, 4);
  code.load(8, 5, 0, taken);
  code.jump("equal", 5, { immediate: 0 }, absent);
  code.load(8, 5, 0, key);
  code.jump("equal", 5, { register: 2 }, "found");
  code.arithmetic("add", 4, { immediate: 1 });
  code.arithmetic("and", 4, { immediate: mask });
  code.goto("next");
  code.label("found");
  switch (does) {
    case "find":
      code.arithmetic("add", 0, { immediate: key });
      code.exit();
      break;
    case "set":
      if (shape.holdsValues) code.store(8, 0, value, { register: 3 });
      code.result(1);
      break;
    case "delete":
      closeGap(code, shape, address);
      break;
  }
  code.label(absent);
  if (does !== "set") return code.result(0);
  code.load(8, 5, 1, 0);
  code.jump("at-least", 5, { immediate: shape.capacity }, "refuse");
  code.arithmetic("add", 5, { immediate: 1 });
  code.store(8, 1, 0, { register: 5 });
  code.store(8, 0, taken, { immediate: 1 });
  code.store(8, 0, key, { register: 2 });
  if (shape.holdsValues) code.store(8, 0, value, { register: 3 });
  code.result(1);
  code.label("refuse");
  code.result(0);
}

/**
 * R4 is the slot that becomes a hole. Entries up to the next empty slot move back into it, unless an entry would then
 * precede its home slot.
 */
function closeGap(code: Code, shape: TableShape, address: (pointer: Register, slot: Register) => void): void {
  const bits = slotBits(shape);
  const mask = { immediate: 2 ** bits - 1 };
  code.move(3, 4);
  code.label("following");
  code.mayGoto("closed");
  code.arithmetic("add", 4, { immediate: 1 });
  code.arithmetic("and", 4, mask);
  address(0, 4);
  code.load(8, 5, 0, taken);
  code.jump("equal", 5, { immediate: 0 }, "closed");
  // The entry's distance from its home slot, and from the hole.
  code.load(8, 2, 0, key);
  home(code, shape, 6, 2, 5);
  code.move(5, 4);
  code.arithmetic("subtract", 5, { register: 6 });
  code.arithmetic("and", 5, mask);
  code.move(6, 4);
  code.arithmetic("subtract", 6, { register: 3 });
  code.arithmetic("and", 6, mask);
  code.jump("less", 5, { register: 6 }, "following");
  address(7, 3);
  code.store(8, 7, key, { register: 2 });
  if (shape.holdsValues) {
    code.load(8, 5, 0, value);
    code.store(8, 7, value, { register: 5 });
  }
  code.move(3, 4);
  code.goto("following");
  code.label("closed");
  address(7, 3);
  code.store(8, 7, taken, { immediate: 0 });
  code.load(8, 5, 1, 0);
  code.arithmetic("subtract", 5, { immediate: 1 });
  code.store(8, 1, 0, { register: 5 });
}

/** A return becomes a jump to the end. */
class InlinedCode extends Code {
  override exit(): void {
    this.goto(end);
  }

  override at(start: number): readonly EbpfInstruction[] {
    this.dropLast(end);
    this.label(end);
    return super.at(start);
  }
}
