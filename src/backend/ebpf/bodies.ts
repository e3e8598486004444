/** Compiles one body: lowering, optimisation, register allocation, emission. */
import type { Program, Statement } from "../../ir/program.ts";
import { allocate } from "./emit/allocate.ts";
import { type Emitted, emitBody } from "./emit/emit.ts";
import type { BodyBuilder } from "./graph/builder.ts";
import { reversePostorder } from "./graph/graph.ts";
import { AvailableValues } from "./lower/available-values.ts";
import { Lowering } from "./lower/lower.ts";
import { type EbpfTarget, TargetError } from "./lower/target.ts";
import { type BodyHow, type BodyUse, bodyUse, mayRaise } from "./lower/uses.ts";
import { optimise } from "./passes/optimise.ts";

/**
 * A longer body reloads values instead of keeping them in registers. The verifier learns about a register at each
 * comparison, so with n rules over one loaded value no two of its paths are equal, and it follows n × n of them: it
 * refuses 2,000 rules over one counter at a million instructions (BPF_COMPLEXITY_LIMIT_INSNS, Linux 6.18). It knows
 * nothing of a reloaded value, so paths merge, at the cost of one load for each comparison.
 */
const longestReusing = 512;

/** MAX_BPF_STACK (include/linux/filter.h). */
const stackLimit = 512;
/** The stack use of a function with `may_goto`, rounded up to 32 as in the verifier. */
const operationStack = 32;

export interface LoweredBody {
  readonly statements: readonly Statement[];
  readonly use: BodyUse;
  readonly builder: BodyBuilder;
}

/** Lowers a body and optimises it. */
export function lowerBody(
  program: Program,
  target: EbpfTarget,
  statements: readonly Statement[],
  how: BodyHow,
): LoweredBody {
  const use = bodyUse(program, statements, how);
  const reusing = lower(program, target, statements, use, true);
  const length = reversePostorder(reusing.entry).reduce((sum, { instructions }) => sum + instructions.length + 1, 0);
  const builder = length > longestReusing ? lower(program, target, statements, use, false) : reusing;
  return { statements, use, builder };
}

/** Emits a body at the end of `into`. */
export function emitLowered(target: EbpfTarget, { statements, builder }: LoweredBody, into: Emitted): void {
  const allocation = allocate(reversePostorder(builder.entry));
  const calls = into.operationCalls.length;
  emitBody(allocation, builder.stackSize, into);
  const stack = builder.stackSize + 8 * allocation.slots;
  if (stack > stackLimit - (into.operationCalls.length > calls ? operationStack : 0))
    throw new TargetError(
      target,
      "a rule's conditions",
      `they need ${stack} bytes of stack, where ${stackLimit} are available`,
      { change: "test fewer values in it", at: statements[0]?.at },
    );
}

/** `reuses`: whether a loaded value stays in its register for later reads. */
function lower(
  program: Program,
  target: EbpfTarget,
  body: readonly Statement[],
  use: BodyUse,
  reuses: boolean,
): BodyBuilder {
  const lowering = new Lowering(program, target, new AvailableValues(reuses), !use.locked, body[0]?.at, use);
  target.open(lowering.builder, use);
  if (use.locked) lowering.closing = use;
  if (mayRaise(body)) lowering.expectRaised();
  lowering.statements(body);
  optimise(lowering.builder.entry);
  return lowering.builder;
}
