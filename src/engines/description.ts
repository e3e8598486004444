/**
 * What an engine says of itself: how it differs from the reference meaning and from other engines, and what of it works on
 * this machine. docs/engines.md, `doctor` and `explain` read it here. A start does not load it.
 */
import type { EngineWarnings } from "../analysis/explain/warnings.ts";
import type { Finding } from "./finding.ts";

/** In what engines may differ, with the row's title in docs/engines.md. Each engine must say what it does in each. */
export const aspects = {
  "hot-call": "a call whose verdict depends on state",
  "kill-process": "kill(process) by state",
  "kill-thread": "kill(thread) by state",
  "stateful-trap": "trap by state",
  "static-kill": "static kills and traps",
  phases: "phases in an event",
  "caller-name": "the caller's name in an event",
  "no-denial-events": "--no-denial-events",
  "reads-memory": "a call whose verdict depends on memory behind a pointer",
  resolved: "`.resolved` of a path",
  interrupted: "EINTR",
  "in-its-stead": "the object that a path leads to (`resolved`)",
  "holds-room": "a call that enters a room",
  "child-copy": "the state that a child's copy is made of",
  "outer-filter": "an outer filter's ERRNO",
  nesting: "nesting",
  "root-tree": "a tree of root's",
  "portcullis-gone": "portcullis is stopped, or killed",
} as const;

export type Aspect = keyof typeof aspects;

export interface Difference {
  /** What the engine does, without a full stop: a cell of the table in docs/engines.md. */
  readonly does: string;
  /** What `explain` says of calls that meet it; absent where the engine does what the policy says. */
  readonly warning?: string;
}

/** A command that was started under the engine as a person starts one. */
export interface TrialOutcome {
  readonly status: number | null;
  readonly stderr: string;
  /** The events, as JSON lines. */
  readonly events: string;
}

/** Runs a shell script under a ready policy ("exec-once") and this engine. */
export type Trial = (policy: string, script: string) => TrialOutcome;

export interface EngineDescription {
  /** What enforces the policy, and what that needs: Markdown, two cells of the table in docs/engines.md. */
  readonly enforces: string;
  readonly needs: string;
  readonly differences: { readonly [A in Aspect]: Difference };
  /**
   * Tries the engine, whose probe says that it works, with small commands in children. `variant` is the probe's. Returns
   * whether a command can be run under it.
   */
  examine(start: Trial, variant: string): Generator<Finding, boolean>;
}

/** As `explainPolicy` takes them. */
export function warningsOf({ differences }: EngineDescription): EngineWarnings {
  return {
    "hot-call": differences["hot-call"].warning,
    "kill-thread": differences["kill-thread"].warning,
    "static-kill": differences["static-kill"].warning,
    "stateful-trap": differences["stateful-trap"].warning,
    "reads-memory": differences["reads-memory"].warning,
    resolved: differences.resolved.warning,
    interrupted: differences.interrupted.warning,
    "in-its-stead": differences["in-its-stead"].warning,
  };
}

/** Whether the events tell of a denial. */
export function tellsOfDenial({ events }: TrialOutcome): boolean {
  return events.includes('"verdict":"deny"');
}

/** The beginning of what a command printed, on one line; undefined where it printed nothing. */
export function firstLines(text: string): string | undefined {
  const lines = text.trim().split("\n").slice(0, 2).join(" ");
  return lines === "" ? undefined : lines.slice(0, 300);
}
