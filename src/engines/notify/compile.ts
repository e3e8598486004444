/** Compiles a policy for the engine `notify`: the classic filter, and the step that the supervisor runs. */

import { callNumber } from "../../abi/call-numbers.ts";
import { numberOf } from "../../abi/calls.ts";
import { environmentArgument } from "../../abi/environment.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { creatingCalls, executingCalls, numbersOf } from "../../abi/process-calls.ts";
import { splitReturnWord } from "../../abi/return-word.ts";
import { credentialNumbers, rootNumbers } from "../../abi/rights-calls.ts";
import { type DecisionLeaf, isStateful, type SplitPolicy, type StatefulReason } from "../../analysis/decision.ts";
import { leavesOf } from "../../analysis/explain/paths.ts";
import { examinedPaths } from "../../analysis/file-paths/guarded-paths.ts";
import { refusedObjects } from "../../analysis/file-paths/refused-objects.ts";
import { refusingPatterns } from "../../analysis/refused-entries.ts";
import type { ClassicProgram } from "../../backend/classic/compile.ts";
import { encodeInstructions, opcode } from "../../backend/classic/instruction.ts";
import { mountRulesOf } from "../../backend/landlock/mounts.ts";
import { rulesetsOf } from "../../backend/landlock/rulesets.ts";
import { compileWasm } from "../../backend/wasm/compile.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { describePolicy } from "../../events/record.ts";
import { spanOf } from "../../ir/location.ts";
import { matchersOf } from "../../ir/observe.ts";
import type { Program } from "../../ir/program.ts";
import { asks, mayPass } from "../../ir/verdicts.ts";
import type { EngineCompiler, Mode } from "../engine/engine.ts";
import { staticFilter } from "../engine/static-filter.ts";
import { describeState } from "../engine/status.ts";
import { notifyFilter, notifyProfile, withStaticReports } from "./filter.ts";
import { followsRights, needsOf } from "./needs.ts";
import { asksForObjects, objectsOf } from "./objects/objects-of.ts";
import { hinderedOwnCalls } from "./pin/own-calls.ts";
import { notifiedProtections } from "./pin/protecting-calls.ts";
import { stallingNumbers } from "./pin/stalling.ts";
import { type ArmedFilter, callTrait, type Needs, type NotifyPolicy } from "./policy/policy.ts";
import { notifiedCalls } from "./policy/tested-calls.ts";
import { hidingCalls } from "./rooms/hiding.ts";
import { catchingCalls } from "./signal-stops.ts";
import { textFilterOf } from "./text-filter.ts";
import { verdictCalls } from "./verdict-calls.ts";

