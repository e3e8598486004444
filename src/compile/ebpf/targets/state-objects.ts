/**
 * Where a policy's state lies on the kernel's seccomp programs: in objects that the kernel keeps for each thread, each
 * process and the whole tree (`struct seccomp_ebpf_state`), which start as zeros and are copied, started afresh or shared
 * at a fork. What is too much of the tree's for an object lies in an array map; its tables, all but the smallest, are the
 * kernel's hash maps, which have a seed of their own that nobody knows.
 *
 * Three things do not come for free:
 *
 * - *Initial words.* Memory starts as zeros, so a word in memory is the cell's less its initial word.
 * - *Phases with a map* (`onFork: { listening: "worker" }`). The kernel copies and cannot map, so the child maps, in its
 *   first evaluation: a mark that the fork leaves fresh is 0 there, one that it copies is not. The fork itself is judged
 *   by a body that does the same first, so a child never passes on what it has not mapped.
 * - *Consistency of the maps.* The kernel's lock is held for the objects, so a program with such maps has a tree's
 *   object, and with it the tree's lock.
 */
import type { Program, Scope } from "../../../ir/program.ts";
import { type TableShape, tableSize } from "../tables/shape.ts";
import type { MapField, StateObject } from "./storage.ts";
import type { CellPlace, MemoryTable } from "./target.ts";

/** SECCOMP_EBPF_STATE_MAX: the bytes of an object at most. */
const largestObject = 4096;

/** The region of what lies in the array map. */
export const treeMapRegion = "tree map";

/** A tree's table that is no larger is a list, written out where it is used; others are hash maps. */
const largestTreeList = 8;

export interface StatePlaces {
  readonly objects: readonly StateObject[];
  /** The array map's one value; size 0 where there is no such map. */
  readonly treeMap: { readonly size: number; readonly fields: readonly MapField[] };
  /** Indexes of the tables that are maps of their own. */
  readonly mapTables: readonly number[];
  cell(index: number): CellPlace;
  /** Undefined for those in maps. */
  table(index: number): MemoryTable | undefined;
  /** The cells of a thread's or a process's state that a fork maps, and the marks by which a child knows itself. */
  readonly mapped: readonly MappedPhases[];
}

export interface MappedPhases {
  readonly scope: Scope;
  readonly cells: readonly number[];
  /** Not 0 in whoever has evaluated once, and in its children. */
  readonly copied: { readonly region: string; readonly offset: number };
  /** Not 0 in whoever has evaluated once. */
  readonly fresh: { readonly region: string; readonly offset: number };
}

/** More than an object holds. */
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

/** `needsTree`: whether there must be a tree's object, for its count of the living. Throws an ObjectTooLargeError. */
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
  /** In the object where there is room, else in the map. */
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
  const mapTables: number[] = [];
  const tables = program.tables.map((table, index): MemoryTable | undefined => {
    const shape: TableShape = { form: "list", capacity: table.capacity, holdsValues: table.holdsValues };
    const size = tableSize(shape);
    if (table.scope === "tree" && table.capacity > largestTreeList) {
      mapTables.push(index);
      return undefined;
    }
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

/** The index by which the kernel knows an object. */
export function objectIndex({ objects }: StatePlaces, region: string): number {
  return objects.findIndex(({ name }) => name === region.replace(" ", "_"));
}
