/** Properties of a policy that its author should know, although they are not errors. */

import { numberOf } from "../../abi/calls.ts";
import { servedByObject } from "../../abi/pointees.ts";
import type { Reading } from "../../ir/observation.ts";
import type { Program } from "../../ir/program.ts";
import { kills, mayPass } from "../../ir/verdicts.ts";
import type { DecisionLeaf, SplitPolicy, StatefulReason } from "../decision.ts";
import type { Warning } from "./explanation.ts";
import { hotCalls } from "./hot-calls.ts";
import { AskedMemory, observationsOf } from "./memory.ts";
import { callName } from "./names.ts";
import { leavesOf } from "./paths.ts";
import { cellLabel, rateOf } from "./texts.ts";

/** Rules for which an engine may differ from the policy, or has a cost; the engine has the warning's text. */
export type EngineWarningKind = Extract<
  Warning["kind"],
  "hot-call" | "kill-thread" | "static-kill" | "stateful-trap" | "reads-memory" | "resolved" | "in-its-stead" | "ask"
>;

/** The engine's words for each; undefined if it gives no warning. */
export type EngineWarnings = { readonly [K in EngineWarningKind]: string | undefined };

/** `engine` has an engine's sentences; without it there are no warnings about engines. */
export function findWarnings(program: Program, split: SplitPolicy, engine?: EngineWarnings): Warning[] {
  const found = new Warnings(program, split, engine);
  const stateful = found.callsWith((leaf) => leaf.stateful.length > 0);
  found.addOfEngine(
    "hot-call",
    stateful.filter((name) => hotCalls.has(name)),
  );
  addCopiedLimits(found);
  addReasons(found);
  if (program.observations.length > 0) addMemory(found);
  addServedObjects(found);
  addOwnScopes(found);
  return found.warnings;
}

/** Collects the warnings of one policy. */
class Warnings {
  readonly warnings: Warning[] = [];
  readonly program: Program;
  readonly split: SplitPolicy;
  readonly #engine: EngineWarnings | undefined;
  readonly #leaves: ReadonlyMap<number, readonly DecisionLeaf[]>;

  constructor(program: Program, split: SplitPolicy, engine: EngineWarnings | undefined) {
    this.program = program;
    this.split = split;
    this.#engine = engine;
    this.#leaves = new Map([...split].map(([number, decision]) => [number, leavesOf(decision)] as const));
  }

