/**
 * Finds an upper bound on the functions that a program and its libraries can reach: by direct calls and jumps, imports
 * by name, and every function whose address is taken in reached code or in data. Bytes that only look like a call add
 * functions.
 */
import type { ElfImage } from "./image.ts";

export interface Site {
  readonly image: ElfImage;
  /** The address of the function. */
  readonly caller: number;
  /** The address of the instruction. */
  readonly at: number;
  readonly isJump: boolean;
}

interface Edge {
  readonly at: number;
  readonly isCall: boolean;
  readonly isJump: boolean;
  /** A function of the image, or the names that a slot of the GOT imports. */
  readonly target: number | undefined;
  readonly slot: number | undefined;
}

export class CallGraph {
  readonly #images: readonly ElfImage[];
  readonly #exports = new Map<string, [ElfImage, number][]>();
  readonly #slots = new Map<ElfImage, Map<number, string>>();
  readonly #edges = new Map<ElfImage, Map<number, Edge[]>>();
  readonly #starts = new Map<ElfImage, ReadonlySet<number>>();
  readonly #reached = new Map<ElfImage, Set<number>>();
  readonly #callers = new Map<ElfImage, Map<number, Site[]>>();
  readonly #taken = new Map<ElfImage, Set<number>>();
  readonly imported = new Set<string>();

  constructor(images: readonly ElfImage[]) {
    this.#images = images;
    for (const image of images) {
      this.#starts.set(image, new Set(image.functions));
      this.#reached.set(image, new Set());
      this.#callers.set(image, new Map());
      this.#taken.set(image, new Set());
      for (const { name, address, isDefined } of image.symbols) {
        if (!isDefined || !image.isCode(address)) continue;
        this.#exports.set(name, [...(this.#exports.get(name) ?? []), [image, address]]);
      }
      const slots = new Map<number, string>();
      for (const { at, symbol } of image.relocations) if (symbol !== undefined) slots.set(at, symbol.name);
      this.#slots.set(image, slots);
    }
    for (const image of images) this.#edges.set(image, this.#edgesOf(image));
    this.#reach();
  }

  isReached(image: ElfImage, start: number): boolean {
    return this.#reached.get(image)!.has(start);
  }

  reachedIn(image: ElfImage): ReadonlySet<number> {
    return this.#reached.get(image)!;
  }

  callersOf(image: ElfImage, start: number): readonly Site[] {
    return this.#callers.get(image)!.get(start) ?? [];
  }

  /** Whether a call through a pointer can reach it. */
  isTaken(image: ElfImage, start: number): boolean {
    return this.#taken.get(image)!.has(start);
  }

  #reach(): void {
    const rest: [ElfImage, number][] = [];
    const add = (image: ElfImage, start: number) => {
      const reached = this.#reached.get(image)!;
      if (reached.has(start)) return;
      reached.add(start);
      rest.push([image, start]);
    };
    const take = (image: ElfImage, start: number) => {
      this.#taken.get(image)!.add(start);
      add(image, start);
    };
    for (const image of this.#images) {
      for (const pointer of image.pointers) if (this.#starts.get(image)!.has(pointer)) take(image, pointer);
      // The loader copies data of another image here.
      for (const { type, symbol } of image.relocations) {
        if (symbol === undefined || type === jumpSlot || type === globalData) continue;
        for (const [other, start] of this.#exports.get(symbol.name) ?? []) take(other, start);
      }
    }
    for (const [image, start] of rest) {
      for (const edge of this.#edges.get(image)!.get(start) ?? []) {
        const site = { image, caller: start, at: edge.at, isJump: edge.isJump };
        for (const [other, target] of this.#targets(image, edge)) {
          if (edge.isCall || edge.isJump) {
            const callers = this.#callers.get(other)!;
            callers.set(target, [...(callers.get(target) ?? []), site]);
            add(other, target);
          } else take(other, target);
        }
      }
    }
  }

  /** The names that a slot imports, directly or through a stub of the PLT. */
  #targets(image: ElfImage, { target, slot }: Edge): readonly (readonly [ElfImage, number])[] {
    if (slot === undefined) return target === undefined ? [] : [[image, target]];
    const name = this.#slots.get(image)!.get(slot);
    if (name === undefined) return [];
    this.imported.add(name);
    return this.#exports.get(name) ?? [];
  }

