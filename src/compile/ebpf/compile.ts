/**
 * From the IR and its split to one eBPF program:
 *
 * 1. the gate: foreign ABIs, numbers that are never judged, numbers that nobody knows;
 * 2. by plain comparisons, whatever needs no state, so that the kernel can prove those calls constant;
 * 3. a body for each kind of call that needs state, entered with the context pointer in R1 and nothing else;
 * 4. the target's epilogue, for verdicts that somebody should hear of;
 * 5. returns that several parts share;
 * 6. the operations on tables, as functions.
 *
 * Each body is lowered, optimised and given registers by itself: what one needs costs the others nothing.
 */
import { specialise } from "../../ir/optimise/specialise.ts";
import type { Interval, Location, Program, Statement } from "../../ir/program.ts";
import { type ArchitectureName, auditArchitecture } from "../../linux/architecture.ts";
import type { ArgumentTest, Decision, SplitPolicy } from "../decision.ts";
import { allocate } from "./allocate.ts";
import { lockedBodies } from "./atomicity.ts";
import { emitLowered, type LoweredBody, lowerBody } from "./bodies.ts";
import { BodyBuilder } from "./builder.ts";
import { dispatch } from "./dispatch.ts";
import { type Emitted, emitBody, emptyProgram, placeReturns } from "./emit.ts";
import { Block, inOrder } from "./graph.ts";
import { type EbpfInstruction, slotPositions } from "./instruction.ts";
import { Knowledge } from "./knowledge.ts";
import { Lowering } from "./lower.ts";
import { optimise } from "./optimise.ts";
import { operationInstructions, operationKey, type TableOperation } from "./table-operations.ts";
import { type EbpfTarget, TargetError } from "./target.ts";

