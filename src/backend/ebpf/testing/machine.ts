/**
 * The machine of the interpreter for tests: its memory, in regions with artificial addresses, and the model of the kernel
 * that a seccomp program sees.
 */

import { maximumHalf } from "../../../abi/word.ts";
import type { EnteredRoom } from "../../../ir/evaluation.ts";
import type { MemorySize } from "../instructions/instruction.ts";

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
  /** The program is attached with `SECCOMP_EBPF_LOCK`. */
  readonly locked: boolean;
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

const stackSize = 512;
/** Each region has its own upper bits, so arithmetic cannot lead from one region to another. */
const regionShift = 40n;
const offsetMask = (1n << regionShift) - 1n;
const contextRegion = 1n;
const stackRegion = 2n;
const firstMapRegion = 16n;
/** State objects, then reserved records. */
const firstStateRegion = 1n << 16n;
const firstRecordRegion = 1n << 17n;
/** Copies of arguments, each as long as the program asked for. */
const firstCopyRegion = 1n << 18n;

export const contextAddress = contextRegion << regionShift;
export const stackTop = (stackRegion << regionShift) + BigInt(stackSize);

/** The region of `address`, counted from `first`, and the offset in the region. */
const placeIn = (address: bigint, first: bigint): { readonly index: number; readonly offset: number } => ({
  index: Number((address >> regionShift) - first),
  offset: Number(address & offsetMask),
});

export class MachineMemory {
  readonly #machine: EbpfMachine;
  readonly #stack = new Uint8Array(stackSize);
  readonly #reserved = new Map<bigint, Uint8Array>();
  #nextRecord = firstRecordRegion;
  readonly #copies: Uint8Array[] = [];

  constructor(machine: EbpfMachine) {
    this.#machine = machine;
  }

  load(address: bigint, size: MemorySize): bigint {
    const { view, at } = this.#view(address, size);
    if (size === 8) return view.getBigUint64(at, true);
    return BigInt(size === 4 ? view.getUint32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at));
  }

  store(address: bigint, size: MemorySize, value: bigint): void {
    const region = address >> regionShift;
    if (region === contextRegion && this.#machine.kernel !== undefined) throw new Error("seccomp_data is read only");
    if (region >= firstCopyRegion) throw new Error("the copy of an argument is read only");
    const { view, at } = this.#view(address, size);
    if (size === 8) view.setBigUint64(at, value, true);
    else if (size === 4) view.setUint32(at, Number(value & maximumHalf), true);
    else if (size === 2) view.setUint16(at, Number(value & 0xffffn), true);
    else view.setUint8(at, Number(value & 0xffn));
  }

  mapAddress(map: number, offset: number): bigint {
    return ((firstMapRegion + BigInt(map)) << regionShift) + BigInt(offset);
  }

  /** The map that the register of a helper refers to. */
  mapOf(register: bigint): { readonly index: number; readonly map: EbpfMachine["maps"][number] } {
    const { index } = placeIn(register, firstMapRegion);
    return { index, map: this.#machine.maps[index]! };
  }

  stateAddress(index: number): bigint {
    return (firstStateRegion + BigInt(index)) << regionShift;
  }

  /** Records that are neither submitted nor discarded. */
  get openRecords(): number {
    return this.#reserved.size;
  }

  reserveRecord(size: number): bigint {
    // The kernel does not clear a record, so the program must write all of it.
    this.#reserved.set(this.#nextRecord, new Uint8Array(size).fill(0xee));
    return this.#nextRecord++ << regionShift;
  }

  /** The record at this address, which is no longer reserved; undefined if there is none. */
  takeRecord(address: bigint): Uint8Array | undefined {
    const region = address >> regionShift;
    const record = (address & offsetMask) === 0n ? this.#reserved.get(region) : undefined;
    this.#reserved.delete(region);
    return record;
  }

  addCopy(bytes: Uint8Array): bigint {
    this.#copies.push(bytes);
    return (firstCopyRegion + BigInt(this.#copies.length - 1)) << regionShift;
  }

  #view(address: bigint, size: MemorySize): { view: DataView; at: number } {
    const region = address >> regionShift;
    const offset = Number(address & offsetMask);
    if (region === contextRegion && this.#machine.kernel !== undefined) checkCallAccess(offset, size);
    const bytes = this.#region(region);
    if (bytes === undefined || offset + size > bytes.length)
      throw new Error(`no ${size} bytes at ${address.toString(16)}`);
    return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: offset };
  }

  #region(region: bigint): Uint8Array | undefined {
    if (region === contextRegion) return this.#machine.context;
    if (region === stackRegion) return this.#stack;
    if (region >= firstCopyRegion) return this.#copies[Number(region - firstCopyRegion)];
    if (region >= firstRecordRegion) return this.#reserved.get(region);
    if (region >= firstStateRegion) return this.#machine.kernel?.states?.[Number(region - firstStateRegion)];
    return this.#machine.maps[Number(region - firstMapRegion)]?.bytes;
  }
}

/** Fields of `struct seccomp_data` are loaded whole; those of 64 bits also by halves. */
function checkCallAccess(offset: number, size: MemorySize): void {
  if (!(size === 4 && offset % 4 === 0) && !(size === 8 && offset % 8 === 0 && offset >= 8))
    throw new Error(`seccomp_data has no field of ${size} bytes at ${offset}`);
}