  /** Instructions by their function. */
  #edgesOf(image: ElfImage): Map<number, Edge[]> {
    const edges = new Map<number, Edge[]>();
    const starts = this.#starts.get(image)!;
    const slots = this.#slots.get(image)!;
    for (const { address, offset, size, isExecutable } of image.segments) {
      if (!isExecutable) continue;
      const code = image.bytes.subarray(offset, offset + size);
      const stubs = stubsIn(code, address, slots);
      const add = (at: number, edge: Omit<Edge, "at">) => {
        const owner = image.functionAt(at);
        if (owner === undefined) return;
        const list = edges.get(owner);
        if (list === undefined) edges.set(owner, [{ at, ...edge }]);
        else list.push({ at, ...edge });
      };
      for (let at = 0; at + 6 <= code.length; at++) {
        if (image.isFixed && starts.has(code.readUInt32LE(at))) {
          add(address + at, { isCall: false, isJump: false, target: code.readUInt32LE(at), slot: undefined });
        }
        const byte = code[at]!;
        const here = address + at;
        if (byte === 0xe8 || byte === 0xe9) {
          const target = here + 5 + code.readInt32LE(at + 1);
          const slot = stubs.get(target);
          const kind = { isCall: byte === 0xe8, isJump: byte === 0xe9 };
          if (slot !== undefined) add(here, { ...kind, target: undefined, slot });
          else if (starts.has(target)) add(here, { ...kind, target, slot: undefined });
        } else if (byte === 0x0f && (code[at + 1]! & 0xf0) === 0x80) {
          const target = here + 6 + code.readInt32LE(at + 2);
          if (starts.has(target)) add(here, { isCall: false, isJump: true, target, slot: undefined });
        } else if (byte === 0xff && (code[at + 1] === 0x15 || code[at + 1] === 0x25)) {
          const slot = here + 6 + code.readInt32LE(at + 2);
          if (slots.has(slot))
            add(here, { isCall: code[at + 1] === 0x15, isJump: code[at + 1] === 0x25, target: undefined, slot });
        } else if ((byte === 0x8d || byte === 0x8b) && (code[at + 1]! & 0xc7) === 0x05) {
          // lea takes a function's address; mov loads an entry of the GOT
          const target = here + 6 + code.readInt32LE(at + 2);
          if (byte === 0x8d && starts.has(target)) add(here, { isCall: false, isJump: false, target, slot: undefined });
          if (byte === 0x8b && slots.has(target))
            add(here, { isCall: false, isJump: false, target: undefined, slot: target });
        }
      }
    }
    return edges;
  }
}

/** R_X86_64_… (elf.h): relocations of slots of the GOT that only code reads. */
const [globalData, jumpSlot] = [6, 7];

/** Slots of `jmp *slot(%rip)`, with or without endbr64 before it, by the address that is called. */
function stubsIn(code: Buffer, address: number, slots: ReadonlyMap<number, string>): Map<number, number> {
  const stubs = new Map<number, number>();
  for (let at = code.indexOf(0xff); at >= 0 && at + 6 <= code.length; at = code.indexOf(0xff, at + 1)) {
    if (code[at + 1] !== 0x25) continue;
    const slot = address + at + 6 + code.readInt32LE(at + 2);
    if (!slots.has(slot)) continue;
    stubs.set(address + at, slot);
    const hasPrefix = code[at - 1] === 0xf2;
    const start = at - (hasPrefix ? 5 : 4);
    if (start >= 0 && code.readUInt32BE(start) === 0xf30f_1efa) stubs.set(address + start, slot);
  }
  return stubs;
}
