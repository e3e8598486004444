/** Properties of a policy that its author should know, although they are not errors. */
import type { Reading } from "../../ir/observation.ts";
import type { Program } from "../../ir/program.ts";
import { kills, passes } from "../../ir/verdicts.ts";
import { numberOf } from "../../linux/calls.ts";
import { servedByObject } from "../../linux/pointees.ts";
import type { DecisionLeaf, SplitPolicy } from "../decision.ts";
import type { Warning } from "./explanation.ts";
import { hotCalls } from "./hot-calls.ts";
import { AskedMemory, observationsOf } from "./memory.ts";
import { callName } from "./names.ts";
import { leavesOf } from "./paths.ts";
import { cellLabel, rateOf } from "./texts.ts";

/** Where a policy may meet what an engine does otherwise than the policy says, or at a cost: the engine words the warning. */
export type EngineWarningKind = Extract<
  Warning["kind"],
  | "hot-call"
  | "kill-thread"
  | "static-kill"
  | "stateful-trap"
  | "interrupted"
  | "reads-memory"
  | "resolved"
  | "in-its-stead"
>;

/** The engine's words for each; undefined where nothing is to be said. */
export type EngineWarnings = { readonly [K in EngineWarningKind]: string | undefined };

/** Is the text that is compared that of a path? */
function readsPath({ architecture, observations, words }: Program, call: string): boolean {
  const number = numberOf(call, architecture);
  return words.some(({ observation, reads }) => {
    const { shape, sources } = observations[observation]!;
    const isPath = shape.is === "path" || (reads.is === "matches" && reads.part.is === "socket-path");
    return reads.is === "matches" && isPath && sources.some((source) => source.number === number);
  });
}