export interface NotifyCompilation {
  /** Undefined if and only if the diagnostics contain an error. */
  readonly policy: NotifyPolicy | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export interface NotifyCompileOptions {
  readonly killEvents?: boolean;
}

/**
 * Compiles for one mode. The filter contains a token of zeroes, which each start replaces by a random one.
 * Throws a FilterTooLargeError or a WasmLimitError.
 */
export function compileForNotify(
  program: Program,
  mode: Mode = "reported",
  { killEvents = false }: NotifyCompileOptions = {},
): NotifyCompilation {
  const needs = needsOf(program);
  const quiet = notifyFilter(program, { mode: "quiet", armed: true });
  const diagnostics =
    mode === "audit" ? [] : [...refuseStatefulTraps(program, quiet.split), ...refuseHeldOpens(program)];
  if (diagnostics.length > 0) return { policy: undefined, diagnostics };
  const stateful = leavesOf(...quiet.split.values()).some(isStateful);
  const isFree = followsRights(program) && leavesMemoryFree(program, quiet.split);
  const protections = isFree ? notifiedProtections(program, quiet.split) : undefined;
  const calls = traitsOf(program, needs);
  const policy: NotifyPolicy = {
    mode,
    filter: armable(withStaticReports(quiet, { mode, killEvents }).classic),
    fallback: stateful || mode === "audit" ? undefined : armable(quiet.classic),
    stateful,
    step: compileWasm(program),
    memory: {
      observations: program.observations,
      words: program.words,
      matchers: matchersOf(program),
      refusing: refusingPatterns(program, environmentArgument),
    },
    allowedPaths: examinedPaths(program),
    refusedObjects: refusedObjects(program),
    readOnlyProc: program.readOnlyProc && mode !== "audit",
    objects: mode === "audit" ? [] : rulesetsOf(program.objects),
    rooms: program.rooms,
    hinderedOwnCalls:
      program.observations.length + program.rooms.length > 0 ? hinderedOwnCalls(program, quiet.split) : [],
    stallingCalls:
      program.observations.length > 0 ? passingOf(stallingNumbers(program.architecture), program, quiet.split) : [],
    memoryIsFree: protections !== undefined,
    protections: protections ?? [],
    hidingCalls:
      program.rooms.length > 0 ? notifiedCalls(program, quiet.split, hidingCalls(program.architecture)).calls : [],
    // A process in a room is stopped and examined by its keeper, to whom it must not be a tracee already.
    catching:
      (stateful || mode === "audit") && program.rooms.length === 0
        ? notifiedCalls(program, quiet.split, catchingCalls(program.architecture)).calls
        : [],
    allowsHandlers: allows(
      callNumber("rt_sigaction", program.architecture),
      program,
      quiet.split,
      (leaf) => !isStateful(leaf),
    ),
    needs,
    calls,
    textFilter: mode === "audit" ? undefined : textFilterOf(program, calls),
    countingCalls: countingOf(program, needs, quiet.split),
    askingCalls: askingOf(program, quiet.split),
    description: describePolicy(program),
    state: describeState(program, verdictCalls(program, quiet.split)),
    opensForCaller: asksForObjects(program),
  };
  return { policy, diagnostics };
}

// ── Calls whose effects the supervisor follows ───────────────────────────────────────────────────────────────────────

function traitsOf(program: Program, needs: Needs): Uint8Array {
  const { judged } = program.admission;
  const highest = judged.reduce((most, { to }) => Math.max(most, Number(to)), 0);
  const traits = new Uint8Array(highest + 1);
  for (const { from, to } of judged) traits.fill(callTrait.judged, Number(from), Number(to) + 1);
  const add = (numbers: readonly number[], trait: number) => {
    for (const number of numbers) if (number <= highest && traits[number] !== 0) traits[number]! |= trait;
  };
  // A child of a process that has restricted itself by Landlock is restricted, too, so births are followed.
  if (needs.births || asksForObjects(program)) add(numbersOf(creatingCalls, program.architecture), callTrait.creates);
  if (needs.threads) add(numbersOf(executingCalls, program.architecture), callTrait.executes);
  if (followsRights(program)) {
    add(credentialNumbers(program.architecture), callTrait.changesCredentials);
    add(rootNumbers(program.architecture), callTrait.changesRoot);
  }
  if (program.observations.length > 0) add(stallingNumbers(program.architecture), callTrait.mayStall);
  return traits;
}

/**
 * The calls whose judgement can depend on the number of living processes. The split names the inputs of conditions, and not
 * those of stored or reported values, so each change and report counts.
 */
function countingOf({ admission }: Program, needs: Needs, split: SplitPolicy): Uint8Array {
  const highest = admission.judged.reduce((most, { to }) => Math.max(most, Number(to)), 0);
  const counting = new Uint8Array(highest + 1);
  if (!needs.alive) return counting;
  const counts = (reason: StatefulReason): boolean => {
    switch (reason.because) {
      case "reads-input":
        return reason.input === "alive";
      case "changes-state":
      case "changes-table":
      case "reports":
      case "asks":
      case "too-complex":
        return true;
      default:
        return false;
    }
  };
  for (const [number, decision] of split) {
    if (leavesOf(decision).some(({ stateful }) => stateful.some(counts))) counting[number] = 1;
  }
  return counting;
}

function askingOf({ admission, verdicts }: Program, split: SplitPolicy): Uint8Array {
  if (!verdicts.some(asks)) return new Uint8Array(0);
  const asking = new Uint8Array(admission.judged.reduce((most, { to }) => Math.max(most, Number(to)), 0) + 1);
  for (const [number, decision] of split) {
    const leaves = leavesOf(decision);
    if (leaves.some(({ possible }) => possible.some((verdict) => asks(verdicts[verdict]!)))) asking[number] = 1;
  }
  return asking;
}

/** The calls with which a process makes its memory writable or executable. */
const memoryCalls = ["mmap", "mprotect", "pkey_mprotect", "mremap", "remap_file_pages", "shmat", "personality"];

/** Whether the policy always allows them. Then a write to protected memory gives a process nothing (native/addon/pin/results.c). */
function leavesMemoryFree(program: Program, split: SplitPolicy): boolean {
  return memoryCalls.every((name) => {
    const number = numberOf(name, program.architecture);
    return number === undefined || allows(number, program, split);
  });
}

/** Whether the policy always allows the call. */
function allows(
  number: number,
  program: Program,
  split: SplitPolicy,
  also: (leaf: DecisionLeaf) => boolean = () => true,
): boolean {
  const decision = split.get(number);
  if (decision === undefined) return false;
  return leavesOf(decision).every(
    (leaf) => also(leaf) && leaf.possible.every((verdict) => program.verdicts[verdict]!.action === "allow"),
  );
}

/** The calls of these that the policy may allow. */
function passingOf(numbers: readonly number[], program: Program, split: SplitPolicy): readonly number[] {
  return numbers.filter((number) => {
    const decision = split.get(number);
    if (decision === undefined) return false;
    return leavesOf(decision).some(({ possible }) => possible.some((verdict) => mayPass(program.verdicts[verdict]!)));
  });
}

// ── Verdicts that this engine cannot give ────────────────────────────────────────────────────────────────────────────

/** Refuses traps by state: a SIGSYS from the supervisor can be blocked, and its siginfo differs from the kernel's. */
function refuseStatefulTraps(program: Program, split: SplitPolicy): readonly Diagnostic[] {
  const traps = new Set<number>();
  for (const leaf of leavesOf(...split.values())) {
    if (!isStateful(leaf)) continue;
    for (const index of leaf.possible) if (program.verdicts[index]!.action === "trap") traps.add(index);
  }
  return [...traps].map((index) => {
    const { at } = program.verdicts[index]!;
    return diagnostic("P0604", "the engine notify cannot trap where the verdict depends on state", {
      span: spanOf(program, at),
      help: "deny with an errno, or kill the process; a trap that depends on arguments alone works",
    });
  });
}

/** For `.resolved`, portcullis opens files itself, and its opens are not in the tree's Landlock domains. */
function refuseHeldOpens(program: Program): readonly Diagnostic[] {
  if (!program.objects.some(({ files }) => files !== undefined)) return [];
  if (mountRulesOf(program.objects).length > 0) return refuseHeld(program);
  const opens = ["open", "openat", "openat2", "creat"].map((name) => numberOf(name, program.architecture));
  const held = [...objectsOf(program.words).keys()].map((index) => program.observations[index]!);
  return held
    .filter(({ sources }) => sources.some(({ number }) => opens.includes(number)))
    .map(({ at }) =>
      diagnostic("P0604", "`files` and `.resolved` of a path that is opened cannot be combined on the engine notify", {
        span: spanOf(program, at),
        help: "portcullis makes such an open itself, where `files` does not apply: list the objects in `files` instead",
      }),
    );
}

/** The addon opens objects only for callers in its own namespaces (native/addon/objects/caller.c). */
function refuseHeld(program: Program): readonly Diagnostic[] {
  return [...objectsOf(program.words).keys()].map((index) => {
    const { at } = program.observations[index]!;
    return diagnostic(
      "P0604",
      "`files.protect` and `files.private` cannot be combined with `.resolved` on the engine notify",
      {
        span: spanOf(program, at),
        help: "they put the tree into namespaces of its own, where portcullis opens no objects for it (before Linux 7.1 `unix.connect` needs that)",
      },
    );
  });
}

/** A filter with the properties that a start needs. */
function armable({ instructions, tokenPositions }: ClassicProgram): ArmedFilter {
  const actions = new Set(
    instructions.flatMap(({ code, k }) => (code === opcode.return ? [splitReturnWord(k).action] : [])),
  );
  return {
    instructions: encodeInstructions(instructions),
    tokenPositions,
    notifies: actions.has("USER_NOTIF"),
    kills: actions.has("KILL_PROCESS") || actions.has("KILL_THREAD"),
    traps: actions.has("TRAP"),
  };
}

// ── The engine's compiler ────────────────────────────────────────────────────────────────────────────────────────────

export const notifyCompiler: EngineCompiler<NotifyPolicy> = {
  ...notifyProfile,
  filter: notifyFilter,
  compile(program, { mode, killEvents, approximate }) {
    const exact = compileForNotify(program, mode, { killEvents });
    if (exact.policy !== undefined || !approximate) return exact;
    const { policy } = compileForNotify(withoutTraps(program), mode, { killEvents });
    return {
      policy,
      diagnostics: exact.diagnostics,
      approximation: "traps that depend on state kill the process instead",
    };
  },
  staticPart(program) {
    const { classic } = staticFilter(notifyProfile, withoutQuestions(program), { armed: true, alone: true });
    const { policy } = compileForNotify(withoutTraps(withoutQuestions(program)), "quiet");
    return { ...policy!, filter: armable(classic), fallback: undefined, stateful: false };
  },
};

/** The next stricter verdict that this engine can give by state. */
function withoutTraps(program: Program): Program {
  const verdicts = program.verdicts.map((verdict) =>
    verdict.action === "trap" ? ({ ...verdict, action: "kill-process" } as const) : verdict,
  );
  return { ...program, verdicts };
}

/** Without a supervisor a call that asks fails. */
function withoutQuestions(program: Program): Program {
  const verdicts = program.verdicts.map((verdict) =>
    asks(verdict) ? ({ ...verdict, action: "deny", errno: errno.EPERM } as const) : verdict,
  );
  return { ...program, verdicts };
}
