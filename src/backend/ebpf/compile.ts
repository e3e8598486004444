/**
 * Compiles the IR and its split to one eBPF program:
 *
 * 1. admission: foreign ABIs, numbers that are never judged, unknown numbers;
 * 2. all decisions that need no state, by plain comparisons, so that the kernel can prove those calls constant;
 * 3. a body for each kind of call that needs state, entered with only the context pointer in R1;
 * 4. the target's epilogue, for verdicts that are recorded;
 * 5. returns that several parts share;
 * 6. table operations that are called more than once, as functions.
 *
 * Each body is lowered, optimised and allocated separately, so its cost does not affect the others.
 */

import type { SplitPolicy } from "../../analysis/decision.ts";
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { lockedBodies } from "./atomicity.ts";
import { emitLowered, type LoweredBody, lowerBody } from "./bodies.ts";
import { allocate } from "./emit/allocate.ts";
import { type Emitted, emitBody, emptyProgram, placeReturns } from "./emit/emit.ts";
import { BodyBuilder } from "./graph/builder.ts";
import { reversePostorder } from "./graph/graph.ts";
import { type EbpfInstruction, slotPositions } from "./instructions/instruction.ts";
import { type BodyKind, BodyKinds } from "./lower/body-kinds.ts";
import { lowerStaticPart } from "./lower/static-part.ts";
import { type EbpfTarget, TargetError } from "./lower/target.ts";
import { optimise } from "./passes/optimise.ts";
import { operationInstructions, operationKey, type TableOperation } from "./tables/operations.ts";

export interface EbpfProgram {
  readonly instructions: readonly EbpfInstruction[];
  /**
   * The location in the policy of each instruction; undefined for instructions that are not the policy's (see `parts`).
   */
  readonly locations: readonly (Location | undefined)[];
  /** The program's parts, in order. */
  readonly parts: readonly Part[];
  /** Whether an evaluation needs exclusive state, by the target's lock. */
  readonly locked: boolean;
}

export type Part = { readonly start: number } & (
  | { readonly is: "dispatch" }
  | { readonly is: "body"; readonly numbers: readonly number[] }
  | { readonly is: "epilogue" }
  /** Returns of constants that other parts jump to. */
  | { readonly is: "returns" }
  | { readonly is: "operation"; readonly operation: TableOperation }
);

/** Jumps have signed 16-bit offsets. */
const longestJump = 32_767;

/** Throws a TargetError if the target cannot express the policy. */
export function compileEbpf(program: Program, split: SplitPolicy, target: EbpfTarget): EbpfProgram {
  const into = emptyProgram(target.always | 0);
  const kinds = new BodyKinds(program);
  const entry = lowerStaticPart(program, split, target, kinds);
  optimise(entry);
  const exits = emitBody(allocate(reversePostorder(entry)), 0, into);
  const { bodies, locked } = lowerBodies(program, target, kinds.of(exits.map((exit) => exit.number)));
  for (const key of calledOnce(bodies)) into.inlinedOperations.add(key);
  const starts = new Map<number, number>();
  const parts: Part[] = [{ start: 0, is: "dispatch" }];
  for (const { body, numbers } of bodies) {
    const start = into.instructions.length;
    parts.push({ start, is: "body", numbers });
    for (const number of numbers) starts.set(number, start);
    emitLowered(target, body, into);
  }
  for (const { index, number } of exits) goTo(into, index, starts.get(number)!);
  parts.push(...appendEpilogue(target, into));
  const returns = into.instructions.length;
  if (placeReturns(into)) parts.push({ start: returns, is: "returns" });
  parts.push(...appendOperations(into));
  checkSize(target, into);
  return { instructions: into.instructions, locations: into.locations, parts, locked };
}

interface CompiledBody {
  readonly body: LoweredBody;
  readonly numbers: readonly number[];
}

/** The bodies for calls of these numbers. */
function lowerBodies(
  program: Program,
  target: EbpfTarget,
  kinds: readonly BodyKind[],
): { readonly bodies: readonly CompiledBody[]; readonly locked: boolean } {
  const bodies = kinds.map(({ statements, makesProcesses, numbers }) => ({
    body: lowerBody(program, target, statements, { makesProcesses, locked: false, numbers }),
    numbers,
  }));
  const free = bodies.map(({ body }) => body);
  const mustLock = new Set([
    ...lockedBodies(free, target),
    ...free.filter(({ use }) => target.keepsPlaceForChild?.(use) ?? false),
  ]);
  const wholeRuns = target.lockedAsAWhole && mustLock.size > 0;
  return {
    locked: mustLock.size > 0,
    bodies: bodies.map((compiled) => {
      const { body } = compiled;
      if (!wholeRuns && !mustLock.has(body)) return compiled;
      const how = { makesProcesses: body.use.makesProcesses, locked: true, numbers: compiled.numbers };
      return { ...compiled, body: lowerBody(program, target, body.statements, how) };
    }),
  };
}

function goTo({ instructions }: Emitted, index: number, target: number): void {
  const jump = instructions[index]!;
  if (jump.kind !== "jump" && jump.kind !== "jump-always") throw new TypeError("no jump");
  instructions[index] = { ...jump, target };
}

function checkSize(target: EbpfTarget, { instructions }: Emitted): void {
  const size = slotPositions(instructions).at(-1)!;
  const most = target.mostInstructions;
  const refuse = (limit: string, change: string) =>
    new TargetError(target, "the policy", `it takes ${size} instructions, and ${limit}`, { change });
  if (most !== undefined && size > most)
    throw refuse(`this target has room for ${most}`, "with CAP_BPF the target seccomp has room for it");
  if (size > longestJump) throw refuse(`a jump reaches ${longestJump}`, "make the policy smaller");
}

function appendEpilogue({ epilogue }: EbpfTarget, into: Emitted): Part[] {
  if (epilogue === undefined || into.finishes.length === 0) return [];
  const start = into.instructions.length;
  for (const index of into.finishes) goTo(into, index, start);
  const builder = new BodyBuilder();
  epilogue.lower(builder, builder.parameter());
  optimise(builder.entry);
  emitBody(allocate(reversePostorder(builder.entry)), builder.stackSize, into);
  return [{ start, is: "epilogue" }];
}

/** The keys of table operations that are called from one place only. */
function calledOnce(bodies: readonly CompiledBody[]): string[] {
  const places = new Map<string, number>();
  for (const { body } of bodies)
    for (const { instructions } of reversePostorder(body.builder.entry))
      for (const instruction of instructions) {
        if (instruction.kind !== "call" || !("operation" in instruction.callee)) continue;
        const key = operationKey(instruction.callee.operation);
        places.set(key, (places.get(key) ?? 0) + 1);
      }
  return [...places].flatMap(([key, count]) => (count === 1 ? [key] : []));
}

/** The table operations that the bodies call as functions, each once. */
function appendOperations({ instructions, locations, operationCalls }: Emitted): Part[] {
  const parts: Part[] = [];
  const starts = new Map<string, number>();
  for (const { index, operation } of operationCalls) {
    const key = operationKey(operation);
    let start = starts.get(key);
    if (start === undefined) {
      start = instructions.length;
      starts.set(key, start);
      parts.push({ start, is: "operation", operation });
      const code = operationInstructions(operation, start);
      instructions.push(...code);
      locations.push(...code.map(() => undefined));
    }
    instructions[index] = { kind: "call-local", target: start };
  }
  return parts;
}
