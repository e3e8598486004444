/**
 * Finds the evaluations that need exclusive access to their state.
 *
 * An evaluation that accesses shared state at most once on every path is atomic by that access: a load, a store of 64 bits,
 * or an atomic addition. Any other must hold the lock, and so must every evaluation of the same state: one that only reads
 * could otherwise see `x` between two stores of another and `y` from before both.
 */

import type { LoweredBody } from "./bodies.ts";
import { type Block, reversePostorder, successors, type Value } from "./graph/graph.ts";
import type { EbpfTarget } from "./lower/target.ts";
import type { BodyUse } from "./lower/uses.ts";

/** Returns the bodies that are lowered without the lock and must hold it. */
export function lockedBodies(bodies: readonly LoweredBody[], target: EbpfTarget): ReadonlySet<LoweredBody> {
  const items = new Map(bodies.map((body) => [body, sharedItems(body.use, target)]));
  const guarded = new Set<string>();
  for (const body of bodies) if (mostAccesses(body, target) > 1) for (const item of items.get(body)!) guarded.add(item);
  return new Set(bodies.filter((body) => [...items.get(body)!].some((item) => guarded.has(item))));
}

function sharedItems({ program, cells, tables }: BodyUse, target: EbpfTarget): ReadonlySet<string> {
  const items = new Set<string>();
  for (const cell of cells) if (target.isShared(target.cell(program, cell).region)) items.add(`cell ${cell}`);
  for (const table of tables) {
    const place = target.table(program, table);
    if (!("in" in place) || place.in === "map" || target.isShared(place.region)) items.add(`table ${table}`);
  }
  return items;
}

/** The most accesses to shared memory on a path. An operation on a table is many accesses. */
function mostAccesses({ use, builder }: LoweredBody, target: EbpfTarget): number {
  if ([...sharedItems(use, target)].some((item) => item.startsWith("table"))) return 2;
  const bases = new Set<Value>();
  for (const [region, { base }] of builder.state)
    if (target.isShared(region) && typeof base === "number") bases.add(base);
  const behind = new Map<Block, number>();
  for (const block of reversePostorder(builder.entry).reverse()) {
    const accesses = block.instructions.filter(
      (instruction) =>
        (instruction.kind === "load" || instruction.kind === "store" || instruction.kind === "atomic-add") &&
        typeof instruction.base === "number" &&
        bases.has(instruction.base),
    ).length;
    behind.set(block, accesses + Math.max(0, ...successors(block).map((next) => behind.get(next)!)));
  }
  return behind.get(builder.entry)!;
}