  callsWith(wanted: (leaf: DecisionLeaf) => boolean): string[] {
    return [...this.#leaves]
      .filter(([, each]) => each.some(wanted))
      .map(([number]) => callName(this.program.architecture, number))
      .sort();
  }

  /** The calls that the stateful part must see for a reason that satisfies the test. */
  callsFor(wanted: (reason: StatefulReason) => boolean): string[] {
    return this.callsWith((leaf) => leaf.stateful.some(wanted));
  }

  add(kind: Warning["kind"], calls: readonly string[], text: string | undefined): void {
    if (calls.length > 0 && text !== undefined) this.warnings.push({ kind, text, calls });
  }

  addOfEngine(kind: EngineWarningKind, calls: readonly string[]): void {
    this.add(kind, calls, this.#engine?.[kind]);
  }
}

/** A counter or rate is a limit if a refusal depends on it. */
function addCopiedLimits(found: Warnings): void {
  const { program } = found;
  for (const [index, cell] of program.cells.entries()) {
    const isLimit =
      cell.kind.is === "counter" || (rateOf(program, index) !== undefined && cell.name.endsWith(".level"));
    if (!isLimit || cell.scope === "tree" || cell.onFork !== "copy") continue;
    const limited = found.callsWith(
      (leaf) =>
        leaf.stateful.some((reason) => reason.because === "reads-state" && reason.cell === index) &&
        leaf.possible.some((verdict) => !mayPass(program.verdicts[verdict]!)),
    );
    found.add(
      "copied-limit",
      limited,
      `${cellLabel(program, index)} limits per ${cell.scope} and is copied at a fork: each child has as much left as its parent; count in perTree for a bound on the tree`,
    );
  }
}

/** Why the stateful part sees a call, and verdicts that an engine may give in another way. */
function addReasons(found: Warnings): void {
  const { program } = found;
  const onlyBecause = (because: StatefulReason["because"]) =>
    found.callsWith((leaf) => leaf.stateful.length > 0 && leaf.stateful.every((reason) => reason.because === because));
  const byState = (action: "trap" | "kill-thread") =>
    found.callsWith(
      (leaf) =>
        leaf.stateful.length > 0 && leaf.possible.some((verdict) => program.verdicts[verdict]!.action === action),
    );
  found.add(
    "process-creation",
    onlyBecause("process-creation"),
    "needs no state for its verdict, but the supervisor must see every new process",
  );
  found.add(
    "execution",
    onlyBecause("execution"),
    "needs no state for its verdict, but the supervisor must see which thread executes a program",
  );
  found.addOfEngine("kill-thread", byState("kill-thread"));
  found.addOfEngine(
    "static-kill",
    found.callsWith((leaf) => leaf.stateful.length === 0 && kills(program.verdicts[leaf.weakest]!)),
  );
  found.addOfEngine("stateful-trap", byState("trap"));
  found.addOfEngine(
    "ask",
    found.callsFor(({ because }) => because === "asks"),
  );
  found.add(
    "not-expressible",
    found.callsFor(({ because }) => because === "not-expressible"),
    "a condition on arguments that no classic filter can test is left to the stateful part",
  );
  found.add(
    "too-complex",
    found.callsFor(({ because }) => because === "too-complex"),
    "too many conditions for the split: the stateful part decides, and the kernel enforces only the weakest verdict",
  );
}

/** The calls that are read behind an observation that satisfies the test. */
function reading(found: Warnings, wanted: (observation: number) => boolean): string[] {
  return found.callsFor((reason) => reason.because === "reads-memory" && wanted(reason.observation));
}

/** The calls whose verdict uses a word that satisfies the test. */
function asking(found: Warnings, wanted: (reads: Reading) => boolean): string[] {
  const { program } = found;
  const calls = [...found.split.keys()].filter((number) => {
    if (observationsOf(program, number).length === 0) return false;
    const masks = new AskedMemory(program, number).masks;
    return program.words.some((word, index) => wanted(word.reads) && (masks.get(index) ?? 0n) !== 0n);
  });
  const read = reading(found, (observation) =>
    program.words.some((word) => word.observation === observation && wanted(word.reads)),
  );
  const names = new Set(calls.map((number) => callName(program.architecture, number)));
  return read.filter((name) => names.has(name));
}

/** Whether the policy compares the text of a path of the call. */
function readsPath({ architecture, observations, words }: Program, call: string): boolean {
  const number = numberOf(call, architecture);
  return words.some(({ observation, reads }) => {
    const { shape, sources } = observations[observation]!;
    const isPath = shape.is === "path" || (reads.is === "matches" && reads.part.is === "socket-path");
    return reads.is === "matches" && isPath && sources.some((source) => source.number === number);
  });
}

function addMemory(found: Warnings): void {
  const { program } = found;
  found.addOfEngine(
    "reads-memory",
    reading(found, () => true),
  );
  found.add(
    "path-text",
    asking(
      found,
      (reads) => reads.is === "matches" && (reads.part.is === "socket-path" || reads.part.is === "whole"),
    ).filter((name) => readsPath(program, name)),
    'the text of a path is the caller\'s own bytes: "..", a symbolic link or a directory descriptor gives the same object another text; .resolved asks about the object',
  );
  addListBounds(found);
  found.addOfEngine(
    "resolved",
    asking(found, (reads) => reads.is === "resolved"),
  );
}

function addListBounds(found: Warnings): void {
  const { observations } = found.program;
  const bounds = new Map<string, number[]>();
  observations.forEach(({ shape }, index) => {
    if (shape.is !== "strings") return;
    const bound = `more than ${shape.entries} entries or ${shape.bytes} bytes`;
    bounds.set(bound, [...(bounds.get(bound) ?? []), index]);
  });
  for (const [bound, lists] of bounds) {
    const names = new Set(lists.map((index) => observations[index]!.name));
    found.add(
      "list-bound",
      reading(found, (observation) => lists.includes(observation)),
      `a list (${[...names].join(", ")}) of ${bound} fails with E2BIG and is not judged`,
    );
  }
}

function addServedObjects(found: Warnings): void {
  const objects = new Set(
    found.program.words.flatMap((word) => (word.reads.is === "resolved" ? [word.observation] : [])),
  );
  found.addOfEngine(
    "in-its-stead",
    reading(found, (observation) => objects.has(observation)).filter((name) => servedByObject.has(name)),
  );
}

/** The calls by which a process acts through another one of its user, beside writes to its memory in /proc. */
const reaching = ["ptrace", "process_vm_writev", "pidfd_getfd"];

function addOwnScopes(found: Warnings): void {
  const { cells, tables, verdicts, readOnlyProc } = found.program;
  const passing = new Set(found.callsWith((leaf) => leaf.possible.some((verdict) => mayPass(verdicts[verdict]!))));
  if (readOnlyProc && !reaching.some((name) => passing.has(name))) return;
  found.add(
    "one-user",
    found.callsFor(
      (reason) =>
        (reason.because === "reads-state" && cells[reason.cell]!.scope !== "tree") ||
        (reason.because === "reads-table" && tables[reason.table]!.scope !== "tree"),
    ),
    "decided by state per process or thread, which does not separate processes of one user: one can write into another's memory and act with the other's state (docs/security.md, One user)",
  );
}
