/**
 * An eBPF interpreter for tests. It counts instructions and refuses what the verifier would refuse: reads of unset
 * registers, memory accesses out of bounds, and backward jumps, except to a `may_goto`, to a return, or in a function
 * on a condition (the search of a table).
 */

import { type EnteredRoom, withEntered } from "../../../ir/evaluation.ts";
import { maximumHalf } from "../../../linux/word.ts";
import type { EbpfInstruction, MemorySize, Operand, Register } from "../instructions/instruction.ts";
import { arithmetic, conditionHolds } from "../instructions/semantics.ts";
import { Budget, matchTexts } from "./match-texts.ts";

export interface EbpfMachine {
  readonly context: Uint8Array;
  readonly maps: readonly {
    /** The values in sequence; for a hash map, at the indexes in `keys`. */
    readonly bytes: Uint8Array;
    readonly valueSize: number;
    /** For a hash map: the value's index by the 8-byte key. */
    readonly keys?: Map<bigint, number>;
  }[];
  /** Permits backward jumps, for code of another compiler. */
  readonly loops?: boolean;
  /** The environment of a seccomp program; undefined for other program types. */
  readonly kernel?: SeccompKernel;
}

export interface SeccompKernel {
  /** The caller's state objects, by index; undefined if the program is not attached. */
  readonly states: readonly Uint8Array[] | undefined;
  readonly now: bigint;
  /** tgid << 32 | pid. */
  readonly who: bigint;
  /** gid << 32 | uid. */
  readonly owner: bigint;
  readonly alive: number;
  entered?: readonly EnteredRoom[];
  /** Set if the program has reserved a place for a child. */
  expectsChild?: boolean;
  /** Records submitted to the ring buffer; more than `mostRecords` do not fit. */
  readonly records: Uint8Array[];
  readonly mostRecords: number;
  /** The copies of declared arguments by their register: those that this call passes. */
  readonly copies?: ReadonlyMap<number, ModelledCopy>;
}

export interface ModelledCopy {
  readonly parts: readonly Uint8Array[];
  /** How many bytes of a part the filter has declared. */
  readonly size: number;
  /** An error of the three functions in the place of all: the caller is not dumpable. */
  readonly hidden?: boolean;
}

export interface EbpfRun {
  /** R0's low 32 bits, unsigned. */
  readonly result: number;
  readonly executed: number;
}

const stackSize = 512;
/** Addresses are artificial: each region has its own upper bits, so arithmetic cannot lead to another region. */
const regionShift = 40n;
const contextRegion = 1n;
const stackRegion = 2n;
const firstMapRegion = 16n;
/** State objects, then reserved records. */
const firstStateRegion = 1n << 16n;
const firstRecordRegion = 1n << 17n;
/** Copies of arguments, each as long as the program asked for. */
const firstCopyRegion = 1n << 18n;
/** MAX_CALL_FRAMES (include/linux/bpf_verifier.h). */
const maximumFrames = 8;