/** `engine` words what an engine does with the policy; without it there are no warnings about that. */
export function findWarnings(program: Program, split: SplitPolicy, engine?: EngineWarnings): Warning[] {
  const leaves = new Map([...split].map(([number, decision]) => [number, leavesOf(decision)] as const));
  const callsWith = (wanted: (leaf: DecisionLeaf) => boolean): string[] =>
    [...leaves]
      .filter(([, each]) => each.some(wanted))
      .map(([number]) => callName(program.architecture, number))
      .sort();
  const warnings: Warning[] = [];
  const warn = (kind: Warning["kind"], calls: readonly string[], text: string | undefined) => {
    if (calls.length > 0 && text !== undefined) warnings.push({ kind, text, calls });
  };
  const warnOfEngine = (kind: EngineWarningKind, calls: readonly string[]) => warn(kind, calls, engine?.[kind]);
  const has = (leaf: DecisionLeaf, because: string) => leaf.stateful.some((reason) => reason.because === because);
  const may = (leaf: DecisionLeaf, action: "trap" | "kill-thread") =>
    leaf.stateful.length > 0 && leaf.possible.some((verdict) => program.verdicts[verdict]!.action === action);
  const stateful = callsWith((leaf) => leaf.stateful.length > 0);

  warnOfEngine(
    "hot-call",
    stateful.filter((name) => hotCalls.has(name)),
  );
  for (const [index, cell] of program.cells.entries()) {
    const isLimit =
      cell.kind.is === "counter" || (rateOf(program, index) !== undefined && cell.name.endsWith(".level"));
    if (!isLimit || cell.scope === "tree" || cell.onFork !== "copy") continue;
    // A counter is a limit if a refusal depends on it.
    const limited = callsWith(
      (leaf) =>
        leaf.stateful.some((reason) => reason.because === "reads-state" && reason.cell === index) &&
        leaf.possible.some((verdict) => !passes(program.verdicts[verdict]!)),
    );
    warn(
      "copied-limit",
      limited,
      `${cellLabel(program, index)} limits per ${cell.scope} and is copied at a fork: each child has as much left as its parent; count in perTree for a bound on the tree`,
    );
  }
  warn(
    "process-creation",
    callsWith((leaf) => leaf.stateful.length > 0 && leaf.stateful.every((r) => r.because === "process-creation")),
    "needs no state for its verdict, but the supervisor must see every new process",
  );
  warn(
    "execution",
    callsWith((leaf) => leaf.stateful.length > 0 && leaf.stateful.every((r) => r.because === "execution")),
    "needs no state for its verdict, but the supervisor must see which thread executes a program",
  );
  warnOfEngine(
    "kill-thread",
    callsWith((leaf) => may(leaf, "kill-thread")),
  );
  warnOfEngine(
    "static-kill",
    callsWith((leaf) => leaf.stateful.length === 0 && kills(program.verdicts[leaf.weakest]!)),
  );
  warnOfEngine(
    "stateful-trap",
    callsWith((leaf) => may(leaf, "trap")),
  );
  warn(
    "not-expressible",
    callsWith((leaf) => has(leaf, "not-expressible")),
    "a condition on arguments that no classic filter can test is left to the stateful part",
  );
  warn(
    "too-complex",
    callsWith((leaf) => has(leaf, "too-complex")),
    "too many conditions for the split: the stateful part decides, and the kernel enforces only the weakest verdict",
  );
  const reading = (wanted: (observation: number) => boolean): string[] =>
    callsWith((leaf) =>
      leaf.stateful.some((reason) => reason.because === "reads-memory" && wanted(reason.observation)),
    );
  const asks = (wanted: (reads: Reading) => boolean): string[] => {
    const calls = [...split.keys()].filter((number) => {
      if (observationsOf(program, number).length === 0) return false;
      const masks = new AskedMemory(program, number).masks;
      return program.words.some((word, index) => wanted(word.reads) && (masks.get(index) ?? 0n) !== 0n);
    });
    const read = reading((observation) =>
      program.words.some((word) => word.observation === observation && wanted(word.reads)),
    );
    const names = new Set(calls.map((number) => callName(program.architecture, number)));
    return read.filter((name) => names.has(name));
  };
  if (program.observations.length > 0) {
    warnOfEngine(
      "reads-memory",
      reading(() => true),
    );
    warn(
      "path-text",
      asks((reads) => reads.is === "matches" && (reads.part.is === "socket-path" || reads.part.is === "whole")).filter(
        (name) => readsPath(program, name),
      ),
      'the text of a path is the caller\'s own bytes: "..", a symbolic link or a directory descriptor gives the same object another text; .resolved asks about the object',
    );
    const bounds = new Map<string, number[]>();
    program.observations.forEach(({ shape }, index) => {
      if (shape.is !== "strings") return;
      const bound = `more than ${shape.entries} entries or ${shape.bytes} bytes`;
      bounds.set(bound, [...(bounds.get(bound) ?? []), index]);
    });
    for (const [bound, lists] of bounds) {
      const names = new Set(lists.map((index) => program.observations[index]!.name));
      warn(
        "list-bound",
        reading((observation) => lists.includes(observation)),
        `a list (${[...names].join(", ")}) of ${bound} fails with E2BIG and is not judged`,
      );
    }
    warnOfEngine(
      "resolved",
      asks((reads) => reads.is === "resolved"),
    );
  }
  warnOfEngine("interrupted", stateful);
  const objects = new Set(program.words.flatMap((word) => (word.reads.is === "resolved" ? [word.observation] : [])));
  warnOfEngine(
    "in-its-stead",
    callsWith((leaf) =>
      leaf.stateful.some((reason) => reason.because === "reads-memory" && objects.has(reason.observation)),
    ).filter((name) => servedByObject.has(name)),
  );
  const ownScope = new Set<string>(["thread", "process"]);
  warn(
    "one-user",
    callsWith((leaf) =>
      leaf.stateful.some(
        (reason) =>
          (reason.because === "reads-state" && ownScope.has(program.cells[reason.cell]!.scope)) ||
          (reason.because === "reads-table" && ownScope.has(program.tables[reason.table]!.scope)),
      ),
    ),
    "decided by state per process or thread, which does not separate processes of one user: one can write into another's memory and act with the other's state (docs/engines.md, One user)",
  );
  return warnings;
}
