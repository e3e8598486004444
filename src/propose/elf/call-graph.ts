/**
 * Finds an upper bound on the functions that a program and its libraries can reach: by direct calls and jumps, imports
 * by name, and every function whose address is taken in reached code or in data. Bytes that only look like a call add
 * functions.
 */
import type { ElfImage } from "./image.ts";
import type { Edge, Machine } from "./machine.ts";

export interface Site {
  readonly image: ElfImage;
  /** The start of the function. */
  readonly caller: number;
  /** The address of the instruction. */
  readonly at: number;
  readonly isJump: boolean;
}

export class CallGraph {
  readonly #machine: Machine;
  readonly #images: readonly ElfImage[];
  readonly #exports = new Map<string, [ElfImage, number][]>();
  readonly #slots = new Map<ElfImage, Map<number, string>>();
  readonly #edges = new Map<ElfImage, Map<number, Edge[]>>();
  readonly #starts = new Map<ElfImage, ReadonlySet<number>>();
  readonly #reached = new Map<ElfImage, Set<number>>();
  readonly #callers = new Map<ElfImage, Map<number, Site[]>>();
  readonly #taken = new Map<ElfImage, Set<number>>();
  readonly imported = new Set<string>();

  constructor(machine: Machine, images: readonly ElfImage[]) {
    this.#machine = machine;
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

  /** The calls that other files make of what one exports by this name; also its own, if there is only one file. */
  callersOfExport(name: string): readonly Site[] {
    const isAlone = this.#images.length === 1;
    return (this.#exports.get(name) ?? []).flatMap(([image, start]) =>
      this.callersOf(image, start).filter((site) => isAlone || site.image !== image),
    );
  }

  /** Whether it can be called by a pointer. */
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
        if (symbol === undefined || this.#machine.readByCode.has(type)) continue;
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

  /** The name that a slot imports, directly or through a stub of the PLT. */
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
    const [starts, slots] = [this.#starts.get(image)!, this.#slots.get(image)!];
    for (const { address, offset, size, isExecutable } of image.segments) {
      if (!isExecutable) continue;
      const code = image.bytes.subarray(offset, offset + size);
      for (const edge of this.#machine.edgesIn({ code, address, starts, slots, isFixed: image.isFixed })) {
        const owner = image.functionAt(edge.at);
        if (owner === undefined) continue;
        const list = edges.get(owner);
        if (list === undefined) edges.set(owner, [edge]);
        else list.push(edge);
      }
    }
    return edges;
  }
}