export function runEbpf(instructions: readonly EbpfInstruction[], machine: EbpfMachine): EbpfRun {
  const stack = new Uint8Array(stackSize);
  let registers: (bigint | undefined)[] = new Array(11).fill(undefined);
  const frames: { readonly registers: (bigint | undefined)[]; readonly back: number }[] = [];
  registers[1] = contextRegion << regionShift;
  registers[10] = (stackRegion << regionShift) + BigInt(stackSize);

  const read = (register: Register): bigint => {
    const value = registers[register];
    if (value === undefined) throw new Error(`R${register} is read before it is set`);
    return value;
  };
  const operand = (source: Operand): bigint =>
    "register" in source ? read(source.register) : BigInt.asUintN(64, BigInt(source.immediate));
  const memory = (address: bigint, size: MemorySize): { view: DataView; at: number } => {
    const region = address >> regionShift;
    const offset = Number(address & ((1n << regionShift) - 1n));
    const bytes =
      region === contextRegion
        ? machine.context
        : region === stackRegion
          ? stack
          : region >= firstCopyRegion
            ? copies[Number(region - firstCopyRegion)]
            : region >= firstRecordRegion
              ? reserved.get(region)
              : region >= firstStateRegion
                ? machine.kernel?.states?.[Number(region - firstStateRegion)]
                : machine.maps[Number(region - firstMapRegion)]?.bytes;
    if (region === contextRegion && machine.kernel !== undefined) checkCallAccess(offset, size);
    if (bytes === undefined || offset + size > bytes.length)
      throw new Error(`no ${size} bytes at ${address.toString(16)}`);
    return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: offset };
  };
  const load = (address: bigint, size: MemorySize): bigint => {
    const { view, at } = memory(address, size);
    if (size === 8) return view.getBigUint64(at, true);
    return BigInt(size === 4 ? view.getUint32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at));
  };
  const store = (address: bigint, size: MemorySize, value: bigint): void => {
    if (address >> regionShift === contextRegion && machine.kernel !== undefined)
      throw new Error("seccomp_data is read only");
    if (address >> regionShift >= firstCopyRegion) throw new Error("the copy of an argument is read only");
    const { view, at } = memory(address, size);
    if (size === 8) view.setBigUint64(at, value, true);
    else if (size === 4) view.setUint32(at, Number(value & maximumHalf), true);
    else if (size === 2) view.setUint16(at, Number(value & 0xffffn), true);
    else view.setUint8(at, Number(value & 0xffn));
  };
  const mapAddress = (map: number, offset: number): bigint =>
    ((firstMapRegion + BigInt(map)) << regionShift) + BigInt(offset);
  /** Helper 1, bpf_map_lookup_elem. */
  const lookup = (): bigint => {
    const map = Number((read(1) >> regionShift) - firstMapRegion);
    const { bytes, valueSize, keys } = machine.maps[map]!;
    const index = keys === undefined ? Number(load(read(2), 4)) : keys.get(load(read(2), 8));
    if (index === undefined) return 0n;
    return (index + 1) * valueSize > bytes.length ? 0n : mapAddress(map, index * valueSize);
  };

  const reserved = new Map<bigint, Uint8Array>();
  let nextRecord = firstRecordRegion;
  /** Helpers 131 and 132, bpf_ringbuf_reserve and bpf_ringbuf_submit. */
  const reserve = (kernel: SeccompKernel): bigint => {
    if (kernel.records.length + reserved.size >= kernel.mostRecords) return 0n;
    // The kernel does not clear a record, so the program must write all of it.
    reserved.set(nextRecord, new Uint8Array(Number(read(2))).fill(0xee));
    nextRecord += 1n;
    return (nextRecord - 1n) << regionShift;
  };
  const submit = (kernel: SeccompKernel): undefined => {
    const record = reserved.get(read(1) >> regionShift);
    if (record === undefined || (read(1) & ((1n << regionShift) - 1n)) !== 0n)
      throw new Error("no record is submitted");
    kernel.records.push(record);
    reserved.delete(read(1) >> regionShift);
  };
  /** Helper 2, bpf_map_update_elem, of a hash map with values of 8 bytes. */
  const update = (): bigint => {
    const { bytes, keys } = machine.maps[Number((read(1) >> regionShift) - firstMapRegion)]!;
    const key = load(read(2), 8);
    const taken = new Set(keys!.values());
    let index = keys!.get(key) ?? 0;
    while (!keys!.has(key) && taken.has(index)) index += 1;
    if (8 * index >= bytes.length) return BigInt.asUintN(64, -7n);
    keys!.set(key, index);
    new BigUint64Array(bytes.buffer)[index] = load(read(3), 8);
    return 0n;
  };
  /** Helper 3, bpf_map_delete_elem, of a hash map. */
  const remove = (): bigint => {
    const { keys } = machine.maps[Number((read(1) >> regionShift) - firstMapRegion)]!;
    return keys!.delete(load(read(2), 8)) ? 0n : BigInt.asUintN(64, -2n);
  };
  const callHelper = (helper: number): bigint | undefined => {
    const { kernel } = machine;
    if (held !== undefined && helper !== 94) throw new Error(`helper ${helper} is called under the lock`);
    if (helper === 1) return lookup();
    if (helper === 2) return update();
    if (helper === 3) return remove();
    if (kernel === undefined && (helper === 93 || helper === 94)) return lockOrUnlock(helper === 93);
    if (kernel !== undefined && helper === 5) return kernel.now;
    if (kernel !== undefined && helper === 131) return reserve(kernel);
    if (kernel !== undefined && helper === 132) return submit(kernel);
    throw new Error(`helper ${helper} is not known here`);
  };
  const copies: Uint8Array[] = [];
  let matched: Budget | undefined;
  /** `bpf_seccomp_arg()` and the two functions about lengths (kernel/patches). */
  const part = ({ copies: all }: SeccompKernel): bigint => {
    const [copy, index, size] = [all?.get(Number(read(1))), Number(read(2)), Number(read(3))];
    const text = copy?.parts[index];
    if (copy === undefined || text === undefined || copy.hidden === true || size > copy.size) return 0n;
    copies.push(laidOut(copy.parts, index, size));
    return (firstCopyRegion + BigInt(copies.length - 1)) << regionShift;
  };
  /** `bpf_seccomp_arg_match()`. */
  const match = ({ copies: all }: SeccompKernel): bigint => {
    const [argument, index, offset, map, at] = [read(1), read(2), read(3), read(4), read(5)];
    const copy = all?.get(Number(argument));
    if (copy === undefined || copy.hidden === true) return BigInt.asUintN(64, copy === undefined ? -2n : -1n);
    const table = machine.maps[Number((map >> regionShift) - firstMapRegion)]!.bytes.subarray(Number(at));
    const isAll = BigInt.asUintN(32, index) === maximumHalf;
    const texts = (isAll ? copy.parts : copy.parts.slice(Number(index), Number(index) + 1))
      .filter(({ length }) => length >= Number(offset))
      .map((one) => one.subarray(Number(offset)));
    matched ??= new Budget();
    return BigInt.asUintN(64, matchTexts(table, texts, matched));
  };
  const count = ({ copies: all }: SeccompKernel, ofPart: boolean): bigint => {
    const copy = all?.get(Number(read(1)));
    if (copy?.hidden === true) return BigInt.asUintN(64, -1n);
    const length = ofPart ? copy?.parts[Number(read(2))]?.length : copy?.parts.length;
    return BigInt.asUintN(64, BigInt(length ?? -2));
  };
  const callKernel = (name: string): bigint => {
    const { kernel } = machine;
    switch (kernel === undefined ? "" : name) {
      case "bpf_seccomp_state": {
        const [index, size] = [Number(read(1)), Number(read(2))];
        const state = kernel!.states?.[index];
        return state === undefined || size > state.length ? 0n : (firstStateRegion + BigInt(index)) << regionShift;
      }
      case "bpf_seccomp_pid_tgid":
        return kernel!.who;
      case "bpf_seccomp_uid_gid":
        return kernel!.owner;
      case "bpf_seccomp_alive":
        return kernel!.states?.[Number(read(1))] === undefined ? 0n : BigInt(kernel!.alive);
      case "bpf_seccomp_expect_child":
        if (kernel!.states?.[Number(read(1))] === undefined) return 0n;
        kernel!.expectsChild = true;
        return BigInt(kernel!.alive);
      case "bpf_seccomp_enter": {
        const next = { room: Number(read(1)), side: Number(read(2)) };
        const entered = withEntered(kernel!.entered ?? [], next);
        if (entered !== undefined) kernel!.entered = entered;
        // An int: the upper half of the register has no meaning.
        return entered === undefined ? 0x1234_5678_ffff_ffean : 0x1234_5678_0000_0000n;
      }
      case "bpf_seccomp_arg":
        return part(kernel!);
      case "bpf_seccomp_arg_match":
        return match(kernel!);
      case "bpf_seccomp_arg_len":
        return count(kernel!, true);
      case "bpf_seccomp_arg_parts":
        return count(kernel!, false);
      default:
        throw new Error(`kernel function ${name} is not known here`);
    }
  };

  let held: bigint | undefined;
  /** Helpers 93 and 94, bpf_spin_lock and bpf_spin_unlock: they return nothing. */
  const lockOrUnlock = (lock: boolean): undefined => {
    if ((lock ? undefined : read(1)) !== held) throw new Error(lock ? "a lock inside a lock" : "not this lock is held");
    held = lock ? read(1) : undefined;
  };

  let executed = 0;
  for (let next = 0; ; ) {
    const instruction = instructions[next];
    if (instruction === undefined) throw new Error(`control leaves the program at ${next}`);
    executed += 1;
    const jump = (target: number): void => {
      // Searches in lists jump back and terminate; the kernel's seccomp programs have none.
      const isBounded = machine.kernel === undefined && instruction.kind === "jump";
      if (target <= next && machine.loops !== true && !isBounded && !mayBeBehind(instructions, target))
        throw new Error(`${next} jumps back to ${target}`);
      next = target;
    };
    switch (instruction.kind) {
      case "arithmetic": {
        const { destination, operator, width } = instruction;
        if (destination === 10) throw new Error("R10 is written");
        const left = operator === "move" ? 0n : read(destination);
        registers[destination] = arithmetic(operator, width, left, operand(instruction.source));
        next += 1;
        break;
      }
      case "negate":
        registers[instruction.destination] = BigInt.asUintN(instruction.width, -read(instruction.destination));
        next += 1;
        break;
      case "sign-extend":
        registers[instruction.destination] = BigInt.asUintN(
          64,
          BigInt.asIntN(instruction.from, read(instruction.source)),
        );
        next += 1;
        break;
      case "wide": {
        const { value } = instruction;
        registers[instruction.destination] =
          value.is === "value" ? value.value : mapAddress(value.map, value.is === "map" ? 0 : value.offset);
        next += 1;
        break;
      }
      case "load":
        registers[instruction.destination] = load(
          read(instruction.base) + BigInt(instruction.offset),
          instruction.size,
        );
        next += 1;
        break;
      case "store":
        store(read(instruction.base) + BigInt(instruction.offset), instruction.size, operand(instruction.source));
        next += 1;
        break;
      case "atomic-add": {
        const address = read(instruction.base) + BigInt(instruction.offset);
        const old = load(address, instruction.size);
        store(address, instruction.size, BigInt.asUintN(64, old + read(instruction.source)));
        if (instruction.fetch) registers[instruction.source] = old;
        next += 1;
        break;
      }
      case "jump": {
        const { condition, width } = instruction;
        if (conditionHolds(condition, width, read(instruction.left), operand(instruction.right)))
          jump(instruction.target);
        else next += 1;
        break;
      }
      case "jump-always":
        jump(instruction.target);
        break;
      case "may-goto":
        next += 1;
        break;
      case "call-local": {
        if (frames.length + 1 >= maximumFrames) throw new Error("too many calls in each other");
        frames.push({ registers, back: next + 1 });
        // A function sees only its arguments; ours use no stack.
        registers = registers.map((register, index) => (index >= 1 && index <= 5 ? register : undefined));
        next = instruction.target;
        break;
      }
      case "call-helper": {
        forgetArguments(registers, callHelper(instruction.helper));
        next += 1;
        break;
      }
      case "call-kernel":
        forgetArguments(registers, callKernel(instruction.function));
        next += 1;
        break;
      case "exit": {
        const result = read(0);
        const frame = frames.pop();
        if (frame === undefined) {
          if (held !== undefined) throw new Error("the lock is still held");
          if (reserved.size > 0) throw new Error("a record is neither submitted nor discarded");
          return { result: Number(result & maximumHalf), executed };
        }
        ({ registers, back: next } = frame);
        forgetArguments(registers, result);
      }
    }
  }
}

/** Behind the end of a part, up to a multiple of 8, are zeros; then the next one. */
function laidOut(parts: readonly Uint8Array[], first: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const text of parts.slice(first)) {
    if (at >= size) break;
    bytes.set(text.subarray(0, size - at), at);
    at += (text.length + 8) & ~7;
  }
  return bytes;
}

/** Fields of `struct seccomp_data` are loaded whole; those of 64 bits also by halves. */
function checkCallAccess(offset: number, size: MemorySize): void {
  if (!(size === 4 && offset % 4 === 0) && !(size === 8 && offset % 8 === 0 && offset >= 8))
    throw new Error(`seccomp_data has no field of ${size} bytes at ${offset}`);
}

function mayBeBehind(instructions: readonly EbpfInstruction[], target: number): boolean {
  const instruction = instructions[target];
  return (
    instruction?.kind === "may-goto" ||
    (instruction?.kind === "arithmetic" && instructions[target + 1]?.kind === "exit")
  );
}

/** The registers after a call: the result in R0, and R1 … R5 unset. */
function forgetArguments(registers: (bigint | undefined)[], result: bigint | undefined): void {
  for (const register of [1, 2, 3, 4, 5]) registers[register] = undefined;
  registers[0] = result;
}
