/**
 * The type of an engine's description: how the engine differs from the reference meaning and from other engines, and an
 * examination of it on this machine. docs/engines.md, `doctor` and `explain` use it. A start does not load it.
 */
import type { EngineWarnings } from "../../analysis/explain/warnings.ts";
import type { Finding } from "./finding.ts";

/** The aspects in which engines differ, with the row's title in docs/engines.md. Each engine describes all of them. */
export const aspects = {
  "hot-call": "a call whose verdict depends on state",
  ask: "ask",
  "kill-process": "kill(process) by state",
  "kill-thread": "kill(thread) by state",
  "stateful-trap": "trap by state",
  "static-kill": "static kills and traps",
  phases: "phases in an event",
  "caller-name": "the caller's name in an event",
  "no-denial-events": "--no-denial-events",
  "reads-memory": "a call whose verdict depends on memory behind a pointer",
  resolved: "`.resolved` of a path",
  "in-its-stead": "the process that opens or connects to that object",
  interrupted: "EINTR",
  "holds-room": "a call that enters a room",
  "child-copy": "the state that a child inherits",
  "outer-filter": "an outer filter's ERRNO",
  nesting: "nesting",
  "root-tree": "a tree of root",
  "portcullis-gone": "portcullis is stopped or killed",
} as const;

export type Aspect = keyof typeof aspects;

export interface Difference {
  /** The engine's behaviour, without a full stop: a cell of the table in docs/engines.md. */
  readonly does: string;
  /** `explain`'s warning about calls that this concerns; absent if the engine does exactly what the policy says. */
  readonly warning?: string;
}

/** The outcome of a command that was started under the engine from the command line. */
export interface TrialOutcome {
  readonly status: number | null;
  readonly stderr: string;
  /** The events, as JSON lines. */
  readonly events: string;
}

/** Runs a shell script under a ready policy ("exec-once") and this engine. */
export type Trial = (policy: string, script: string) => TrialOutcome;

export interface EngineDescription {
  /** The enforcing parts, and their requirements: Markdown, two cells of the table in docs/engines.md. */
  readonly enforces: string;
  readonly needs: string;
  readonly differences: { readonly [A in Aspect]: Difference };
  /**
   * Tries the engine with small commands in child processes, after its probe has succeeded with this `variant`. Yields
   * findings, and returns whether a command can run under the engine.
   */
  examine(start: Trial, variant: string): Generator<Finding, boolean>;
}

/** The engine's warnings, in the form of `explainPolicy`. */
export function warningsOf({ differences }: EngineDescription): EngineWarnings {
  return {
    "hot-call": differences["hot-call"].warning,
    "kill-thread": differences["kill-thread"].warning,
    "static-kill": differences["static-kill"].warning,
    "stateful-trap": differences["stateful-trap"].warning,
    "reads-memory": differences["reads-memory"].warning,
    resolved: differences.resolved.warning,
    ask: differences.ask.warning,
    "in-its-stead": differences["in-its-stead"].warning,
  };
}

/** Whether a denial is among the events. */
export function hasDenial({ events }: TrialOutcome): boolean {
  return events.includes('"verdict":"deny"');
}

/** The first lines of a command's output, joined to one line; undefined if it printed nothing. */
export function firstLines(text: string): string | undefined {
  const lines = text.trim().split("\n").slice(0, 2).join(" ");
  return lines === "" ? undefined : lines.slice(0, 300);
}
