/** Reads an ELF file for x86-64 or arm64: segments, needed libraries, symbols, relocations, and the starts of functions. */

import type { ArchitectureName } from "../../abi/architecture.ts";

export interface Symbol {
  readonly name: string;
  readonly address: number;
  /** False for a symbol that another image has. */
  readonly isDefined: boolean;
}

export interface Relocation {
  readonly at: number;
  readonly type: number;
  readonly symbol: Symbol | undefined;
  readonly addend: number;
}

export interface Segment {
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly isExecutable: boolean;
}

/** By e_machine; the relocations are R_X86_64_… and R_AARCH64_… (elf.h): RELATIVE and IRELATIVE. */
const machines: ReadonlyMap<number, { architecture: ArchitectureName; pointers: ReadonlySet<number> }> = new Map([
  [62, { architecture: "x86_64", pointers: new Set([8, 37]) }],
  [183, { architecture: "aarch64", pointers: new Set([1027, 1032]) }],
]);

/** Undefined if the file is not for an architecture of this module. */
export function architectureOfElf(bytes: Buffer): ArchitectureName | undefined {
  const isElf = bytes.length >= 64 && bytes.readUInt32BE(0) === 0x7f45_4c46;
  if (!isElf || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  return machines.get(bytes.readUInt16LE(18))?.architecture;
}
const tag = {
  needed: 1n,
  pltSize: 2n,
  strings: 5n,
  symbols: 6n,
  rela: 7n,
  relaSize: 8n,
  init: 12n,
  fini: 13n,
  rpath: 15n,
  plt: 23n,
  runpath: 29n,
  relrSize: 35n,
  relr: 36n,
} as const;
const programHeader = { load: 1, dynamic: 2, interpreter: 3, unwind: 0x6474_e550 } as const;
/** ET_EXEC */
const fixedType = 2;
/** SHT_DYNSYM, SHT_SYMTAB */
const [symbolsSection, allSymbolsSection] = [11, 2];
/** STT_FUNC, STT_GNU_IFUNC */
const functionTypes: ReadonlySet<number> = new Set([2, 10]);

export class ElfError extends Error {}

/** Addresses are those of the file, below 2^53. */
export class ElfImage {
  readonly architecture: ArchitectureName;
  readonly file: string;
  readonly bytes: Buffer;
  readonly entry: number;
  /** It is not relocated: addresses are constants in its code and its data. */
  readonly isFixed: boolean;
  readonly segments: readonly Segment[];
  readonly interpreter: string | undefined;
  readonly needed: readonly string[];
  /** Folders of RUNPATH or RPATH, with $ORIGIN as it is. */
  readonly paths: readonly string[];
  readonly symbols: readonly Symbol[];
  readonly relocations: readonly Relocation[];
  /** Sorted. */
  readonly functions: readonly number[];
  /** Where data refers to code, and where the loader begins. */
  readonly pointers: ReadonlySet<number>;
  readonly #indexOf: ReadonlyMap<number, number>;

  /** @throws ElfError */
  constructor(bytes: Buffer, file: string) {
    this.file = file;
    this.bytes = bytes;
    const isElf = bytes.length >= 64 && bytes.readUInt32BE(0) === 0x7f45_4c46;
    if (!isElf) throw new ElfError(`${file} is not an ELF file`);
    const machine = bytes[4] === 2 && bytes[5] === 1 ? machines.get(bytes.readUInt16LE(18)) : undefined;
    if (machine === undefined) throw new ElfError(`${file} is not for x86-64 or arm64`);
    this.architecture = machine.architecture;
    try {
      this.entry = Number(bytes.readBigUInt64LE(24));
      this.isFixed = bytes.readUInt16LE(16) === fixedType;
      const headers = this.#headers();
      this.segments = headers
        .filter(({ type }) => type === programHeader.load)
        .map(({ address, offset, size, flags }) => ({ address, offset, size, isExecutable: (flags & 1) !== 0 }));
      const interpreter = headers.find(({ type }) => type === programHeader.interpreter);
      this.interpreter = interpreter && this.#text(interpreter.offset);
      const dynamic = this.#dynamic(headers.find(({ type }) => type === programHeader.dynamic));
      const one = (wanted: bigint) => dynamic.find(([name]) => name === wanted)?.[1];
      const strings = this.offsetOf(one(tag.strings) ?? -1) ?? 0;
      const texts = (wanted: bigint) =>
        dynamic.flatMap(([name, value]) => (name === wanted ? [this.#text(strings + value)] : []));
      this.needed = texts(tag.needed);
      this.paths = [...texts(tag.runpath), ...texts(tag.rpath)].flatMap((list) => list.split(":"));
      this.symbols = this.#symbols(one(tag.symbols), one(tag.strings), strings);
      const plt = this.#rela(one(tag.plt), one(tag.pltSize));
      this.relocations = [...this.#rela(one(tag.rela), one(tag.relaSize)), ...plt];
      const unwind = headers.find(({ type }) => type === programHeader.unwind);
      const starts = new Set([this.entry, ...this.#unwindStarts(unwind), ...this.#codeSymbols()]);
      if (starts.size === 1)
        throw new ElfError(`${file} has neither symbols nor an unwind table, so its functions are unknown`);
      for (const { address, isDefined } of this.symbols) if (isDefined && this.isCode(address)) starts.add(address);
      for (const start of [one(tag.init), one(tag.fini)])
        if (start !== undefined && this.isCode(start)) starts.add(start);
      this.functions = [...starts].filter((start) => this.isCode(start)).sort((a, b) => a - b);
      this.#indexOf = new Map(this.functions.map((start, index) => [start, index]));
      const pointers = new Set<number>([one(tag.init) ?? 0, one(tag.fini) ?? 0, this.entry]);
      for (const { type, addend } of this.relocations) {
        if (machine.pointers.has(type)) pointers.add(addend);
      }
      for (const value of this.#packed(one(tag.relr), one(tag.relrSize))) pointers.add(value);
      if (this.isFixed) for (const word of this.#words()) if (this.#indexOf.has(word)) pointers.add(word);
      this.pointers = pointers;
    } catch (error) {
      if (error instanceof RangeError) throw new ElfError(`${file} is damaged`);
      throw error;
    }
  }

  isCode(address: number): boolean {
    return this.segments.some((one) => one.isExecutable && address >= one.address && address < one.address + one.size);
  }

  offsetOf(address: number): number | undefined {
    const segment = this.segments.find((one) => address >= one.address && address < one.address + one.size);
    return segment === undefined ? undefined : address - segment.address + segment.offset;
  }

  /** The start of the function that has this address. */
  functionAt(address: number): number | undefined {
    let [from, to] = [0, this.functions.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.functions[middle]! <= address) from = middle + 1;
      else to = middle;
    }
    return this.functions[from - 1];
  }

  /** Up to the next function. */
  code(start: number): Buffer {
    const next = this.functions[this.#indexOf.get(start)! + 1] ?? Number.MAX_SAFE_INTEGER;
    const segment = this.segments.find((one) => start >= one.address && start < one.address + one.size)!;
    const from = start - segment.address + segment.offset;
    return this.bytes.subarray(from, Math.min(segment.offset + segment.size, from + (next - start)));
  }

  #headers(): { type: number; flags: number; offset: number; address: number; size: number }[] {
    const { bytes } = this;
    const [at, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
    return Array.from({ length: count }, (_, index) => {
      const header = at + index * size;
      return {
        type: bytes.readUInt32LE(header),
        flags: bytes.readUInt32LE(header + 4),
        offset: Number(bytes.readBigUInt64LE(header + 8)),
        address: Number(bytes.readBigUInt64LE(header + 16)),
        size: Number(bytes.readBigUInt64LE(header + 32)),
      };
    });
  }

  #dynamic(header: { offset: number; size: number } | undefined): (readonly [bigint, number])[] {
    if (header === undefined) return [];
    const found: (readonly [bigint, number])[] = [];
    for (let at = header.offset; at + 16 <= header.offset + header.size; at += 16) {
      const name = this.bytes.readBigUInt64LE(at);
      if (name === 0n) break;
      found.push([name, Number(this.bytes.readBigUInt64LE(at + 8))]);
    }
    return found;
  }

  #text(offset: number): string {
    return this.bytes.toString("latin1", offset, this.bytes.indexOf(0, offset));
  }

  /** Their number is in no tag: it is in the section's header or, without sections, ends where the strings begin. */
  #symbols(at: number | undefined, end: number | undefined, strings: number): Symbol[] {
    const start = at === undefined ? undefined : this.offsetOf(at);
    if (at === undefined || start === undefined) return [];
    const size = this.#section(symbolsSection)?.size ?? (end !== undefined && end > at ? end - at : 0);
    const symbols: Symbol[] = [];
    for (let entry = start; entry + 24 <= start + size; entry += 24) {
      symbols.push({
        name: this.#text(strings + this.bytes.readUInt32LE(entry)),
        isDefined: this.bytes.readUInt16LE(entry + 6) !== 0,
        address: Number(this.bytes.readBigUInt64LE(entry + 8)),
      });
    }
    return symbols;
  }

  #section(wanted: number): { offset: number; size: number } | undefined {
    const { bytes } = this;
    const [at, size, count] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
    for (let header = at; header < at + size * count && header + 64 <= bytes.length; header += size) {
      if (bytes.readUInt32LE(header + 4) !== wanted) continue;
      return { offset: Number(bytes.readBigUInt64LE(header + 24)), size: Number(bytes.readBigUInt64LE(header + 32)) };
    }
    return undefined;
  }

  /** Functions of the symbol table that programs have until they are stripped. */
  #codeSymbols(): number[] {
    const section = this.#section(allSymbolsSection);
    const found: number[] = [];
    if (section === undefined) return found;
    for (let entry = section.offset; entry + 24 <= section.offset + section.size; entry += 24) {
      const isFunction = functionTypes.has(this.bytes[entry + 4]! & 15);
      if (isFunction && this.bytes.readUInt16LE(entry + 6) !== 0)
        found.push(Number(this.bytes.readBigUInt64LE(entry + 8)));
    }
    return found;
  }

  *#words(): Generator<number> {
    for (const { offset, size } of this.segments) {
      const end = Math.min(offset + size, this.bytes.length);
      for (let at = (offset + 7) & ~7; at + 8 <= end; at += 8) {
        if (this.bytes.readUInt32LE(at + 4) === 0) yield this.bytes.readUInt32LE(at);
      }
    }
  }

  #rela(at: number | undefined, size: number | undefined): Relocation[] {
    const start = at === undefined ? undefined : this.offsetOf(at);
    if (start === undefined || size === undefined) return [];
    const found: Relocation[] = [];
    for (let entry = start; entry + 24 <= start + size; entry += 24) {
      const symbol = this.bytes.readUInt32LE(entry + 12);
      found.push({
        at: Number(this.bytes.readBigUInt64LE(entry)),
        type: this.bytes.readUInt32LE(entry + 8),
        symbol: symbol === 0 ? undefined : this.symbols[symbol],
        addend: Number(this.bytes.readBigInt64LE(entry + 16)),
      });
    }
    return found;
  }

  /** The values at DT_RELR's places: an address, then bitmaps of the 63 words behind it. */
  *#packed(at: number | undefined, size: number | undefined): Generator<number> {
    const start = at === undefined ? undefined : this.offsetOf(at);
    if (start === undefined || size === undefined) return;
    const valueAt = (address: number) => {
      const offset = this.offsetOf(address);
      return offset === undefined ? 0 : Number(this.bytes.readBigUInt64LE(offset));
    };
    let base = 0;
    for (let entry = start; entry + 8 <= start + size; entry += 8) {
      const word = this.bytes.readBigUInt64LE(entry);
      if ((word & 1n) === 0n) {
        yield valueAt(Number(word));
        base = Number(word) + 8;
        continue;
      }
      for (let bit = 1; bit < 64; bit++) if ((word >> BigInt(bit)) & 1n) yield valueAt(base + (bit - 1) * 8);
      base += 63 * 8;
    }
  }

  /** The search table of .eh_frame_hdr, whose entries are relative to it (DW_EH_PE_datarel | DW_EH_PE_sdata4). */
  #unwindStarts(header: { offset: number; address: number; size: number } | undefined): number[] {
    if (header === undefined || this.bytes[header.offset + 3] !== 0x3b) return [];
    const count = this.bytes.readUInt32LE(header.offset + 8);
    const most = Math.min(count, (Math.min(header.size, this.bytes.length) - 12) >> 3);
    return Array.from(
      { length: most },
      (_, index) => header.address + this.bytes.readInt32LE(header.offset + 12 + 8 * index),
    );
  }
}
