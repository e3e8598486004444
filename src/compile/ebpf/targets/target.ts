/**
 * What the code generator must know of the place where a program will run. One generator serves all targets; a construct
 * that a target cannot express is a `TargetError` that names the target and the reason.
 */
import type { Location } from "../../../ir/location.ts";
import type { Input, Program } from "../../../ir/program.ts";
import type { BodyBuilder } from "../graph/builder.ts";
import type { GraphOperand, Value } from "../graph/graph.ts";
import type { TableShape } from "../tables/shape.ts";
import type { BodyUse } from "../uses.ts";

export interface EbpfTarget {
  readonly name: string;
  /** Instruction set version: 3 has 32-bit jumps, 4 (kernel 6.6) sign extension and signed division. */
  readonly processor: 3 | 4;
  /** Where the context has an input; undefined where `open` reads it in another way, if at all. */
  readonly context: { readonly [I in Input]?: { readonly offset: number; readonly size: 4 | 8 } };
  /** `arch` of `struct seccomp_data`. */
  readonly architectureOffset: number;
  /** The smallest part of a context word that may be loaded by itself, in bytes. */
  readonly smallestContextLoad: 1 | 4;
  /** How many instructions a program may have; a wide one counts twice. Absent: what jumps reach. */
  readonly mostInstructions?: number;
  /** Whether operations on tables may be functions with loops. Otherwise they are written out where they are used. */
  readonly functions: boolean;

  /** What stands for a verdict (an index into `Program.verdicts`): at most 56 bits, of which the program returns 32. */
  word(program: Program, verdict: number): bigint;
  /** What it returns for numbers that are never judged: 32 bits, unsigned. */
  readonly always: number;
  /** Stands for the refusal of unknown numbers and foreign ABIs. */
  readonly refused: bigint;
  /** Where evaluations that do not end in a plain allow go before they return. */
  readonly epilogue?: {
    /** Whether it must be passed with this word. */
    wants(word: bigint): boolean;
    lower(builder: BodyBuilder, word: Value): void;
  };
  /** Decides some calls before the policy is asked, and goes on where it does not. */
  before?(builder: BodyBuilder, program: Program, number: number): void;

  /**
   * Makes state and inputs reachable. Asked at the start of each body that needs any; `use.locked` says whether the body
   * must have its state for itself.
   */
  open(builder: BodyBuilder, use: BodyUse): void;
  /** Whether a body asks how many are alive and keeps a place for a child: one step, for which it must hold the lock. */
  keepsPlaceForChild?(use: BodyUse): boolean;
  /** Whether the lock, where any evaluation needs one, is held by all of them from the outside. */
  readonly lockedAsAWhole: boolean;
  /** Undoes what `open` did under `use.locked`, in front of each exit of such a body. */
  close?(builder: BodyBuilder, use: BodyUse): void;
  /** Whether other threads may work on this piece of state memory meanwhile. */
  isShared(region: string): boolean;
  cell(program: Program, cell: number): CellPlace;
  /** Where the word of a parameter stands: in a frozen map's value, so that the verifier knows it. */
  parameter(parameter: number): { readonly map: number; readonly offset: number };
  /** A word of an observation; absent where the target cannot read behind pointers. */
  observed?(builder: BodyBuilder, program: Program, word: number): Value;
  /** Where a table is, or why this target has none. */
  table(program: Program, table: number): MemoryTable | MapTable | { readonly impossible: string };
  /** With `functions`: the address of the three secret words that hashed tables use (`table-operations.ts`). */
  readonly tableSecret?: { readonly map: number; readonly offset: number };
  report(
    builder: BodyBuilder,
    report: number,
    values: readonly GraphOperand[],
    at: Location | undefined,
    program: Program,
  ): void;
}

export interface CellPlace {
  /** The target's name for a piece of state memory. */
  readonly region: string;
  readonly offset: number;
  /** The word in memory is the cell's less this: memory that starts as zeros then starts as the cell does. */
  readonly bias: bigint;
}

/** In state memory, behind what `cell` gives. */
export interface MemoryTable {
  readonly in: "memory";
  readonly region: string;
  readonly offset: number;
  readonly shape: TableShape;
}

/** A hash map of the kernel's, with keys and values of 8 bytes. Everybody works on it. */
export interface MapTable {
  readonly in: "map";
  /** An index into the program's maps. */
  readonly map: number;
}

/** A construct that a target cannot express. */
export class TargetError extends Error {
  readonly target: string;
  readonly what: string;
  readonly reason: string;
  readonly at: Location | undefined;
  constructor(target: Pick<EbpfTarget, "name">, what: string, reason: string, at?: Location) {
    super(`target ${target.name}: ${what}: ${reason}`);
    this.name = "TargetError";
    this.target = target.name;
    this.what = what;
    this.reason = reason;
    this.at = at;
  }
}
