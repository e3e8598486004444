/**
 * The description of a target for the code generator. One generator serves all targets; a construct that a target
 * cannot express is a `TargetError` with the target and the reason.
 */

import type { Input } from "../../../ir/inputs.ts";
import type { Location } from "../../../ir/location.ts";
import type { Program } from "../../../ir/program.ts";
import type { BodyBuilder } from "../graph/builder.ts";
import type { GraphOperand, Value } from "../graph/graph.ts";
import type { TableShape } from "../tables/shape.ts";
import type { ContextField } from "./seccomp-data.ts";
import type { BodyUse } from "./uses.ts";

export interface EbpfTarget {
  readonly name: string;
  /** Instruction set version: 3 has 32-bit jumps, 4 (kernel 6.6) sign extension and signed division. */
  readonly processor: 3 | 4;
  /** The offset of an input in the context; undefined if `open` reads it, or if it is not available. */
  readonly context: { readonly [I in Input]?: ContextField };
  /** `arch` of `struct seccomp_data`. */
  readonly architectureOffset: number;
  /** The smallest separately loadable part of a context word, in bytes. */
  readonly smallestContextLoad: 1 | 4;
  /** The most instructions of a program; a wide one counts twice. Absent: the reach of jumps is the limit. */
  readonly mostInstructions?: number;
  /** Whether operations on tables may be functions with loops. Otherwise they are unrolled. */
  readonly functions: boolean;

  /** The word of a verdict (an index into `Program.verdicts`): at most 56 bits, of which the program returns 32. */
  word(program: Program, verdict: number): bigint;
  /** The return word for numbers that are never judged: 32 bits, unsigned. */
  readonly always: number;
  /** The word for the refusal of unknown numbers and foreign ABIs. */
  readonly refused: bigint;
  /** Evaluations that do not end in a plain allow go here before they return. */
  readonly epilogue?: {
    /** Whether a verdict with this word must pass it. */
    wants(word: bigint): boolean;
    lower(builder: BodyBuilder, word: Value): void;
  };
  /** Allows some calls before the policy, and continues for the others. Not for calls that the policy always allows. */
  before?(builder: BodyBuilder, program: Program, number: number): void;

  /**
   * Makes state and inputs accessible. Called at the start of each body that needs any; `use.locked` says whether the
   * body needs exclusive state.
   */
  open(builder: BodyBuilder, use: BodyUse): void;
  /** Whether a body counts living processes and reserves a place for a child, which is one step under the lock. */
  keepsPlaceForChild?(use: BodyUse): boolean;
  /** Whether all evaluations hold the lock from the outside if any needs it. */
  readonly lockedAsAWhole: boolean;
  /** Undoes the effect of `open` under `use.locked`, before each exit of such a body. */
  close?(builder: BodyBuilder, use: BodyUse): void;
  /** Whether other threads may access this region of state memory at the same time. */
  isShared(region: string): boolean;
  cell(program: Program, cell: number): CellPlace;
  /** The location of a parameter's word: in a frozen map's value, so that the verifier knows it. */
  parameter(parameter: number): { readonly map: number; readonly offset: number };
  /** A word of an observation, in a body; absent if the target cannot read behind pointers. */
  observed?(builder: BodyBuilder, program: Program, word: number, use: Pick<BodyUse, "numbers" | "sources">): Value;
  /** The location of a table, or the reason why this target cannot have it. */
  table(program: Program, table: number): MemoryTable | MapTable | { readonly impossible: string };
  /** With `functions`: the address of the three secret words of hashed tables (`tables/operations.ts`). */
  readonly tableSecret?: { readonly map: number; readonly offset: number };
  /** Enters a side of a room. Of the result the low 32 bits count: other than 0 where `Room.late` is raised. */
  enter(builder: BodyBuilder, room: number, side: number, program: Program): Value;
  report(
    builder: BodyBuilder,
    report: number,
    values: readonly GraphOperand[],
    at: Location | undefined,
    program: Program,
  ): void;
}

export interface CellPlace {
  /** The target's name of the region of state memory. */
  readonly region: string;
  readonly offset: number;
  /** The word in memory is the cell's minus this, so that memory of zeros is the initial state. */
  readonly bias: bigint;
}

/** A table in state memory, after the cells. */
export interface MemoryTable {
  readonly in: "memory";
  readonly region: string;
  readonly offset: number;
  readonly shape: TableShape;
}

/** A hash map of the kernel's with 8-byte keys and values, which is always shared. */
export interface MapTable {
  readonly in: "map";
  /** An index into the program's maps. */
  readonly map: number;
}

interface TargetErrorOptions {
  /** What to change, so that the target can express it; absent if only another engine can. */
  readonly change?: string | undefined;
  readonly at?: Location | undefined;
}

/** A construct that a target cannot express. */
export class TargetError extends Error {
  readonly target: string;
  readonly what: string;
  readonly reason: string;
  readonly change: string | undefined;
  readonly at: Location | undefined;
  constructor(target: Pick<EbpfTarget, "name">, what: string, reason: string, { change, at }: TargetErrorOptions) {
    super(`target ${target.name}: ${what}: ${reason}`);
    this.name = "TargetError";
    this.target = target.name;
    this.what = what;
    this.reason = reason;
    this.change = change;
    this.at = at;
  }
}
