/**
 * What the code generator must know of the place where a program will run. One generator serves all targets; a construct
 * that a target cannot express is a `TargetError` that names the target and the reason.
 */
import type { Input, Location, Program, Scope } from "../../ir/program.ts";
import type { BodyBuilder } from "./builder.ts";
import type { GraphOperand } from "./graph.ts";
import type { TableShape } from "./table-shape.ts";

export interface EbpfTarget {
  readonly name: string;
  /** Instruction set version: 3 has 32-bit jumps, 4 (kernel 6.6) sign extension and signed division. */
  readonly processor: 3 | 4;
  /** Where the context has an input, or undefined where it is had in another way (`input`). */
  readonly context: { readonly [I in Input]?: { readonly offset: number; readonly size: 4 | 8 } };
  /** `arch` of `struct seccomp_data`. */
  readonly architectureOffset: number;
  /** Whether a part of a context word may be loaded by itself. */
  readonly narrowContextLoads: boolean;
  /** What the program returns for a verdict (an index into `Program.verdicts`): 32 bits, unsigned. */
  result(program: Program, verdict: number): number;
  /** What it returns for numbers that are never judged, and for unknown ones and foreign ABIs: 32 bits, unsigned. */
  readonly always: number;
  readonly refused: number;
  /** How state is reached. Asked at the start of each body for the scopes that the body touches. */
  openState(builder: BodyBuilder, scopes: ReadonlySet<Scope>): void;
  /** Undoes what `openState` did (a lock), in front of each exit of such a body. */
  closeState?(builder: BodyBuilder): void;
  cell(program: Program, cell: number): { readonly scope: Scope; readonly offset: number };
  /** Where a table is, or why this target has none. */
  table(program: Program, table: number): TablePlace | { readonly impossible: string };
  /** For inputs that the context lacks. */
  input?(builder: BodyBuilder, input: Input): GraphOperand | undefined;
  report(
    builder: BodyBuilder,
    report: number,
    values: readonly GraphOperand[],
    at: Location | undefined,
    program: Program,
  ): void;
}

export interface TablePlace {
  readonly scope: Scope;
  readonly offset: number;
  readonly shape: TableShape;
}

/** A construct that a target cannot express. */
export class TargetError extends Error {
  readonly at: Location | undefined;
  constructor(target: EbpfTarget, what: string, reason: string, at?: Location) {
    super(`target ${target.name}: ${what}: ${reason}`);
    this.name = "TargetError";
    this.at = at;
  }
}
