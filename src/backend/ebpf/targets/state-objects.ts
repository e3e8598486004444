/**
 * The layout of a policy's state for the kernel's seccomp programs: in state objects of each thread, each process and the
 * whole tree (`struct seccomp_ebpf_state`), which start as zeros and are copied, fresh or shared at a fork. State of the
 * tree that exceeds an object is in an array map; its tables, except the smallest, are the kernel's hash maps, which have a
 * secret seed of their own.
 *
 * Three things need work:
 *
 * - *Initial words.* Memory starts as zeros, so a word in memory is the cell's minus its initial word.
 * - *Phases with a map* (`onFork: { listening: "worker" }`). The kernel copies but cannot map, so the child maps in its
 *   first evaluation, when a mark that is fresh at a fork is 0 and one that is copied is not. The body that judges the fork
 *   does the same first, so a child never passes on an unmapped phase.
 * - *Consistency of the maps.* The kernel's lock protects the objects, so a program with such maps has a tree's object, and
 *   with it the tree's lock.
 */
import type { Program, Scope } from "../../../ir/program.ts";
import type { CellPlace, MemoryTable } from "../lower/target.ts";
import { type TableShape, tableSize } from "../tables/shape.ts";
import type { MapField, StateObject } from "./storage.ts";

/** SECCOMP_EBPF_STATE_MAX: the maximum size of an object in bytes. */
export const largestObject = 4096;

/** The region in the array map. */
export const treeMapRegion = "tree map";

/** A tree's table of at most this capacity is a list with an unrolled search; others are hash maps. */
const largestTreeList = 8;

/** The tables that are maps, by their index. */
export function mappedTables({ tables }: Pick<Program, "tables">): readonly number[] {
  return tables.flatMap(({ scope, capacity }, index) =>
    scope === "tree" && capacity > largestTreeList ? [index] : [],
  );
}

export interface StatePlaces {
  readonly objects: readonly StateObject[];
  /** The value of the array map; size 0 if there is no such map. */
  readonly treeMap: { readonly size: number; readonly fields: readonly MapField[] };
  /** Indexes of the tables that are maps. */
  readonly mapTables: readonly number[];
  cell(index: number): CellPlace;
  /** Undefined for tables in maps. */
  table(index: number): MemoryTable | undefined;
  /** The cells of thread or process state that a fork maps, and the marks for them. */
  readonly mapped: readonly MappedPhases[];
}

export interface MappedPhases {
  readonly scope: Scope;
  readonly cells: readonly number[];
  /** Not 0 in a task after its first evaluation, and in its children. */
  readonly copied: { readonly region: string; readonly offset: number };
  /** Not 0 in a task after its first evaluation. */
  readonly fresh: { readonly region: string; readonly offset: number };
}

/** The state exceeds an object. */
export class ObjectTooLargeError extends Error {
  readonly region: string;
  readonly size: number;
  constructor(region: string, size: number) {
    super(`${region}: ${size} bytes`);
    this.region = region;
    this.size = size;
  }
}

interface GrowingObject {
  readonly object: Omit<StateObject, "size" | "fields">;
  size: number;
  readonly fields: MapField[];
}

/** `needsTree`: whether the tree must have an object, to count living processes. Throws an ObjectTooLargeError. */
export function placeState(program: Program, needsTree: boolean): StatePlaces {
  const growing = new Map<string, GrowingObject>();
  const objectOf = (scope: Scope, fork: "copy" | "fresh"): string => {
    const region = scope === "tree" ? "tree" : `${scope} ${fork === "copy" ? "copied" : "fresh"}`;
    if (!growing.has(region)) {
      const object = { name: region.replace(" ", "_"), scope, fork: scope === "tree" ? ("share" as const) : fork };
      growing.set(region, { object, size: 0, fields: [] });
    }
    return region;
  };
  const put = (region: string, name: string, words: number): number => {
    const into = growing.get(region)!;
    const offset = into.size;
    into.size += 8 * words;
    into.fields.push({ name, offset, size: 8, ...(words > 1 ? { count: words } : {}) });
    return offset;
  };

  const treeMap = { size: 0, fields: [] as MapField[] };
  /** In the object if there is room, else in the map. */
  const placeInTree = (name: string, bytes: number): { region: string; offset: number } => {
    const region = objectOf("tree", "copy");
    if (growing.get(region)!.size + bytes <= largestObject) return { region, offset: put(region, name, bytes / 8) };
    const offset = treeMap.size;
    treeMap.size += bytes;
    treeMap.fields.push({ name, offset, size: 8, ...(bytes > 8 ? { count: bytes / 8 } : {}) });
    return { region: treeMapRegion, offset };
  };

  const cells = program.cells.map(({ name, scope, onFork, initial }): CellPlace => {
    if (scope === "tree") return { ...placeInTree(name, 8), bias: initial };
    const region = objectOf(scope, onFork === "fresh" ? "fresh" : "copy");
    return { region, offset: put(region, name, 1), bias: initial };
  });
  const mapTables = mappedTables(program);
  const tables = program.tables.map((table, index): MemoryTable | undefined => {
    const shape: TableShape = { form: "list", capacity: table.capacity, holdsValues: table.holdsValues };
    const size = tableSize(shape);
    if (mapTables.includes(index)) return undefined;
    if (table.scope === "tree") return { in: "memory", ...placeInTree(table.name, size), shape };
    const region = objectOf(table.scope, table.onFork);
    return { in: "memory", region, offset: put(region, table.name, size / 8), shape };
  });
  const mapped = (["thread", "process"] as const).flatMap((scope): MappedPhases[] => {
    const ofScope = program.cells.flatMap((cell, index) =>
      cell.scope === scope && typeof cell.onFork === "object" ? [index] : [],
    );
    if (ofScope.length === 0) return [];
    const mark = (fork: "copy" | "fresh") => {
      const region = objectOf(scope, fork);
      return { region, offset: put(region, `evaluated_${fork}`, 1) };
    };
    return [{ scope, cells: ofScope, copied: mark("copy"), fresh: mark("fresh") }];
  });
  if (needsTree || treeMap.size > 0 || mapTables.length > 0) {
    const region = objectOf("tree", "copy");
    if (growing.get(region)!.size === 0) put(region, "reserved", 1);
  }
  for (const [region, { size }] of growing) if (size > largestObject) throw new ObjectTooLargeError(region, size);
  const objects = [...growing.values()].map(({ object, size, fields }) => ({ ...object, size, fields }));
  return { objects, treeMap, mapTables, cell: (index) => cells[index]!, table: (index) => tables[index], mapped };
}

/** The kernel's index of an object. */
export function objectIndex({ objects }: StatePlaces, region: string): number {
  return objects.findIndex(({ name }) => name === region.replace(" ", "_"));
}
