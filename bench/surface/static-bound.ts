/**
 * The calls that a server's code can make, by disassembly of its program, its libraries, and the modules in the
 * recordings.
 */
import { existsSync } from "node:fs";
import { loadDisassembler } from "../../src/propose/elf/disassembler.ts";
import { findStaticBound, type StaticBound } from "../../src/propose/elf/static-bound.ts";
import type { PhaseCalls } from "./columns.ts";
import type { Server } from "./server.ts";

/** Undefined if the disassembler is not installed. */
export async function boundOf({ program }: Server, { libraries }: PhaseCalls): Promise<StaticBound | undefined> {
  const disassembler = await loadDisassembler();
  return disassembler && findStaticBound(program, disassembler, [...libraries].filter(existsSync));
}

/** A bound compared with the recordings. */
export interface Comparison {
  /** The number of calls in the bound or recorded. */
  readonly possible: number;
  readonly neverRecorded: readonly string[];
  /** Recorded calls from code that the bound does not resolve or does not know. */
  readonly notInBound: readonly string[];
  /** 1 − init/possible and 1 − serving/possible, in per cent; the phases are as recorded. */
  readonly reduction: number;
  readonly servingReduction: number;
}

export function compareWithBound(bound: Pick<StaticBound, "calls">, { calls }: Pick<PhaseCalls, "calls">): Comparison {
  const { init, serving } = calls;
  const recorded = new Set([...init.keys(), ...serving.keys()]);
  const possible = new Set([...bound.calls, ...recorded]).size;
  const reduction = (part: number) => 100 * (1 - part / possible);
  return {
    possible,
    neverRecorded: bound.calls.filter((name) => !recorded.has(name)),
    notInBound: [...recorded].filter((name) => !bound.calls.includes(name)).sort(),
    reduction: reduction(init.size),
    servingReduction: reduction(serving.size),
  };
}
