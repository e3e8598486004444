/**
 * Three forms of one allow-list of arguments: libseccomp's filter, ours of a policy that searches the list at each call,
 * and a policy that remembers found values. Compares their verdicts, and counts their instructions.
 */
import { writeFileSync } from "node:fs";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { returnWord } from "../../src/abi/return-word.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { type ClassicInstruction, encodeInstructions } from "../../src/backend/classic/instruction.ts";
import { runClassic } from "../../src/backend/classic/interpreter.ts";
import { compileEbpf } from "../../src/backend/ebpf/compile.ts";
import { InterpretedTrial } from "../../src/backend/ebpf/testing/trial.ts";
import { trialTarget } from "../../src/backend/ebpf/testing/trial-target.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { seccompEbpfProfile } from "../../src/engines/bundle/filter.ts";
import { staticFilter } from "../../src/engines/engine/static-filter.ts";
import { notifyFilter } from "../../src/engines/notify/filter.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import type { Circumstances, SystemCallEvent } from "../../src/ir/evaluation.ts";
import { evaluate, initialState } from "../../src/ir/interpreter.ts";
import type { Program } from "../../src/ir/program.ts";
import type { CallEvent } from "../../src/traces/trace.ts";
import { libseccompFilter } from "../../test/classic/libseccomp.ts";
import type { FlatProfile } from "../../test/classic/profile.ts";
import { listedPolicy } from "./listed-policy.ts";

export interface Forms {
  readonly profile: FlatProfile;
  readonly libseccomp: readonly ClassicInstruction[];
  readonly searching: readonly ClassicInstruction[];
  /** The classic filter of the engine `seccomp-ebpf`, and the program behind it. */
  readonly remembering: { readonly classic: readonly ClassicInstruction[]; readonly program: Program };
  /** The policies' modules. */
  readonly texts: { readonly searching: string; readonly remembering: string };
}

export function formsOf(profile: FlatProfile): Forms {
  const texts = { searching: listedPolicy(profile, false), remembering: listedPolicy(profile, true) };
  const searching = programOf(texts.searching, profile);
  const program = programOf(texts.remembering, profile);
  const { classic } = staticFilter(seccompEbpfProfile, program, { armed: false });
  return {
    profile,
    libseccomp: libseccompFilter(profile).instructions,
    searching: notifyFilter(searching, { mode: "quiet", armed: false }).classic.instructions,
    remembering: { classic: classic.instructions, program },
    texts,
  };
}

/** @throws Error if it does not compile */
function programOf(text: string, { architecture }: FlatProfile): Program {
  const { program, diagnostics, sources } = loadPolicy("/listed.ts", { architecture, readFile: () => text });
  if (program === undefined) throw new Error(renderDiagnostics(diagnostics, sources));
  return program;
}

/** Writes the files of the forms: libseccomp.filter, searching.ts and remembering.ts. */
export function writeForms({ libseccomp, texts }: Forms, folder: string): void {
  writeFileSync(`${folder}/libseccomp.filter`, encodeInstructions(libseccomp));
  writeFileSync(`${folder}/searching.ts`, texts.searching);
  writeFileSync(`${folder}/remembering.ts`, texts.remembering);
}

/** Instructions of each call, in the order of the calls. */
export interface Steps {
  readonly libseccomp: readonly number[];
  readonly searching: readonly number[];
  /** Instructions of the classic filter and the program, without the kernel's work for a lock. */
  readonly remembering: readonly number[];
}

const circumstances: Circumstances = { now: 1n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };

/**
 * Runs all forms on the calls, in their order, and then on each distinct call with changed arguments.
 *
 * @throws Error if two of them decide differently
 */
export function compareVerdicts(forms: Forms, calls: readonly CallEvent[]): Steps & { readonly compared: number } {
  const judges = judgesOf(forms);
  const steps = { libseccomp: [] as number[], searching: [] as number[], remembering: [] as number[] };
  const distinct = new Map<string, SystemCallEvent>();
  let compared = 0;
  const judge = (event: SystemCallEvent) => {
    compared += 1;
    return judges(event);
  };
  for (const call of calls) {
    const event = eventOf(call, forms.profile);
    distinct.set(`${event.number} ${event.arguments.join(" ")}`, event);
    const counts = judge(event);
    for (const form of ["libseccomp", "searching", "remembering"] as const) steps[form].push(counts[form]);
  }
  for (const event of distinct.values()) for (const other of changed(event)) judge(other);
  return { ...steps, compared };
}

function eventOf({ number, arguments: words }: CallEvent, { architecture }: FlatProfile): SystemCallEvent {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = words.map(({ value }) => value);
  const architectureWord = auditArchitecture[architecture];
  return { number, architecture: architectureWord, instructionPointer: 0n, arguments: [a, b, c, d, e, f] };
}

/** With one argument one less, one more, with bits above its width, or that of no list; and another call with the same. */
function* changed(event: SystemCallEvent): Generator<SystemCallEvent> {
  for (const index of event.arguments.keys()) {
    const value = event.arguments[index]!;
    for (const other of [value - 1n, value + 1n, value ^ (1n << 32n), value ^ (1n << 63n), 0x7fff_fff0n]) {
      const words = event.arguments.with(index, BigInt.asUintN(64, other));
      yield { ...event, arguments: words as unknown as SystemCallEvent["arguments"] };
    }
  }
  yield { ...event, number: event.number ^ 1 };
}

function judgesOf({ libseccomp, searching, remembering: { classic, program } }: Forms) {
  const split = splitPolicy(program, { superviseProcessCreation: false });
  const trial = new InterpretedTrial(program, compileEbpf(program, split, trialTarget).instructions);
  const state = {
    thread: initialState(program, "thread"),
    process: initialState(program, "process"),
    tree: initialState(program, "tree"),
  };
  const isAllowed = (word: number) => word === returnWord("ALLOW");
  const isJudged = (number: number) =>
    program.admission.judged.some(({ from, to }) => BigInt(number) >= from && BigInt(number) <= to);
  return (event: SystemCallEvent): { readonly [F in keyof Steps]: number } => {
    const [a, b, c] = [libseccomp, searching, classic].map((filter) => runClassic(filter, event));
    // Calls without a policy's verdict: the forms have their own for them.
    if (!isJudged(event.number)) return { libseccomp: a!.steps, searching: b!.steps, remembering: c!.steps };
    const { verdict } = evaluate(program, event, circumstances, state);
    const { result } = trial.evaluate(event, circumstances);
    const remembered = [verdict, result].map((one) => program.verdicts[one]?.action === "allow");
    const allowed = [isAllowed(a!.word), isAllowed(b!.word), ...remembered];
    if (new Set(allowed).size > 1)
      throw new Error(`call ${event.number}(${event.arguments.join(", ")}) is allowed by some forms only: ${allowed}`);
    return { libseccomp: a!.steps, searching: b!.steps, remembering: c!.steps + trial.executed };
  };
}