export interface EbpfProgram {
  readonly instructions: readonly EbpfInstruction[];
  /** Where in the policy each instruction comes from; undefined for what is not the policy's (see `parts`). */
  readonly locations: readonly (Location | undefined)[];
  /** What the program consists of, in order. */
  readonly parts: readonly Part[];
  /** Whether some evaluation must have its state for itself, by the lock that the target has for that. */
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

/** Calls that make processes: fork, vfork, clone, clone3. Their numbers are part of the kernel's ABI and never change. */
const makers: { readonly [A in ArchitectureName]: readonly number[] } = {
  x86_64: [56, 57, 58, 435],
  aarch64: [220, 435],
};

/** Throws a TargetError where the target cannot express the policy. */
export function compileEbpf(program: Program, split: SplitPolicy, target: EbpfTarget): EbpfProgram {
  const into = emptyProgram();
  const dispatch = new Dispatch(program, split, target);
  optimise(dispatch.lowering.builder.entry);
  const exits = emitBody(allocate(inOrder(dispatch.lowering.builder.entry)), 0, into);
  const { bodies, locked } = lowerBodies(program, target, new Set(exits.map((exit) => exit.number)));
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
  readonly numbers: number[];
}

/** The bodies for calls of these numbers; equal ones are one. */
function lowerBodies(
  program: Program,
  target: EbpfTarget,
  numbers: Iterable<number>,
): { readonly bodies: readonly CompiledBody[]; readonly locked: boolean } {
  const found = new Map<string, CompiledBody>();
  for (const number of numbers) {
    const { body: statements } = specialise(program, number);
    const makesProcesses = makers[program.architecture].includes(number);
    const key = `${makesProcesses} ${print(statements)}`;
    let compiled = found.get(key);
    if (compiled === undefined) {
      compiled = { body: lowerBody(program, target, statements, { makesProcesses, locked: false }), numbers: [] };
      found.set(key, compiled);
    }
    compiled.numbers.push(number);
  }
  const bodies = [...found.values()];
  const free = bodies.map(({ body }) => body);
  const mustLock = lockedBodies(free, target);
  const wholeRuns = target.lockedAsAWhole && mustLock.size > 0;
  return {
    locked: mustLock.size > 0,
    bodies: bodies.map((compiled) => {
      const { body } = compiled;
      if (!wholeRuns && !mustLock.has(body)) return compiled;
      const how = { makesProcesses: body.use.makesProcesses, locked: true };
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
  if (most !== undefined && size > most)
    throw new TargetError(target, "the policy", `it takes ${size} instructions, and this target has room for ${most}`);
  if (size > longestJump)
    throw new TargetError(target, "the policy", `it takes ${size} instructions, and a jump reaches ${longestJump}`);
}

function appendEpilogue({ epilogue }: EbpfTarget, into: Emitted): Part[] {
  if (epilogue === undefined || into.finishes.length === 0) return [];
  const start = into.instructions.length;
  for (const index of into.finishes) goTo(into, index, start);
  const builder = new BodyBuilder();
  epilogue.lower(builder, builder.parameter());
  optimise(builder.entry);
  emitBody(allocate(inOrder(builder.entry)), builder.stackSize, into);
  return [{ start, is: "epilogue" }];
}

/** The operations on tables that the bodies call, each once. */
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

/** Equal statements have equal texts; where in the policy they stand is part of it. */
function print(statements: readonly Statement[]): string {
  return JSON.stringify(statements, (_key, value) => (typeof value === "bigint" ? `${value}n` : value));
}

class Dispatch {
  readonly lowering: Lowering;
  readonly #target: EbpfTarget;
  readonly #program: Program;
  readonly #blocks = new Map<Decision, Block>();

  constructor(program: Program, split: SplitPolicy, target: EbpfTarget) {
    this.lowering = new Lowering(program, target, new Knowledge(true), false);
    this.#program = program;
    this.#target = target;
    const { builder } = this.lowering;
    const [native, foreign] = [new Block(), new Block()];
    const architecture = builder.load(4, "context", target.architectureOffset);
    const expected = { immediate: auditArchitecture[program.architecture] | 0 };
    builder.branch("equal", architecture, expected, native, foreign, 32);
    builder.current = foreign;
    this.lowering.exit(target.refused);
    builder.current = native;
    const number = builder.load(4, "context", target.context.number!.offset);
    const unknown = new Block();
    dispatch(builder, number, this.#ranges(split), unknown, true, 0n, 0xffff_ffffn);
    builder.current = unknown;
    this.lowering.exit(target.refused);
  }

  #ranges(split: SplitPolicy): { from: bigint; to: bigint; block: Block }[] {
    const always = this.lowering.block(() => this.lowering.builder.exit({ immediate: this.#target.always | 0 }));
    const ranges: { from: bigint; to: bigint; block: Block }[] = this.#program.admission.always.map(
      (range: Interval) => ({
        ...range,
        block: always,
      }),
    );
    for (const [number, decision] of split) {
      const block = this.#before(number, this.#decision(decision, number));
      ranges.push({ from: BigInt(number), to: BigInt(number), block });
    }
    ranges.sort((a, b) => (a.from < b.from ? -1 : 1));
    // Neighbours with the same treatment are one range.
    return ranges.reduce<typeof ranges>((merged, range) => {
      const last = merged.at(-1);
      if (last !== undefined && last.block === range.block && last.to + 1n === range.from) last.to = range.to;
      else merged.push({ ...range });
      return merged;
    }, []);
  }

  /** What the target wants to see first of calls with this number. */
  #before(number: number, decided: Block): Block {
    if (this.#target.before === undefined) return decided;
    const { builder } = this.lowering;
    const block = this.lowering.block(() => {
      this.#target.before?.(builder, this.#program, number);
      builder.goto(decided);
    });
    return block.instructions.length === 0 ? decided : block;
  }

  /** Decisions share their parts; each is lowered once, the stateful ones once for each number. */
  #decision(root: Decision, number: number): Block {
    const own = new Map<Decision, Block>();
    const blockOf = (decision: Decision): Block | undefined => own.get(decision) ?? this.#blocks.get(decision);
    for (const decision of partsFirst(root, (part) => blockOf(part) !== undefined)) {
      const stateful =
        decision.kind === "leaf" ? decision.stateful.length > 0 : own.has(decision.then) || own.has(decision.otherwise);
      const block = this.lowering.block(() => {
        if (decision.kind === "test") this.#test(decision.test, blockOf(decision.then)!, blockOf(decision.otherwise)!);
        else if (stateful) this.lowering.builder.current.ending = { kind: "body", number };
        else this.lowering.exitWithVerdict(decision.weakest);
      });
      (stateful ? own : this.#blocks).set(decision, block);
    }
    return blockOf(root)!;
  }

  #test(test: ArgumentTest, then: Block, otherwise: Block): void {
    const word = { kind: "input", input: test.word } as const;
    const { mask, intervals } = test;
    const all = 0xffff_ffff_ffff_ffffn;
    const value =
      mask === all
        ? word
        : mask === 0xffff_ffffn
          ? ({ kind: "extend", width: 32, signed: false, value: word } as const)
          : ({ kind: "binary", operator: "and", left: word, right: { kind: "constant", value: mask } } as const);
    const single = intervals.length === 1 && intervals[0]!.from === intervals[0]!.to ? intervals[0]!.from : undefined;
    if (single === 0n && mask !== all) {
      const zero = { kind: "constant", value: 0n } as const;
      this.lowering.condition({ kind: "compare", operator: "equal", left: value, right: zero }, then, otherwise);
    } else this.lowering.condition({ kind: "within", value, intervals }, then, otherwise);
  }
}

/**
 * A decision and its parts that are not done yet, each once and behind its own parts. Without recursion: a policy of
 * thousands of rules makes decisions as deep.
 */
function* partsFirst(root: Decision, isDone: (decision: Decision) => boolean): Generator<Decision> {
  const pending = [root];
  for (let decision = pending.at(-1); decision !== undefined; decision = pending.at(-1)) {
    const missing = decision.kind === "leaf" ? [] : [decision.otherwise, decision.then].filter((part) => !isDone(part));
    if (missing.length > 0 && !isDone(decision)) {
      pending.push(...missing);
      continue;
    }
    pending.pop();
    if (!isDone(decision)) yield decision;
  }
}
