/** A program for the `notify` engine: what the kernel decides by itself, and what it asks the supervisor. */

import type { Decision, DecisionLeaf, SplitPolicy } from "../../analysis/decision.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import { type ClassicProgram, compileClassic } from "../../compile/classic/compile.ts";
import { encodeInstructions } from "../../compile/classic/instruction.ts";
import { type ReturnAction, returnWord, splitReturnWord, verdictWord } from "../../compile/classic/return-word.ts";
import { compileWasm } from "../../compile/wasm/compile.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { describePolicy } from "../../events/record.ts";
import type { Location } from "../../ir/location.ts";
import type { Input, Program } from "../../ir/program.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../ir/traverse.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { type ArmedFilter, callTrait, type Needs, type NotifyMode, type NotifyPolicy } from "./policy.ts";

const enosys = 38;

export interface NotifyCompilation {
  /** Undefined exactly where there is an error among the diagnostics. */
  readonly policy: NotifyPolicy | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export interface NotifyCompileOptions {
  /** The supervisor carries out static kills, so that they become events. */
  readonly killEvents?: boolean;
}

/**
 * Compiles for one mode. The filter is armed with a token of zeroes; each start puts a fresh one in.
 * Throws what the back ends throw: a FilterTooLargeError, a WasmLimitError.
 */
export function compileForNotify(
  program: Program,
  mode: NotifyMode = "reported",
  { killEvents = false }: NotifyCompileOptions = {},
): NotifyCompilation {
  const needs = needsOf(program);
  const split = superviseExecution(program, splitPolicy(program, { superviseProcessCreation: needs.births }), needs);
  const diagnostics = mode === "audit" ? [] : refuseStatefulTraps(program, split);
  if (diagnostics.length > 0) return { policy: undefined, diagnostics };
  const stateful = [...leavesOf(split)].some((leaf) => isStateful(program, leaf));
  const quiet = compileQuietly(program, split);
  const policy: NotifyPolicy = {
    mode,
    filter: askInstead(quiet, (action) => isHeardOf(action, mode, killEvents)),
    fallback: stateful || mode === "audit" ? undefined : armable(quiet),
    stateful,
    step: compileWasm(program),
    needs,
    calls: traitsOf(program, needs),
    description: describePolicy(program),
  };
  return { policy, diagnostics };
}

// ── What must be followed ────────────────────────────────────────────────────────────────────────────────────────────

export function needsOf(program: Program): Needs {
  const read = new Set<Input>();
  forEachStatement(program.body, (statement) => {
    for (const expression of expressionsOf(statement)) {
      forEachExpression(expression, (one) => {
        if (one.kind === "input") read.add(one.input);
      });
    }
  });
  const state = [...program.cells, ...program.tables];
  const of = (scope: "thread" | "process") => state.filter((one) => one.scope === scope);
  const alive = read.has("alive");
  return {
    threads: of("thread").length > 0,
    processes: of("process").length > 0,
    births: alive || state.some((one) => one.scope !== "tree" && one.onFork !== "fresh"),
    alive,
    processId: read.has("pid"),
    credentials: read.has("uid") || read.has("gid"),
  };
}

/**
 * A thread that executes a program while it is not its process's leader takes over the leader's id. Its state stays its
 * own, so the supervisor must see it happen.
 */
function superviseExecution(program: Program, split: SplitPolicy, needs: Needs): SplitPolicy {
  if (!needs.threads) return split;
  const supervised = new Map(split);
  for (const number of executing(program)) {
    const decision = split.get(number);
    if (decision !== undefined) supervised.set(number, mapLeaves(decision, seen, new Map()));
  }
  return supervised;
}

function seen(leaf: DecisionLeaf): DecisionLeaf {
  return leaf.stateful.length > 0 ? leaf : { ...leaf, stateful: [{ because: "process-creation" }] };
}

/** Equal nodes of the result are one object again, as a `Decision` promises. */
function mapLeaves(
  decision: Decision,
  change: (leaf: DecisionLeaf) => DecisionLeaf,
  done: Map<Decision, Decision>,
): Decision {
  const known = done.get(decision);
  if (known !== undefined) return known;
  const result: Decision =
    decision.kind === "leaf"
      ? change(decision)
      : {
          ...decision,
          then: mapLeaves(decision.then, change, done),
          otherwise: mapLeaves(decision.otherwise, change, done),
        };
  done.set(decision, result);
  return result;
}

function executing(program: Program): readonly number[] {
  return [callNumber("execve", program.architecture), callNumber("execveat", program.architecture)];
}

function creating(program: Program): readonly number[] {
  const { architecture } = program;
  const numbers = (["clone", "fork", "vfork", "clone3"] as const).map((name) => callNumber(name, architecture));
  return numbers.filter((number) => number >= 0);
}

function traitsOf(program: Program, needs: Needs): Uint8Array {
  const { judged } = program.admission;
  const highest = judged.reduce((most, { to }) => Math.max(most, Number(to)), 0);
  const traits = new Uint8Array(highest + 1);
  for (const { from, to } of judged) traits.fill(callTrait.judged, Number(from), Number(to) + 1);
  const add = (numbers: readonly number[], trait: number) => {
    for (const number of numbers) if (number <= highest && traits[number] !== 0) traits[number]! |= trait;
  };
  if (needs.births) add(creating(program), callTrait.creates);
  if (needs.threads) add(executing(program), callTrait.executes);
  return traits;
}

// ── The filter ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether the supervisor must see the call to know its verdict, or what follows from it. */
function isStateful(program: Program, leaf: DecisionLeaf): boolean {
  const { action } = program.verdicts[leaf.weakest]!;
  const passes = action === "allow" || action === "log";
  // A creation that is refused in any case creates nothing that would have to be followed.
  return leaf.stateful.some(({ because }) => passes || because !== "process-creation");
}

const returnOpcode = 0x06;
const ask = returnWord("USER_NOTIF");

/** The filter without a question about what is static: of a policy without state, one without any question. */
function compileQuietly(program: Program, split: SplitPolicy): ClassicProgram {
  return compileClassic(program, split, {
    leaf: (leaf) => (isStateful(program, leaf) ? ask : verdictWord(program.verdicts[leaf.weakest]!)),
    unknown: returnWord("ERRNO", enosys),
    foreign: returnWord("ERRNO", enosys),
    always: returnWord("ALLOW"),
    launcherToken: [0, 0, 0, 0],
  });
}

/** The same filter, but such actions are left to the supervisor. Cheaper than to compile a second time. */
function askInstead(
  { instructions, tokenPositions }: Pick<ClassicProgram, "instructions" | "tokenPositions">,
  isAsked: (action: ReturnAction | undefined) => boolean,
): ArmedFilter {
  const changed = instructions.map((instruction) =>
    instruction.code === returnOpcode && isAsked(splitReturnWord(instruction.k).action)
      ? { ...instruction, k: ask }
      : instruction,
  );
  return armable({ instructions: changed, tokenPositions });
}

/** A filter as it is, with what the engine has to know of it. */
export function armable({
  instructions,
  tokenPositions,
}: Pick<ClassicProgram, "instructions" | "tokenPositions">): ArmedFilter {
  const actions = new Set(
    instructions.flatMap(({ code, k }) => (code === returnOpcode ? [splitReturnWord(k).action] : [])),
  );
  return {
    instructions: encodeInstructions(instructions),
    tokenPositions,
    asks: actions.has("USER_NOTIF"),
    kills: actions.has("KILL_PROCESS") || actions.has("KILL_THREAD"),
    traps: actions.has("TRAP"),
  };
}

function isHeardOf(action: ReturnAction | undefined, mode: NotifyMode, killEvents: boolean): boolean {
  if (mode === "audit") return action !== "ALLOW";
  if (action === "KILL_PROCESS" || action === "KILL_THREAD") return killEvents;
  return mode === "reported" && (action === "ERRNO" || action === "LOG");
}

// ── What this engine cannot do ───────────────────────────────────────────────────────────────────────────────────────

/** A SIGSYS that a supervisor sends can be blocked, and its siginfo cannot be the kernel's. */
function refuseStatefulTraps(program: Program, split: SplitPolicy): readonly Diagnostic[] {
  const traps = new Set<number>();
  for (const leaf of leavesOf(split)) {
    if (!isStateful(program, leaf)) continue;
    for (const index of leaf.possible) if (program.verdicts[index]!.action === "trap") traps.add(index);
  }
  return [...traps].map((index) => {
    const { at } = program.verdicts[index]!;
    return diagnostic("P0604", "the engine notify cannot trap where the verdict depends on state", {
      span: at === undefined ? undefined : spanOf(program, at),
      help: "deny with an errno, or kill the process; a trap that depends on arguments alone works",
    });
  });
}

function spanOf(program: Program, at: Location) {
  return { file: program.files[at.file] ?? "?", line: at.line, column: at.column, length: Math.max(1, at.length) };
}

function* leavesOf(split: SplitPolicy): Generator<DecisionLeaf> {
  const visited = new Set<Decision>();
  const waiting = [...split.values()];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (visited.has(next)) continue;
    visited.add(next);
    if (next.kind === "leaf") yield next;
    else waiting.push(next.then, next.otherwise);
  }
}
